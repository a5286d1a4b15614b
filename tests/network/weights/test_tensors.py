"""HDF5 files that are not what they seem."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from maskrcnn.network.weights.tensors import open_tensors


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "written.h5"
    with h5py.File(path, "w") as file:
        file["fpn_p2/fpn_p2/bias:0"] = np.arange(16, dtype=np.float32)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file to put something bad into."""
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file["fpn_p3/fpn_p3/bias:0"] = np.zeros(16, np.float32)
    return path


def assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(ValueError, match=r"weights\.h5` must hold its tensors itself") as error, open_tensors(path):
        pass
    assert reason in str(error.value)


def test_tensors_have_their_paths_as_names(written: Path):
    with open_tensors(written) as tensors:
        assert list(tensors) == ["fpn_p2/fpn_p2/bias:0"]
        np.testing.assert_array_equal(tensors["fpn_p2/fpn_p2/bias:0"].read(), np.arange(16))


def test_a_soft_link_is_not_followed(path: Path):
    with h5py.File(path, "a") as file:
        file["fpn_p2/fpn_p2/bias:0"] = h5py.SoftLink("/fpn_p3/fpn_p3/bias:0")
    assert_refused(path, "got a link at fpn_p2/fpn_p2/bias:0")


def test_another_file_is_not_opened(path: Path, written: Path):
    with h5py.File(path, "a") as file:
        file["fpn_p2"] = h5py.ExternalLink(str(written), "/fpn_p2")
    assert_refused(path, "got a link at fpn_p2")


def test_a_linked_root_is_not_followed(path: Path, written: Path):
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink(str(written), "/")
    assert_refused(path, "got a link at model_weights")


def test_storage_outside_of_the_file_is_not_read(path: Path, tmp_path: Path):
    (tmp_path / "secret").write_bytes(bytes(64))
    with h5py.File(path, "a") as file:
        outside = [(str(tmp_path / "secret"), 0, 64)]
        file.create_dataset("fpn_p2/fpn_p2/bias:0", (16,), np.float32, external=outside)
    assert_refused(path, "got outside storage at fpn_p2/fpn_p2/bias:0")


def test_virtual_tensors_are_not_read(path: Path, written: Path):
    layout = h5py.VirtualLayout((16,), np.float32)
    layout[:] = h5py.VirtualSource(written, "fpn_p2/fpn_p2/bias:0", (16,))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("fpn_p2/fpn_p2/bias:0", layout)
    assert_refused(path, "got outside storage at fpn_p2/fpn_p2/bias:0")


def test_a_missing_file_is_named(tmp_path: Path):
    with (
        pytest.raises(FileNotFoundError, match=r"none\.h5` must exist; it holds weights"),
        open_tensors(tmp_path / "none.h5"),
    ):
        pass


def test_a_missing_released_file_is_to_be_fetched(tmp_path: Path):
    message = r"mask_rcnn_coco\.h5` must exist; `maskrcnn weights fetch coco` downloads it from https://github.com/"
    with pytest.raises(FileNotFoundError, match=message), open_tensors(tmp_path / "mask_rcnn_coco.h5"):
        pass


def test_a_truncated_file_is_refused(written: Path):
    written.write_bytes(written.read_bytes()[:1500])
    with (
        pytest.raises(ValueError, match=r"written\.h5` must be a whole HDF5 file"),
        open_tensors(written),
    ):
        pass


def test_a_tensor_that_cannot_be_read_names_its_file(path: Path):
    with h5py.File(path, "w") as file:
        tensor = file.create_dataset("bias", data=np.arange(64.0), chunks=(64,), fletcher32=True)
        start = tensor.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[start] ^= 1
    path.write_bytes(content)
    with (
        pytest.raises(ValueError, match=r"weights\.h5` must be a whole HDF5 file"),
        open_tensors(path) as tensors,
    ):
        tensors["bias"].read()
