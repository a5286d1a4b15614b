"""Backbone and pyramid against recorded maps of Matterport's code.

`data/features.npz` was recorded on `data/street.png` with a TensorFlow 2 port of matterport/Mask_RCNN
(z-mahmud22/Mask-RCNN_TF2.14.0 @ fec97db, MIT). Of every map it holds some pixels and channels.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskrcnn.network.model import CHANNEL_MEANS, MaskRCNN, build_mask_rcnn
from maskrcnn.network.weights import Entry, table
from tests.backends import run
from tests.parity.recorded_weights import draw_tensor, read_tensor_list

DATA = Path(__file__).parent / "data"
# Every how many pixels and channels of a map are kept.
STEPS = {
    "C2": (8, 8), "C3": (4, 8), "C4": (2, 16), "C5": (1, 32),
    "P2": (8, 8), "P3": (4, 8), "P4": (2, 8), "P5": (1, 8), "P6": (1, 8),
}  # fmt: skip

TENSORS = read_tensor_list(DATA / "h5_names_resnet50.txt")
BUILT = {path: shape for path, shape in TENSORS.items() if not path.startswith("mrcnn")}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return cv2.imread(str(DATA / "street.png"), cv2.IMREAD_COLOR_RGB)


@pytest.fixture(scope="module")
def model(image: np.ndarray) -> MaskRCNN:
    """A ResNet50 for ten classes."""
    return build_mask_rcnn(backbone="resnet50", image_shape=image.shape[:2], class_count=11)


def entries(model: MaskRCNN) -> Iterator[Entry]:
    """Yields the rows of the table for what is built."""
    return islice(table(model), len(BUILT))


@pytest.fixture(scope="module")
def maps(image: np.ndarray, model: MaskRCNN) -> dict[str, np.ndarray]:
    """All maps that the network makes of the recorded image."""
    for entry in entries(model):
        if entry.group != "rpn_model":
            entry.variable.assign(entry.to_ours(draw_tensor(entry.layer, entry.tensor, entry.their_shape)))

    def extract(images):
        features = model.backbone(images - np.float32(CHANNEL_MEANS))
        return (*features, *model.fpn(features))

    return dict(zip(STEPS, run(extract, image[None].astype(np.float32)), strict=True))


def test_tensors_have_the_names_and_shapes_of_the_recorded_file(model: MaskRCNN):
    assert {entry.path: entry.their_shape for entry in entries(model)} == BUILT
    assert len(BUILT) == 384 - 44


@pytest.mark.parametrize("name", STEPS)
def test_maps_are_as_recorded(name: str, maps: dict[str, np.ndarray]):
    pixels, channels = STEPS[name]
    with np.load(DATA / "features.npz", allow_pickle=False) as recorded:
        expected, (mean, deviation, peak) = recorded[name], recorded[f"{name}_stat"]
    # Values reach thousands: differences count in standard deviations of the map.
    close = {"rtol": 0, "atol": 1e-4 * deviation}
    np.testing.assert_allclose(maps[name][:, ::pixels, ::pixels, ::channels], expected, **close)
    np.testing.assert_allclose(maps[name].mean(dtype=np.float64), mean, **close)
    np.testing.assert_allclose(maps[name].std(dtype=np.float64), deviation, rtol=1e-4)
    np.testing.assert_allclose(np.abs(maps[name]).max(), peak, rtol=1e-4)
