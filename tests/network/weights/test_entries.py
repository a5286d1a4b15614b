"""The table of Matterport's tensors, held against the published file's own list."""

from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest

from maskrcnn.network.model import MaskRCNN, build_mask_rcnn
from maskrcnn.network.weights import load_matterport, table, write_weights
from tests.network.weights.files import scramble
from tests.parity.recorded_weights import read_tensor_list
from tests.tiny import network

COCO_LIST = Path(__file__).parents[2] / "parity" / "data" / "h5_names_resnet101_81.txt"


def test_tensors_lie_as_matterport_lays_them(tmp_path: Path):
    scramble(network(), 1)
    write_weights(network(), tmp_path / "weights.h5")
    model = network()
    with h5py.File(tmp_path / "weights.h5") as file:
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


@cache
def published() -> MaskRCNN:
    """A ResNet101 for COCO's eighty classes, such as the published weights fill."""
    return build_mask_rcnn(backbone="resnet101", image_shape=(64, 64), class_count=81)


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
def test_coco_weights_load_completely(coco: Path, has_biases: bool):
    names = list(read_tensor_list(COCO_LIST))
    biases = [name for name in names if name.startswith(("conv1", "res")) and name.endswith("bias:0")]
    assert len(biases) == 104
    if not has_biases:
        with h5py.File(coco, "a") as file:
            for name in biases:
                del file[name]
    report = load_matterport(published(), coco)
    assert len(report.loaded) == (690 if has_biases else 586)
    assert sorted(report.zeroed) == ([] if has_biases else sorted(biases))
    assert not (report.skipped or report.unused)
    for entry in table(published()):
        expected = 0 if entry.path in report.zeroed else names.index(entry.path)
        assert np.ptp(value := np.asarray(entry.variable)) == 0
        assert value.flat[0] == expected, entry.path
