"""Weight files to be spoiled, and networks full of numbers."""

from functools import cache

import h5py
import numpy as np

from maskrcnn.network.model import MaskRCNN, build_mask_rcnn
from maskrcnn.network.weights import Entry, table
from tests.tiny import CLASS_COUNT, SHAPE

NARROW = {"backbone_width": 8, "fpn_channels": 16, "rpn_channels": 16, "box_channels": 32, "mask_channels": 8}


@cache
def deeper() -> MaskRCNN:
    """Returns the tests' network with a second block in every stage."""
    return build_mask_rcnn(backbone="resnet26", image_shape=SHAPE, class_count=CLASS_COUNT, **NARROW)


def scramble(model: MaskRCNN, seed: int) -> None:
    """Fills a network with random numbers; variances are positive."""
    dice = np.random.default_rng(seed)
    for entry in table(model):
        shape = entry.variable.shape
        is_variance = entry.tensor == "moving_variance"
        entry.variable.assign(dice.uniform(0.01, 2, shape) if is_variance else dice.normal(size=shape))


def values(model: MaskRCNN) -> dict[str, np.ndarray]:
    """Returns the values of all variables, in our shapes, by their paths in Matterport's files."""
    return {entry.path: np.array(np.asarray(entry.variable)) for entry in table(model)}


def in_their_shape(model: MaskRCNN) -> list[tuple[Entry, np.ndarray]]:
    """Returns every entry beside its values as a file holds them."""
    return [(entry, entry.to_theirs(np.array(np.asarray(entry.variable)))) for entry in table(model)]


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def replace(file: h5py.File, name: str, value: object) -> None:
    del file[name]
    file[name] = value
