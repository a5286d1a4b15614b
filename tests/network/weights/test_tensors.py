"""HDF5 files that are not what they seem."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskrcnn.network.weights.tensors import open_tensors
from maskrcnn.project.errors import InputError


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
        tensor = file.create_dataset("bias", data=np.arange(64.0), chunks=(64,), compression="gzip")
        start = tensor.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[start] ^= 1
    path.write_bytes(content)
    with (
        pytest.raises(ValueError, match=r"weights\.h5` must be a whole HDF5 file"),
        open_tensors(path) as tensors,
    ):
        tensors["bias"].read()


OLD = (1_000_000_000, 1_000_000_000)  # of access and of change, in nanoseconds; the next access is noted


def point_softly(file: h5py.File, marker: Path) -> None:
    file["fpn_p2/fpn_p2/bias:0"] = h5py.SoftLink(str(marker))


def point_outside(file: h5py.File, marker: Path) -> None:
    file["fpn_p2/fpn_p2/bias:0"] = h5py.ExternalLink(str(marker), "/secret")


def store_outside(file: h5py.File, marker: Path) -> None:
    file.create_dataset("fpn_p2/fpn_p2/bias:0", (4,), np.float32, external=[(str(marker), 0, 16)])


def map_outside(file: h5py.File, marker: Path) -> None:
    layout = h5py.VirtualLayout((4,), np.float32, maxshape=(None,))
    source = h5py.VirtualSource(marker, "secret", (4,), maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    file.create_virtual_dataset("fpn_p2/fpn_p2/bias:0", layout)


@pytest.mark.parametrize("point", [point_softly, point_outside, store_outside, map_outside])
def test_nothing_outside_is_read(path: Path, tmp_path: Path, point: Callable[[h5py.File, Path], None]) -> None:
    marker = tmp_path / "marker.h5"
    with h5py.File(marker, "w") as file:
        file.create_dataset("secret", data=np.ones(4, np.float32), maxshape=(None,), chunks=(4,))
    with h5py.File(path, "a") as file:
        point(file, marker)
    os.utime(marker, ns=OLD)
    with pytest.raises(InputError, match=r"weights\.h5` must hold its tensors itself; got"), open_tensors(path):
        pass
    assert marker.stat().st_atime_ns == OLD[0]
    marker.read_bytes()
    assert marker.stat().st_atime_ns > OLD[0]  # a reader would have been noticed


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((10**9,), None), ((2**20, 2**20, 2**20), (1, 1, 2**20)), ((10**12,), (10**6,))],
)
def test_a_shape_that_the_file_is_too_small_for_is_refused(
    path: Path, shape: tuple[int, ...], chunks: tuple[int, ...] | None
) -> None:
    with h5py.File(path, "a") as file:
        file.create_dataset("fpn_p2/fpn_p2/bias:0", shape, np.float32, chunks=chunks)
    tracemalloc.start()  # numpy tells it what it allocates
    message = r"weights\.h5` must hold the tensors that it states; got one of shape \(.* at fpn_p2/fpn_p2/bias:0"
    with pytest.raises(InputError, match=message), open_tensors(path):
        pass
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_chunks_that_the_file_is_too_small_for_are_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.create_dataset("fpn_p2/fpn_p2/bias:0", (16,), np.float32, chunks=(10**8,), maxshape=(None,))
    with pytest.raises(InputError, match="must hold the tensors that it states"), open_tensors(path):
        pass


def test_a_compressed_tensor_is_read(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.create_dataset("zeros", (2**20,), np.float32, chunks=(2**18,), compression="gzip", shuffle=True)
        file["zeros"][:] = 0
    with open_tensors(path) as tensors:
        assert not tensors["zeros"].read().any()


def test_what_is_compressed_twice_is_refused(path: Path) -> None:
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((4,))
    for _ in range(2):  # twice compressed, a few bytes become a million times as many
        settings.set_deflate(9)
    with h5py.File(path, "a") as file:
        space = h5py.h5s.create_simple((4,))
        h5py.h5d.create(file.id, b"bias", h5py.h5t.NATIVE_FLOAT, space, settings)
    message = r"weights\.h5` must be compressed by gzip once or not at all; got the HDF5 filters \[1, 1\] at bias"
    with pytest.raises(InputError, match=message), open_tensors(path):
        pass


@pytest.mark.parametrize("settings", [{"scaleoffset": 0}, {"fletcher32": True}, {"compression": "lzf"}])
def test_a_filter_that_is_not_needed_is_refused(path: Path, settings: dict[str, Any]) -> None:
    with h5py.File(path, "a") as file:
        file.create_dataset("bias", data=np.arange(4), chunks=(4,), **settings)
    with pytest.raises(InputError, match=r"got the HDF5 filters \[.*\] at bias"), open_tensors(path):
        pass


def test_a_group_within_itself_is_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["fpn_p3/fpn_p3/again"] = file["fpn_p3"]
    message = r"weights\.h5` must hold every group once; got one again at fpn_p3/fpn_p3/again"
    with pytest.raises(InputError, match=message), open_tensors(path):
        pass


def test_a_named_type_is_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["type"] = np.dtype("f4")
    message = r"weights\.h5` must hold tensors alone; got a named type at type"
    with pytest.raises(InputError, match=message), open_tensors(path):
        pass


def test_an_error_of_the_caller_keeps_its_kind(path: Path) -> None:
    with pytest.raises(KeyError, match="mine"), open_tensors(path):
        raise KeyError("mine")
