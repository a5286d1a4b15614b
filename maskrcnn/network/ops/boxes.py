"""Boxes and anchors: frames, deltas and overlaps.

A box is `(y1, x1, y2, x2)`; in pixels its outer edge is exclusive, so its height is `y2 - y1`.
Normalised means `(px - (0, 0, 1, 1)) / (H-1, W-1, H-1, W-1)`: a box around the whole image is
`(0, 0, 1, 1)`, which is the frame that ROI crops are sampled in. Everything is float32.

Anchors are boxes of fixed shapes on every cell of every pyramid level, in pixels. They depend on the image shape
alone and are NumPy constants: no weight holds them.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Num
from keras import ops
from numpy import ndarray

from maskrcnn.project.notation import Array, Boxes, Deltas

MAX_LOG_SIZE = math.log(1000 / 16)
# The unit square shrunk by 2**-22 (0.0005 pixels in an image 2048 wide), so that rounding never moves a sample of a
# box that is clipped to it off the feature map.
IMAGE_WINDOW = (0.0, 0.0, 1 - 2**-22, 1 - 2**-22)
DELTA_STD = (0.1, 0.1, 0.2, 0.2)  # the network predicts deltas divided by these


def normalize_boxes(boxes_px: Boxes, image_shape: tuple[int, int]) -> Boxes:
    """Turns boxes in pixels into normalised boxes.

    Args:
        boxes_px: pixels of the image, exclusive outer edge.
        image_shape: height and width in pixels.
    Raises:
        ValueError: if the image is less than two pixels high or wide: one of the divisors would be 0.
    """
    height, width = image_shape
    if height < 2 or width < 2:
        raise ValueError(f"`image_shape` must have a height and a width above 1; got {tuple(image_shape)}.")
    scale = ops.convert_to_tensor([height - 1, width - 1, height - 1, width - 1], "float32")
    return (ops.cast(boxes_px, "float32") - ops.convert_to_tensor([0, 0, 1, 1], "float32")) / scale


def encode_deltas(boxes: Boxes, targets: Boxes) -> Deltas:
    """Returns the deltas that turn every box into its target.

    Args:
        boxes: in any frame; broadcasts against `targets`.
        targets: in the same frame.
    Returns:
        `(dy, dx, log dh, log dw)`; shifts are fractions of the box's own height and width.
        All zero where the box or its target is empty, so that padding stays finite.
    Source:
        R-CNN (arXiv:1311.2524), appendix C. Not yet divided by the standard deviations.
    """
    center, size = _center_and_size(boxes)
    target_center, target_size = _center_and_size(targets)
    filled = ops.logical_and(_is_filled(size), _is_filled(target_size))
    size = ops.where(filled, size, 1.0)
    target_size = ops.where(filled, target_size, 1.0)
    deltas = ops.concatenate([(target_center - center) / size, ops.log(target_size / size)], axis=-1)
    return ops.where(filled, deltas, 0.0)


def decode_deltas(deltas: Deltas, boxes: Boxes) -> Boxes:
    """Shifts and scales every box by its delta.

    The inverse of `encode_deltas`. The frame is kept.

    Args:
        deltas: `(dy, dx, log dh, log dw)`; shifts are fractions of the box's own height and width.
        boxes: boxes with positive sides; broadcasts against `deltas`.
    Returns:
        The moved boxes, not clipped to any image.
    Source:
        R-CNN (arXiv:1311.2524), appendix C. Log sizes are clamped at log(1000/16), as in Detectron,
        since one overflowing exponential would turn the whole training step into NaN.
    """
    center, size = _center_and_size(boxes)
    center = center + deltas[..., :2] * size
    size = size * ops.exp(ops.minimum(deltas[..., 2:], MAX_LOG_SIZE))
    return ops.concatenate([center - size / 2, center + size / 2], axis=-1)


def clip_boxes(boxes: Boxes, window: Boxes | tuple[float, float, float, float]) -> Boxes:
    """Clips boxes to a window; a box that lies outside of it becomes empty.

    Args:
        boxes: any frame.
        window: one box `(4,)`, or several that broadcast against `boxes`, in the same frame.
    """
    window = ops.convert_to_tensor(window, "float32")
    low = ops.concatenate([window[..., :2], window[..., :2]], axis=-1)
    high = ops.concatenate([window[..., 2:], window[..., 2:]], axis=-1)
    return ops.minimum(ops.maximum(ops.cast(boxes, "float32"), low), high)


def areas(boxes: Num[Array, "*n 4"]) -> Float[Array, "*n"]:
    """Returns height times width of every box; 0 where a side is not positive."""
    _, size = _center_and_size(boxes)
    size = ops.maximum(size, 0.0)
    return size[..., 0] * size[..., 1]


def pairwise_iou(a: Num[Array, "... N 4"], b: Num[Array, "... M 4"]) -> Float[Array, "... N M"]:
    """Returns the intersection over union of every box of `a` with every box of `b`.

    Args:
        a: in any frame.
        b: in the same frame.
    Returns:
        Ratios within [0, 1]; 0 where both boxes are empty.
    """
    intersection = _pairwise_intersection(a, b)
    union = areas(a)[..., :, None] + areas(b)[..., None, :] - intersection
    return _ratio(intersection, union)


def pairwise_ioa(a: Num[Array, "... N 4"], b: Num[Array, "... M 4"]) -> Float[Array, "... N M"]:
    """Returns the share of the area of every box of `a` that lies inside every box of `b`.

    For crowds: a small box inside a large crowd is covered by it, although their IoU is small.

    Args:
        a: in any frame.
        b: in the same frame.
    Returns:
        Ratios within [0, 1]; 0 where the box of `a` is empty.
    """
    intersection = _pairwise_intersection(a, b)
    return _ratio(intersection, areas(a)[..., :, None])


def _center_and_size(boxes: Num[Array, "*n 4"]) -> tuple[Float[Array, "*n 2"], Float[Array, "*n 2"]]:
    boxes = ops.cast(boxes, "float32")
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + size / 2, size


def _is_filled(size: Float[Array, "*n 2"]) -> Bool[Array, "*n 1"]:
    return ops.all(size > 0, axis=-1, keepdims=True)


def _pairwise_intersection(a: Num[Array, "... N 4"], b: Num[Array, "... M 4"]) -> Float[Array, "... N M"]:
    a = ops.cast(a, "float32")[..., :, None, :]
    b = ops.cast(b, "float32")[..., None, :, :]
    height = ops.minimum(a[..., 2], b[..., 2]) - ops.maximum(a[..., 0], b[..., 0])
    width = ops.minimum(a[..., 3], b[..., 3]) - ops.maximum(a[..., 1], b[..., 1])
    return ops.maximum(height, 0.0) * ops.maximum(width, 0.0)


def _ratio(part: Float[Array, "*n"], whole: Float[Array, "..."]) -> Float[Array, "*n"]:
    filled = whole > 0
    return ops.where(filled, part / ops.where(filled, whole, 1.0), 0.0)


def make_anchors(
    image_shape: tuple[int, int],
    scales: Sequence[float],
    ratios: Sequence[float] = (0.5, 1, 2),
    strides: Sequence[int] = (4, 8, 16, 32, 64),
) -> Float32[ndarray, "A 4"]:
    """Returns the anchors of an image, with one scale for every level.

    Args:
        image_shape: height and width in pixels.
        scales: square root of an anchor's area on each level, pixels.
        ratios: width over height.
        strides: pixels between two cells of each level, finest level first.
    Returns:
        Boxes in pixels, not clipped to the image. Levels follow each other in the order given;
        within one, cells run row by row, and each cell lists its ratios.
    Raises:
        ValueError: if there is not one scale for every level, or a number is not positive.
    Source:
        Matterport `utils.generate_pyramid_anchors`. The anchors of cell `(i, j)` are centred on `(i, j) * stride`,
        the corner of the cell and not its middle; released weights depend on it.
    """
    if len(scales) != len(strides):
        raise ValueError(f"`scales` must list one scale for every level; got {len(scales)} for {len(strides)} strides.")
    for name, numbers in {
        "image_shape": image_shape,
        "scales": scales,
        "ratios": ratios,
        "strides": strides,
    }.items():
        if not all(number > 0 for number in numbers):
            raise ValueError(f"`{name}` must hold positive numbers; got {tuple(numbers)}.")
    levels = [_level(image_shape, scale, ratios, stride) for scale, stride in zip(scales, strides, strict=True)]
    return np.concatenate(levels).astype(np.float32)


def _level(image_shape: tuple[int, int], scale: float, ratios: Sequence[float], stride: int) -> Float[ndarray, "n 4"]:
    height, width = (-(-side // stride) for side in image_shape)  # a feature map rounds up
    rows, columns = np.mgrid[:height, :width] * stride
    centers = np.stack([rows, columns], axis=-1).reshape(-1, 1, 2)
    root = np.sqrt(ratios)
    halves = scale / 2 * np.stack([1 / root, root], axis=-1)
    return np.concatenate([centers - halves, centers + halves], axis=-1).reshape(-1, 4)
