"""Small drawn scenes with their records, for the tests of views and augmentation."""

from dataclasses import fields

import cv2
import numpy as np

from maskrcnn.data.mini_masks import crop_masks, extract_boxes, paste_masks
from maskrcnn.data.records import Record
from maskrcnn.data.views import View, move_truth

SHAPE = HEIGHT, WIDTH = 64, 96


def draw_map(seed: int) -> np.ndarray:
    """Returns a map of up to eight ellipses, later ones before earlier ones, numbered from 1."""
    dice = np.random.default_rng(seed)
    instance_map = np.zeros(SHAPE, np.uint16)
    for number in range(1, dice.integers(0, 9) + 1):
        center, axes = dice.integers(0, (WIDTH, HEIGHT)), dice.integers(2, 25, 2)
        cv2.ellipse(instance_map, center.tolist(), axes.tolist(), dice.integers(180), 0, 360, number, -1)
    return instance_map


def make_record(instance_map: np.ndarray) -> Record:
    """Returns the record of a map; the class of an instance is its number, and every third is a crowd."""
    numbers = np.setdiff1d(instance_map, [0]).astype(np.int32)
    boxes = extract_boxes(instance_map, numbers)
    return Record(
        name="scene",
        image_path="scene.png",
        boxes=boxes,
        class_ids=numbers,
        is_crowd=numbers % 3 == 0,
        areas=np.array([np.count_nonzero(instance_map == number) for number in numbers], np.int32),
        mini_masks=crop_masks(instance_map, numbers, boxes, (56, 56)),
        instance_ids=1000 * numbers,
        dropped=2,
        instance_png=np.empty(0, np.uint8),
    )


def same(record: Record, other: Record) -> bool:
    return all(np.array_equal(getattr(record, part.name), getattr(other, part.name)) for part in fields(Record))


def paint(instance_map: np.ndarray) -> np.ndarray:
    """Returns an image in which every instance has the grey of its number."""
    return np.repeat(instance_map[..., None].astype(np.uint8) * 20, 3, axis=2)


def crop(record: Record, window: np.ndarray, image_shape: tuple[int, int] = SHAPE) -> Record:
    """Returns the truth of a window of whole pixels, inside the image or around it."""
    return move_truth(record, View(window.astype(float), np.clip(window, 0, [*SHAPE, *SHAPE]), False), image_shape)


def rebuild(record: Record) -> np.ndarray:
    return paste_masks(record.mini_masks, record.boxes, SHAPE)


def overlaps(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the IoU of each pair."""
    return (masks & others).sum(axis=(1, 2)) / (masks | others).sum(axis=(1, 2))
