"""Augmentation: a training image is flipped and cropped at random, and its truth with it.

imgaug rolls the dice and moves the pixels. Two corners of the image go with them; where they end up tells which
window of the image is left, and whether it is mirrored. The truth follows in arithmetic of its own, for records
hold mini-masks and no instance maps. Boxes and windows are `(y1, x1, y2, x2)` in pixels, whole numbers, outer edge
excluded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from imgaug import augmenters as iaa
from imgaug.augmentables import Keypoint, KeypointsOnImage
from jaxtyping import Bool, Int

from maskrcnn.data.mini_masks import resize_mask
from maskrcnn.data.records import Record
from maskrcnn.project.notation import Image

Shape = tuple[int, int]
Box = Int[np.ndarray, "4"]
Mask = Bool[np.ndarray, "_ _"]
Augment = Callable[[Image, Record, np.random.Generator], tuple[Image, Record]]

PROBABILITY = 0.5
LARGEST_CROP = 0.2  # of the image's height or width, off each side


@dataclass(frozen=True)
class View:
    """What augmentation leaves of an image: a window of it, stretched to the image's size.

    Args:
        window: Of positive sides, inside the image.
        mirrored: Whether left and right change places.
    """

    window: Box
    mirrored: bool


def make_augmenter(names: Sequence[str]) -> Augment:
    """Returns a function of an image, its record and a generator, which decides everything.

    Args:
        names: See `build_chain`.

    Raises:
        ValueError: if a name is unknown or comes twice.
    """
    build_chain(names)  # so that a wrong name is told before the first image

    def augment(image: Image, record: Record, generator: np.random.Generator) -> tuple[Image, Record]:
        chain = build_chain(names)  # one an image, for it holds dice that two threads must not share
        chain.seed_(int(generator.integers(2**31)))
        image, view = look(chain, image)
        return image, move_truth(record, view, image.shape[:2])

    return augment


def build_chain(names: Sequence[str]) -> iaa.Sequential:
    """Returns the augmentations of these names, each of which happens to every second image.

    Args:
        names: Of `flip` and `crop`, each at most once, in the order in which they are applied: `flip` swaps left and
            right; `crop` takes up to `LARGEST_CROP` off each side, each its own share, and stretches what is left.

    Raises:
        ValueError: if a name is unknown or comes twice.

    Source:
        imgaug's `Fliplr` and `Crop`, which the experiment of 2021 used.
    """
    steps = {"flip": iaa.Fliplr(PROBABILITY), "crop": iaa.Sometimes(PROBABILITY, iaa.Crop(percent=(0, LARGEST_CROP)))}
    if not set(names) <= set(steps) or len(set(names)) < len(names):
        raise ValueError(f"`augment` must name some of {', '.join(steps)}, each once; got {', '.join(names)}.")
    return iaa.Sequential([steps[name] for name in names])


def look(chain: iaa.Augmenter, image: Image) -> tuple[Image, View]:
    """Augments an image and tells what is left of it.

    Args:
        chain: Keeps the image's size and its axes: it mirrors, crops, stretches or recolours.
        image: Is not changed.
    """
    height, width = image.shape[:2]
    corners = KeypointsOnImage([Keypoint(x=0, y=0), Keypoint(x=width, y=height)], shape=image.shape)
    image, moved = chain(image=image, keypoints=corners)
    start, stop = moved.to_xy_array()[:, ::-1].astype(np.float64)
    # A coordinate c of the image moves to start + c * scale; these two move to the new image's borders.
    scale = (stop - start) / (height, width)
    borders = np.stack([-start / scale, ((height, width) - start) / scale])
    window = np.rint([borders.min(axis=0), borders.max(axis=0)]).astype(np.int64).reshape(4)
    return image, View(window, mirrored=bool(scale[1] < 0))


def move_truth(record: Record, view: View, image_shape: Shape) -> Record:
    """Returns the truth of what the view shows."""
    record = crop_truth(record, view.window, image_shape)
    return flip_truth(record, image_shape[1]) if view.mirrored else record


def flip_truth(record: Record, width: int) -> Record:
    """Returns the truth of the image with left and right swapped; the inverse of itself.

    Args:
        record: Loses its map.
        width: Of the image, in pixels.
    """
    y1, x1, y2, x2 = record.boxes.T
    return replace(
        record,
        boxes=np.stack([y1, width - x2, y2, width - x1], axis=1),
        mini_masks=record.mini_masks[:, :, ::-1],
        instance_png=np.empty(0, np.uint8),
    )


def crop_truth(record: Record, window: Box, image_shape: Shape) -> Record:
    """Returns the truth of a window of the image, stretched to the image's size.

    What lies in the window as a whole keeps its mini-mask bit for bit, and its box is that of the stretched mask.
    Of what the window cuts, the mask is rebuilt from the mini-mask, cut, and made a mini-mask again.

    Args:
        record: Loses its map.
        window: Of positive sides, inside the image.
        image_shape: Height and width in pixels.

    Returns:
        The instances and crowds of which a pixel is left, in their order; areas are rounded.
    """
    boxes = np.clip(record.boxes, window[[0, 1, 0, 1]], window[[2, 3, 2, 3]]).astype(np.int32)
    mini_masks, areas = record.mini_masks.copy(), record.areas.copy()
    for index in np.flatnonzero((boxes != record.boxes).any(axis=1)):
        mask = _rebuild(record.mini_masks[index], record.boxes[index], boxes[index])
        areas[index] = np.count_nonzero(mask)
        if areas[index]:
            boxes[index], mini_masks[index] = _tighten(mask, boxes[index], mini_masks.shape[1:])
    kept = areas > 0
    sides = window[2:] - window[:2]
    return replace(
        record,
        boxes=stretch_boxes(boxes[kept], window, image_shape),
        class_ids=record.class_ids[kept],
        is_crowd=record.is_crowd[kept],
        areas=np.rint(areas[kept] * (np.prod(image_shape) / np.prod(sides))).astype(areas.dtype),
        mini_masks=mini_masks[kept],
        instance_ids=record.instance_ids[kept],
        dropped=record.dropped + int(np.count_nonzero(~kept & ~record.is_crowd)),
        instance_png=np.empty(0, np.uint8),
    )


def stretch_boxes(boxes: Int[np.ndarray, "N 4"], window: Box, image_shape: Shape) -> Int[np.ndarray, "N 4"]:
    """Returns the boxes around the same things when a window of the image is stretched to the image's size.

    Every new pixel shows what lies at its centre, so a box of positive sides keeps them.

    Args:
        boxes: Inside the window.
        window: Of positive sides, no larger than the image.
        image_shape: Height and width in pixels.
    """
    sides = np.tile(window[2:] - window[:2], 2)
    corners = (boxes - window[[0, 1, 0, 1]]) * np.tile(image_shape, 2)
    # ceil(corner / side - 1/2), in whole numbers: the first pixel whose centre does not lie before the corner
    return (-((sides - 2 * corners) // (2 * sides))).astype(np.int32)


def _rebuild(mini_mask: Mask, box: Box, part: Box) -> Mask:
    """Returns the mask of one instance inside a part of its box, which may have no area."""
    shape = int(box[2] - box[0]), int(box[3] - box[1])
    y1, x1, y2, x2 = part - box[[0, 1, 0, 1]]
    return resize_mask(mini_mask, shape)[y1:y2, x1:x2] > 0.5


def _tighten(mask: Mask, box: Box, mini_mask_shape: Shape) -> tuple[Box, Mask]:
    """Returns the tightest box around a mask that is not empty, and the mini-mask in it.

    Args:
        mask: What can be seen inside the box.
        box: In the pixels of the image.
        mini_mask_shape: Height and width of the result.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y1, y2, x1, x2 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return box[[0, 1, 0, 1]] + (y1, x1, y2, x2), resize_mask(mask[y1:y2, x1:x2], mini_mask_shape) > 0.5
