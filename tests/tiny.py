"""A network and scenes that are small enough for a test."""

import random
from collections.abc import Iterable
from functools import cache
from typing import Any

import cv2
import numpy as np

from maskrcnn.data.batches import pad_truth
from maskrcnn.data.mini_masks import crop_masks, extract_boxes
from maskrcnn.data.records import Record
from maskrcnn.learning.loss_model import set_learning_layers
from maskrcnn.network.model import MaskRCNN, build_mask_rcnn

SHAPE = (64, 64)
CLASS_COUNT = 4
MINI_MASK_SHAPE = (56, 56)
COLORS = np.array([[90, 110, 100], [220, 30, 30], [30, 220, 30], [40, 40, 230]], np.uint8)


def network() -> MaskRCNN:
    """Returns the one network of all tests, whose proposals are nearly its anchors; see `reset`."""
    return _make()[0]


def start() -> list[np.ndarray]:
    """Returns the values of the network's variables before anything was learned."""
    return _make()[1]


@cache
def _make() -> tuple[MaskRCNN, list[np.ndarray]]:
    model = make_network()
    return model, read(model.variables)


def make_network(seed: int = 2021, **arguments: Any) -> MaskRCNN:
    """Returns another network, with one seed of the same weights; `arguments` go to the builder."""
    random.seed(seed)  # Keras draws its seeds from this generator
    model = build_mask_rcnn(
        backbone="resnet14",
        image_shape=SHAPE,
        class_count=CLASS_COUNT,
        backbone_width=8,
        fpn_channels=16,
        rpn_channels=16,
        box_channels=32,
        mask_channels=8,
        anchor_scales=(8, 16, 32, 48, 64),
        canonical_roi_size=24,
        num_candidates=400,
        num_proposals=40,
        **arguments,
    )
    model.rpn_head.deltas.kernel.assign(0.01 * model.rpn_head.deltas.kernel)
    return model


def reset() -> None:
    """Gives the network the values that it was made with and lets all of it learn."""
    set_learning_layers(network(), "all")
    write(network().variables, start())


def read(variables: Iterable[Any]) -> list[np.ndarray]:
    return [np.array(np.asarray(variable)) for variable in variables]


def write(variables: Iterable[Any], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def draw_scene(seed: int) -> tuple[np.ndarray, Record]:
    """Returns an image and its record: an object of every class, a quadrant each, its class the colour."""
    dice = np.random.default_rng(seed)
    image = np.full((*SHAPE, 3), COLORS[0])
    instance_map = np.zeros(SHAPE, np.uint16)
    quadrants = dice.permutation(4)
    for class_id in range(1, CLASS_COUNT):
        center = np.array(divmod(quadrants[class_id], 2)) * 32 + 16 + dice.integers(-2, 3, 2)
        axes = dice.integers(8, 13, 2)
        cv2.ellipse(instance_map, center.tolist(), axes.tolist(), 0, 0, 360, class_id, -1)
    image = COLORS[instance_map] + dice.integers(0, 20, (*SHAPE, 3)).astype(np.uint8)
    return image, make_record(instance_map, f"scene_{seed}")


def make_record(instance_map: np.ndarray, name: str) -> Record:
    """Returns the record of a map in which every class has one instance at most."""
    class_ids = np.setdiff1d(instance_map, [0]).astype(np.int32)
    boxes = extract_boxes(instance_map, class_ids)
    return Record(
        name=name,
        image_path=f"{name}.png",
        boxes=boxes,
        class_ids=class_ids,
        is_crowd=np.zeros(len(boxes), bool),
        areas=np.array([np.count_nonzero(instance_map == i) for i in class_ids], np.int32),
        mini_masks=crop_masks(instance_map, class_ids, boxes, MINI_MASK_SHAPE),
        instance_ids=1000 * class_ids,
        dropped=0,
        instance_png=np.empty(0, np.uint8),
    )


def make_batch(seeds: list[int], instance_cap: int) -> dict[str, np.ndarray]:
    """Returns scenes as the loss_model takes them."""
    samples = [{"images": image, **pad_truth(record, instance_cap)} for image, record in map(draw_scene, seeds)]
    batch = {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}
    return batch | {"seeds": np.array([[seed, 0] for seed in seeds], np.int32)}
