"""Mini-masks: an instance's mask cut at its box and resized to a small, fixed shape.

Boxes are `(y1, x1, y2, x2)` in pixels of the instance map, whole numbers, outer edge excluded.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Integer

from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Boxes, InstanceMap, Masks, MiniMasks

Numbers = Integer[np.ndarray, "N"]


def extract_boxes(instance_map: InstanceMap, numbers: Numbers) -> Boxes:
    """Returns the tightest box around each instance.

    Args:
        instance_map: The number of the instance that every pixel shows.
        numbers: The instances to look for.

    Returns:
        One box a number, in the given order, int32; all zero for a number without a pixel.
    """
    height, width = instance_map.shape
    row, start, stop, number = _find_runs(instance_map)
    table = np.tile(np.array([height, width, 0, 0], np.int32), (np.iinfo(instance_map.dtype).max + 1, 1))
    np.minimum.at(table[:, 0], number, row)
    np.minimum.at(table[:, 1], number, start)
    np.maximum.at(table[:, 2], number, row + 1)
    np.maximum.at(table[:, 3], number, stop)
    boxes = table[numbers]
    return np.where(boxes[:, 2:3] > 0, boxes, 0)


def _find_runs(instance_map: InstanceMap) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns row, first column, column after the last, and number of every run of equal pixels in a row."""
    width = instance_map.shape[1]
    begins = np.ones(instance_map.shape, bool)
    np.not_equal(instance_map[:, 1:], instance_map[:, :-1], out=begins[:, 1:])
    first = np.flatnonzero(begins)
    length = np.diff(first, append=instance_map.size)
    row, start = (part.astype(np.int32) for part in np.divmod(first, width))
    return row, start, start + length.astype(np.int32), instance_map.reshape(-1)[first]


def cut_masks(instance_map: InstanceMap, numbers: Numbers, boxes: Boxes) -> Iterator[np.ndarray]:
    """Yields the mask of each instance inside its box, one at a time to hold little memory."""
    for number, (y1, x1, y2, x2) in zip(numbers, boxes, strict=True):
        yield instance_map[y1:y2, x1:x2] == number


def crop_masks(
    instance_map: InstanceMap, numbers: Numbers, boxes: Boxes, mini_mask_shape: tuple[int, int]
) -> MiniMasks:
    """Cuts the mask of each instance at its box and resizes it to one shape.

    `paste_masks` is the inverse, up to what the small shape loses.

    Args:
        instance_map: The number of the instance that every pixel shows.
        numbers: The instances.
        boxes: The box of each, with positive sides, inside the map.
        mini_mask_shape: Height and width of the mini-masks.

    Returns:
        The mini-masks in the given order; a pixel is set where more than half of the resized mask is.

    Source:
        Matterport Mask R-CNN `utils.minimize_mask`.
    """
    mini_masks = np.empty((len(boxes), *mini_mask_shape), bool)
    for index, mask in enumerate(cut_masks(instance_map, numbers, boxes)):
        mini_masks[index] = resize_mask(mask, mini_mask_shape) > 0.5
    return mini_masks


def paste_masks(
    mini_masks: MiniMasks | Float[np.ndarray, "N h w"],
    boxes: Boxes,
    image_shape: tuple[int, int],
    threshold: float = 0.5,
) -> Masks:
    """Resizes each mini-mask to its box and puts it there, on an empty image.

    Args:
        mini_masks: Truth, or probabilities in [0, 1] as the mask head predicts them.
        boxes: Where each belongs, inside the image; one without area gives an empty mask.
        image_shape: Height and width of the result.
        threshold: A pixel is set where the resized mask exceeds it.

    Returns:
        One mask of the image's size for each mini-mask.

    Raises:
        InputError: if a box leaves the image.

    Source:
        Matterport Mask R-CNN `utils.expand_mask`, and `utils.unmold_mask`, which also sets pixels that equal
        the threshold.
    """
    return place_parts(expand_masks(mini_masks, boxes, image_shape, threshold), boxes, image_shape)


def place_parts(parts: Sequence[Bool[np.ndarray, "_ _"]], boxes: Boxes, image_shape: tuple[int, int]) -> Masks:
    """Puts each part of an image, as `expand_masks` returns them, into its box on an empty image."""
    masks = np.zeros((len(parts), *image_shape), bool)
    for mask, part, (y1, x1, y2, x2) in zip(masks, parts, np.asarray(boxes).tolist(), strict=True):
        mask[y1:y2, x1:x2] = part
    return masks


def expand_masks(
    mini_masks: MiniMasks | Float[np.ndarray, "N h w"],
    boxes: Boxes,
    image_shape: tuple[int, int],
    threshold: float = 0.5,
) -> list[Bool[np.ndarray, "_ _"]]:
    """Resizes each mini-mask to its box; arguments, errors and source are those of `paste_masks`.

    Returns:
        For each mini-mask the part of the image inside its box, column by column in memory.
    """
    boxes = np.asarray(boxes)
    outside = (boxes[:, :2] < 0).any(axis=1) | (boxes[:, 2:] > image_shape).any(axis=1)
    if outside.any():
        raise InputError(f"`boxes` must lie inside {tuple(image_shape)} pixels; got {boxes[outside][0].tolist()}.")
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).astype(np.int64)
    scratch = np.empty((2, sides.prod(axis=1).max(initial=0)))
    return [
        _resize(mask, (h, w), scratch) > threshold if h and w else np.zeros((h, w), bool)
        for mask, (h, w) in zip(mini_masks, sides.tolist(), strict=True)
    ]


def resize_mask(
    mask: Bool[np.ndarray, "h w"] | Float[np.ndarray, "h w"], shape: tuple[int, int]
) -> Float[np.ndarray, "H W"]:
    """Resizes by linear interpolation between pixel centres, with zeros around the mask and no smoothing.

    The result keeps to the range of the mask: one that fills its box also fills the new shape, corners
    included. It lies column by column in memory, because whole columns are copied faster than pixels.

    Source:
        `skimage.transform.resize(mask, shape, order=1, mode="constant", anti_aliasing=False)`.
    """
    return _resize(mask, shape, np.empty((2, shape[0] * shape[1])))


def _resize(
    mask: Bool[np.ndarray, "h w"] | Float[np.ndarray, "h w"], shape: tuple[int, int], scratch: Float[np.ndarray, "2 _"]
) -> Float[np.ndarray, "H W"]:
    """Resizes a mask in memory that is there already: getting new memory would take longer than the arithmetic."""
    above, below, weight = _interpolate(mask.shape[0], shape[0])
    left, right, across = _interpolate(mask.shape[1], shape[1])
    padded = np.zeros((mask.shape[1] + 2, mask.shape[0] + 2))
    padded[1:-1, 1:-1] = mask.T
    columns = padded[:, above] * (1 - weight) + padded[:, below] * weight
    resized, other = (part[: shape[0] * shape[1]].reshape(shape[::-1]) for part in scratch)
    columns.take(left, axis=0, out=resized, mode="clip")  # in other modes NumPy would copy `out`
    columns.take(right, axis=0, out=other, mode="clip")
    resized *= (1 - across)[:, None]
    other *= across[:, None]
    resized += other
    return np.clip(resized, mask.min(), mask.max(), out=resized).T


def _interpolate(length: int, new_length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the two padded pixels around every new centre, and the weight of the second."""
    centre = (np.arange(new_length) + 0.5) * (length / new_length) - 0.5
    first = np.floor(centre)
    neighbour = first.astype(np.int64) + 1
    return neighbour, neighbour + 1, centre - first
