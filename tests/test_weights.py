"""Weights in Matterport's layout."""

import shutil
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest

from maskrcnn.model import MaskRCNN
from maskrcnn.weights import read_weights, table, write_weights
from tests.parity.recorded_weights import read_tensor_list
from tests.tiny import network

COCO_LIST = Path(__file__).parent / "parity" / "data" / "h5_names_resnet101_81.txt"


@pytest.fixture
def path(written: Path, tmp_path: Path) -> Path:
    """A copy of a written file, to be spoiled."""
    return Path(shutil.copy(written, tmp_path / "weights.h5"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "deep" / "weights.h5"
    scramble(network(), 1)
    write_weights(network(), path)
    return path


@pytest.fixture(autouse=True)
def other_values() -> None:
    """Starts every test with values that no file holds."""
    scramble(network(), 2)


def scramble(model: MaskRCNN, seed: int) -> None:
    dice = np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(dice.normal(size=variable.shape))


def values() -> dict[str, np.ndarray]:
    return {entry.path: np.array(np.asarray(entry.variable)) for entry in table(network())}


def assert_untouched(before: dict[str, np.ndarray]) -> None:
    for name, value in values().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_reading_undoes_writing(path: Path):
    report = read_weights(network(), path)
    after = values()
    assert sorted(report.loaded) == sorted(after)
    assert not (report.zeroed or report.skipped or report.missing or report.misshapen or report.unused)
    scramble(network(), 1)
    for name, value in values().items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def test_half_precision_keeps_kernels_to_their_accuracy_and_all_else_exactly(tmp_path: Path):
    before = values()
    write_weights(network(), tmp_path / "half.h5", kernel_dtype="float16")
    scramble(network(), 3)
    read_weights(network(), tmp_path / "half.h5")
    for name, value in values().items():
        # float16 has 11 significant bits: rounding errs by at most 2**-11 of the value, or 2**-25 near 0
        close = {"rtol": 2**-11, "atol": 2**-25} if name.endswith("kernel:0") else {"rtol": 0, "atol": 0}
        np.testing.assert_allclose(value, before[name], **close, err_msg=name)
    with h5py.File(tmp_path / "half.h5") as file:
        assert file["conv1/conv1/kernel:0"].dtype == np.float16
        assert file["conv1/conv1/bias:0"].dtype == np.float32


def test_tensors_lie_as_matterport_lays_them(path: Path):
    scramble(network(), 1)
    model = network()
    with h5py.File(path) as file:
        # height, width, out, in there; in, height, width, out here
        deconvolution = file["mrcnn_mask_deconv/mrcnn_mask_deconv/kernel:0"]
        assert deconvolution.shape == (2, 2, 8, 8)
        np.testing.assert_array_equal(
            deconvolution[0, 1, 2, 3], np.asarray(model.mask_head.upsampling.kernel)[3, 0, 1, 2]
        )
        # a convolution there, a product here: rows, columns, channels
        convolution = file["mrcnn_class_conv1/mrcnn_class_conv1/kernel:0"]
        assert convolution.shape == (7, 7, 16, 32)
        dense = np.asarray(model.box_head.dense[0].kernel)
        np.testing.assert_array_equal(convolution[1, 2, 3, 4], dense[(1 * 7 + 2) * 16 + 3, 4])
        assert file["rpn_model/rpn_conv_shared/kernel:0"].shape == (3, 3, 16, 16)


def test_a_file_of_a_whole_keras_model_is_read_too(path: Path, tmp_path: Path):
    with h5py.File(path) as inner, h5py.File(tmp_path / "model.h5", "w") as outer:
        inner.copy(inner, outer, "model_weights")
        outer["optimizer_weights/rate"] = 1.0
    assert len(read_weights(network(), tmp_path / "model.h5").loaded) == len(values())


def test_all_missing_and_misshapen_tensors_are_told_at_once(path: Path):
    before = values()
    with h5py.File(path, "a") as file:
        del file["fpn_p2/fpn_p2/bias:0"], file["rpn_model/rpn_class_raw/kernel:0"]
        replace(file, "fpn_c4p4/fpn_c4p4/kernel:0", np.zeros((1, 1, 16, 64)))
    with pytest.raises(ValueError, match="must hold the weights of this network; got missing") as error:
        read_weights(network(), path)
    assert str(path) in str(error.value)
    assert "missing fpn_p2/fpn_p2/bias:0, rpn_model/rpn_class_raw/kernel:0" in str(error.value)
    assert "misshapen fpn_c4p4/fpn_c4p4/kernel:0 (1, 1, 16, 64) instead of (1, 1, 128, 16)" in str(error.value)
    assert_untouched(before)


def replace(file: h5py.File, name: str, value: np.ndarray) -> None:
    del file[name]
    file[name] = value


def test_a_transposed_tensor_is_misshapen(path: Path):
    with h5py.File(path, "a") as file:
        name = "mrcnn_class_conv1/mrcnn_class_conv1/kernel:0"
        replace(file, name, np.transpose(file[name][()], (3, 2, 0, 1)))
    with pytest.raises(ValueError, match=r"misshapen mrcnn_class_conv1.*\(32, 16, 7, 7\) instead of \(7, 7, 16, 32\)"):
        read_weights(network(), path)


def test_tensors_without_a_place_are_reported(path: Path):
    with h5py.File(path, "a") as file:
        file["res4g_branch2a/res4g_branch2a/kernel:0"] = np.zeros((1, 1, 256, 64))
        file["anchors/anchors/Variable:0"] = np.zeros((9, 4))
    report = read_weights(network(), path)
    assert report.unused == ["anchors/anchors/Variable:0", "res4g_branch2a/res4g_branch2a/kernel:0"]


def test_a_backbone_without_biases_gets_zeros(path: Path):
    with h5py.File(path, "a") as file:
        biases = [
            f"{layer}/{layer}/bias:0" for layer in file if layer.startswith(("conv1", "res")) and "bn" not in layer
        ]
        for name in biases:
            del file[name]
    report = read_weights(network(), path)
    assert len(biases) == 1 + 4 * 4  # the stem; three convolutions and a shortcut in every stage
    assert sorted(report.zeroed) == sorted(biases)
    assert not any(values()[name].any() for name in biases)
    assert not report.missing


def test_the_tensors_of_other_classes_are_skipped(path: Path):
    before = values()
    heads = {"mrcnn_class_logits": 1, "mrcnn_bbox_fc": 4, "mrcnn_mask": 1}
    with h5py.File(path, "a") as file:
        for layer, depth in heads.items():
            for tensor in ("kernel", "bias"):
                name = f"{layer}/{layer}/{tensor}:0"
                replace(file, name, np.zeros((*file[name].shape[:-1], 81 * depth)))
    report = read_weights(network(), path)
    skipped = [f"{layer}/{layer}/{tensor}:0" for layer in heads for tensor in ("kernel", "bias")]
    assert sorted(report.skipped) == sorted(skipped)
    for name in skipped:
        np.testing.assert_array_equal(values()[name], before[name])
    assert len(report.loaded) == len(before) - len(skipped)


def test_a_soft_link_is_not_followed(path: Path):
    with h5py.File(path, "a") as file:
        replace(file, "fpn_p2/fpn_p2/bias:0", h5py.SoftLink("/fpn_p3/fpn_p3/bias:0"))
    assert_refused(path, "got a link at fpn_p2/fpn_p2/bias:0")


def test_another_file_is_not_opened(path: Path, written: Path):
    with h5py.File(path, "a") as file:
        replace(file, "fpn_p2", h5py.ExternalLink(str(written), "/fpn_p2"))
    assert_refused(path, "got a link at fpn_p2")


def test_a_linked_root_is_not_followed(path: Path, written: Path, tmp_path: Path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["model_weights"] = h5py.ExternalLink(str(written), "/")
    assert_refused(path, "got a link at model_weights")


def test_storage_outside_of_the_file_is_not_read(path: Path, tmp_path: Path):
    (tmp_path / "secret").write_bytes(bytes(64))
    with h5py.File(path, "a") as file:
        del file["fpn_p2/fpn_p2/bias:0"]
        outside = [(str(tmp_path / "secret"), 0, 64)]
        file.create_dataset("fpn_p2/fpn_p2/bias:0", (16,), np.float32, external=outside)
    assert_refused(path, "got outside storage at fpn_p2/fpn_p2/bias:0")


def test_virtual_tensors_are_not_read(path: Path, written: Path):
    layout = h5py.VirtualLayout((16,), np.float32)
    layout[:] = h5py.VirtualSource(written, "fpn_p2/fpn_p2/bias:0", (16,))
    with h5py.File(path, "a") as file:
        del file["fpn_p2/fpn_p2/bias:0"]
        file.create_virtual_dataset("fpn_p2/fpn_p2/bias:0", layout)
    assert_refused(path, "got outside storage at fpn_p2/fpn_p2/bias:0")


def assert_refused(path: Path, reason: str) -> None:
    before = values()
    with pytest.raises(ValueError, match="must hold its tensors itself") as error:
        read_weights(network(), path)
    assert reason in str(error.value)
    assert_untouched(before)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"none\.h5` must exist"):
        read_weights(network(), tmp_path / "none.h5")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"], ids=["empty", "a web page"])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "page.h5").write_bytes(content)
    with pytest.raises(ValueError, match=r"page\.h5` must be an HDF5 file; got"):
        read_weights(network(), tmp_path / "page.h5")


def test_a_truncated_file_is_refused(path: Path):
    path.write_bytes(path.read_bytes()[:100_000])
    before = values()
    with pytest.raises(ValueError, match=r"weights\.h5` must be an HDF5 file; got"):
        read_weights(network(), path)
    assert_untouched(before)


def test_nothing_is_written_when_writing_fails(tmp_path: Path):
    with pytest.raises(TypeError, match="float17"):
        write_weights(network(), tmp_path / "weights.h5", kernel_dtype="float17")
    assert list(tmp_path.iterdir()) == []


@cache
def published() -> MaskRCNN:
    """A ResNet101 for COCO's eighty classes, such as the published weights fill."""
    model = MaskRCNN(backbone="resnet101", image_shape=(64, 64), class_count=81)
    model(np.zeros((1, 64, 64, 3), np.uint8))
    return model


def test_the_table_is_that_of_the_published_file():
    ours = {entry.path: entry.their_shape for entry in table(published())}
    assert ours == read_tensor_list(COCO_LIST)
    assert len(ours) == 690


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the published COCO weights, each tensor filled with a number of its own."""
    path = tmp_path_factory.mktemp("coco") / "coco.h5"
    with h5py.File(path, "w") as file:
        for number, (name, shape) in enumerate(read_tensor_list(COCO_LIST).items()):
            file.create_dataset(name, shape, np.float32, fillvalue=number)
    return path


@pytest.mark.parametrize("has_biases", [True, False])
def test_coco_weights_load_completely(coco: Path, tmp_path: Path, has_biases: bool):
    path = shutil.copy(coco, tmp_path / "coco.h5")
    names = list(read_tensor_list(COCO_LIST))
    biases = [name for name in names if name.startswith(("conv1", "res")) and name.endswith("bias:0")]
    assert len(biases) == 104
    if not has_biases:
        with h5py.File(path, "a") as file:
            for name in biases:
                del file[name]
    report = read_weights(published(), path)
    assert len(report.loaded) == (690 if has_biases else 586)
    assert sorted(report.zeroed) == ([] if has_biases else sorted(biases))
    assert not (report.skipped or report.unused)
    for entry in table(published()):
        expected = 0 if entry.path in report.zeroed else names.index(entry.path)
        assert np.ptp(value := np.asarray(entry.variable)) == 0
        assert value.flat[0] == expected, entry.path
