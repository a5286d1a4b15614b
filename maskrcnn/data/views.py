"""Views: what an augmented image shows of the original one, and the truth of it.

Records hold mini-masks and no instance maps, so the truth is moved by arithmetic of its own: cut, stretched, flipped.
Boxes and windows are `(y1, x1, y2, x2)` in pixels with an exclusive outer edge.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from maskrcnn.data.mini_masks import resize_mask
from maskrcnn.data.records import Record

Shape = tuple[int, int]
Box = Int[np.ndarray, "4"]
Window = Float[np.ndarray, "4"]
Mask = Bool[np.ndarray, "_ _"]


@dataclass(frozen=True)
class View:
    """What an augmented image shows of the original one.

    Args:
        window: The window of the original that is stretched to the image's size. It is larger than the original where
            the image was padded.
        shown: The part of the original that is seen; all other pixels were cut off. Of positive sides.
        mirrored: Whether left and right are swapped.
    """

    window: Window
    shown: Box
    mirrored: bool


def move_truth(record: Record, view: View, image_shape: Shape) -> Record:
    """Returns the truth of what the view shows.

    Args:
        record: Loses its map.
        view: What is left of the image.
        image_shape: Height and width in pixels.
    """
    record = stretch_truth(cut_truth(record, view.shown), view.window, image_shape)
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


def cut_truth(record: Record, shown: Box) -> Record:
    """Returns the truth of the image with all pixels blackened but those of one part.

    What lies in the part as a whole keeps its box and, bit for bit, its mini-mask. Of what the border cuts, the mask is
    rebuilt from the mini-mask, cut, and made a mini-mask again; its box is tight and its area is that of the mask.

    Args:
        record: Loses its map.
        shown: The part, of positive sides.

    Returns:
        The instances and crowds of which a pixel is left, in their order; others count as dropped.
    """
    boxes = np.clip(record.boxes, shown[[0, 1, 0, 1]], shown[[2, 3, 2, 3]]).astype(np.int32)
    mini_masks, areas = record.mini_masks.copy(), record.areas.copy()
    for index in np.flatnonzero((boxes != record.boxes).any(axis=1)):
        mask = _rebuild(record.mini_masks[index], record.boxes[index], boxes[index])
        areas[index] = np.count_nonzero(mask)
        if areas[index]:
            boxes[index], mini_masks[index] = _tighten(mask, boxes[index], mini_masks.shape[1:])
    return _keep(replace(record, boxes=boxes, areas=areas, mini_masks=mini_masks), areas > 0)


def stretch_truth(record: Record, window: Window, image_shape: Shape) -> Record:
    """Returns the truth when a window is stretched to the image's size.

    Mini-masks are those of before, for they do not depend on the size of their box.

    Args:
        record: Instances that lie in the window, up to a fraction of a pixel. Loses its map.
        window: Of positive sides.
        image_shape: Height and width in pixels.

    Returns:
        The instances and crowds that still cover a pixel, in their order; others count as dropped. Areas are rounded,
        to 1 at least.
    """
    boxes = stretch_boxes(record.boxes, window, image_shape)
    sides = window[2:] - window[:2]
    areas = np.maximum(np.rint(record.areas * (np.prod(image_shape) / np.prod(sides))), 1).astype(record.areas.dtype)
    kept = (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])
    return _keep(replace(record, boxes=boxes, areas=areas), kept)


def stretch_boxes(boxes: Int[np.ndarray, "N 4"], window: Window, image_shape: Shape) -> Int[np.ndarray, "N 4"]:
    """Returns the boxes around the same things when a window is stretched to the image's size.

    Every new pixel shows what lies at its centre. A box loses all its pixels where none of the centres hits it, which
    happens only in windows larger than the image.

    Args:
        boxes: Inside the window, up to a fraction of a pixel.
        window: Of positive sides.
        image_shape: Height and width in pixels.
    """
    sides = np.tile(window[2:] - window[:2], 2)
    corners = (boxes - window[[0, 1, 0, 1]]) * np.tile(image_shape, 2)
    # ceil(corner / side - 1/2), exact for whole numbers: the first pixel whose centre does not lie before the corner
    stretched = -((sides - 2 * corners) // (2 * sides))
    return np.clip(stretched, 0, np.tile(image_shape, 2)).astype(np.int32)


def _keep(record: Record, kept: Bool[np.ndarray, "N"]) -> Record:
    """Returns the record of the kept instances; the others count as dropped unless they are crowds."""
    return replace(
        record,
        boxes=record.boxes[kept],
        class_ids=record.class_ids[kept],
        is_crowd=record.is_crowd[kept],
        areas=record.areas[kept],
        mini_masks=record.mini_masks[kept],
        instance_ids=record.instance_ids[kept],
        dropped=record.dropped + int(np.count_nonzero(~kept & ~record.is_crowd)),
        instance_png=np.empty(0, np.uint8),
    )


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
