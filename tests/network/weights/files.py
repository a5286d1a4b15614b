"""Weight files to be spoiled, and networks full of numbers."""

from functools import cache
from typing import Any

import h5py
import keras
import numpy as np

from maskrcnn.network.model import MaskRCNN
from maskrcnn.network.weights import Entry, table
from tests.tiny import CLASS_COUNT, SHAPE

NARROW = {"backbone_width": 8, "fpn_channels": 16, "rpn_channels": 16, "box_channels": 32, "mask_channels": 8}


def build(**arguments: Any) -> MaskRCNN:
    """Returns a network with all its weights made, part by part: what lies between them holds none and takes time."""
    model = MaskRCNN(**arguments)
    pyramid = model.fpn(model.backbone(keras.Input((*model.image_shape, 3), batch_size=1)))
    model.rpn_head(pyramid)
    for head, side in ((model.box_head, 7), (model.mask_head, 14)):
        head(keras.Input((1, side, side, pyramid[0].shape[-1]), batch_size=1))
    return model


@cache
def deeper() -> MaskRCNN:
    """Returns the tests' network with a second block in every stage."""
    return build(backbone="resnet26", image_shape=SHAPE, class_count=CLASS_COUNT, **NARROW)


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
