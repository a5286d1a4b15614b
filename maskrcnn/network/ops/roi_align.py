"""Crops of fixed size out of feature maps, bilinearly sampled at the regions of interest.

Boxes are normalised, `(y1, x1, y2, x2)`. The samples include the corners of the box: sample `i` of
`s` lies at `(y1 + i * (y2 - y1) / (s - 1)) * (H - 1)`; the only sample of `s = 1` lies in the middle.
Samples outside the feature map are 0. No gradient flows to the boxes. Crops are float32.

TensorFlow's kernel rounds while it computes a position, so the last sample of a box that ends at 1 may fall just off
the map: about a tenth of such crops end in a row of zeros. Boxes clipped to `boxes.IMAGE_WINDOW` do not.
"""

import math
import os
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped
from keras import ops

from maskrcnn.network.ops import uses_native_kernels
from maskrcnn.project.notation import Array

FINEST_LEVEL, COARSEST_LEVEL = 2, 5
CANONICAL_LEVEL = 4


def roi_align(
    pyramid: Sequence[Float[Array, "B _ _ C"]],
    boxes_norm: Float[Array, "B R 4"],
    size: tuple[int, int],
    image_shape: tuple[int, int],
    canonical_size: float = 224,
    portable: bool = False,
) -> Float[Array, "B R {size[0]} {size[1]} C"]:
    """Crops every region out of the pyramid level that suits its size.

    Args:
        pyramid: P2 to P5, finest first.
        boxes_norm: regions of interest; zeros, the padding, give the corner of P2.
        size: height and width of a crop.
        image_shape: height and width of the image in pixels.
        canonical_size: side in pixels of the region that belongs to P4.
        portable: whether to gather pixels even where TensorFlow's own kernel would be faster.
    Raises:
        ValueError: if there are not four levels.
    Source:
        FPN (arXiv:1612.03144), equation 1, and Matterport `PyramidROIAlign`, which takes one bilinear sample for every
        output pixel by `crop_and_resize`. ROIAlign (arXiv:1703.06870) averages several.
    """
    num_levels = COARSEST_LEVEL - FINEST_LEVEL + 1
    if len(pyramid) != num_levels:
        raise ValueError(f"`pyramid` must hold the {num_levels} levels P2 to P5; got {len(pyramid)}.")
    indices = roi_levels(boxes_norm, image_shape, canonical_size) - FINEST_LEVEL
    align = _native_roi_align if uses_native_kernels() and not portable else _portable_roi_align
    return align(pyramid, boxes_norm, indices, size)


def roi_levels(
    boxes_norm: Float[Array, "*n 4"], image_shape: tuple[int, int], canonical_size: float
) -> Int[Array, "*n"]:
    """Returns the pyramid level, 2 to 5, that every region is pooled from; 2 if it is empty."""
    sides = ops.maximum(boxes_norm[..., 2:] - boxes_norm[..., :2], 0.0)
    # The floor avoids log(0); the side of any real region is more than 1e-6 of the image's.
    root_area = ops.sqrt(ops.maximum(sides[..., 0] * sides[..., 1], 1e-12))
    canonical = canonical_size / math.sqrt(image_shape[0] * image_shape[1])
    levels = CANONICAL_LEVEL + ops.round(ops.log2(root_area / canonical))
    return ops.cast(ops.clip(levels, FINEST_LEVEL, COARSEST_LEVEL), "int32")


def crop_and_resize_flat(
    features: Shaped[Array, "M H W C"],
    boxes_norm: Float[Array, "N 4"],
    indices: Int[Array, "N"],
    size: tuple[int, int],
) -> Float[Array, "N {size[0]} {size[1]} C"]:
    """Crops every box out of the feature map that its index names.

    Args:
        features: feature maps, or masks of any type.
        boxes_norm: boxes in the frame of the feature maps.
        indices: within [0, M).
        size: height and width of a crop.
    Source:
        `tf.image.crop_and_resize`, which runs with TensorFlow on a CPU; elsewhere a gather gives the same values.
    """
    crop = _native_crops if uses_native_kernels() else _portable_crops
    return crop(features, boxes_norm, indices, size)


def _native_crops(
    features: Shaped[Array, "M H W C"],
    boxes_norm: Float[Array, "N 4"],
    indices: Int[Array, "N"],
    size: tuple[int, int],
) -> Float[Array, "N {size[0]} {size[1]} C"]:
    native = _with_exact_gradient(
        lambda maps: _run_kernel(maps[0], boxes_norm, indices, size),
        lambda maps: _portable_crops(maps[0], boxes_norm, indices, size),
    )
    return native([features])


def _run_kernel(
    features: Shaped[Array, "M H W C"],
    boxes_norm: Float[Array, "N 4"],
    indices: Int[Array, "N"],
    size: tuple[int, int],
) -> Float[Array, "N {size[0]} {size[1]} C"]:
    """Crops by TensorFlow's kernel, whose gradient is exact on one thread only; see `_with_exact_gradient`."""
    import tensorflow as tf

    return tf.image.crop_and_resize(tf.cast(features, tf.float32), tf.stop_gradient(boxes_norm), indices, size)


def _with_exact_gradient(
    native: Callable[[Sequence[Array]], Array], portable: Callable[[Sequence[Array]], Array]
) -> Callable[[Sequence[Array]], Array]:
    """Returns `native`, a function of feature maps, with the gradient of `portable`, which computes the same values.

    The threads of the gradient of TensorFlow's kernel overwrite each other's sums: with two threads, entries were wrong
    by up to a fifth of the largest. TF_DETERMINISTIC_OPS, which `deterministic: true` sets, allows the kernel one
    thread; there its own gradient is exact, and the fastest.
    """
    import tensorflow as tf

    if os.environ.get("TF_DETERMINISTIC_OPS") == "1":
        return native

    @tf.custom_gradient
    def crop(*maps: Array) -> tuple[Array, Callable[[Array], Sequence[Array]]]:
        def gradient(upstream: Array) -> Sequence[Array]:
            with tf.GradientTape() as tape:
                tape.watch(maps)
                crops = portable(maps)
            return tape.gradient(crops, maps, upstream)

        return native(maps), gradient

    return lambda maps: crop(*maps)


def _portable_crops(
    features: Shaped[Array, "M H W C"],
    boxes_norm: Float[Array, "N 4"],
    indices: Int[Array, "N"],
    size: tuple[int, int],
) -> Float[Array, "N {size[0]} {size[1]} C"]:
    height, width, channels = features.shape[1:]
    shape = np.array([[height, width]], np.int32)
    pixels = ops.reshape(features, (-1, channels))
    return _gather_crops(pixels, indices * (height * width), shape, boxes_norm, size)


def _native_roi_align(
    pyramid: Sequence[Float[Array, "B _ _ C"]],
    boxes_norm: Float[Array, "B R 4"],
    indices: Int[Array, "B R"],
    size: tuple[int, int],
) -> Float[Array, "B R {size[0]} {size[1]} C"]:
    """Crops the regions of each level by TensorFlow's kernel; the gradient is that of one gather for all levels."""
    num_boxes, channels = boxes_norm.shape[1], pyramid[0].shape[-1]
    images = ops.repeat(ops.arange(ops.shape(boxes_norm)[0]), num_boxes)
    # A region outside of the map gives 0 and costs little, so the sum over the levels selects the right one.
    outside = ops.convert_to_tensor([2.0, 2.0, 3.0, 3.0], "float32")
    level_boxes = [
        ops.reshape(ops.where((indices == index)[..., None], boxes_norm, outside), (-1, 4))
        for index in range(len(pyramid))
    ]

    def native(maps: Sequence[Array]) -> Array:
        crops = [_run_kernel(*pair, images, size) for pair in zip(maps, level_boxes, strict=True)]
        return ops.reshape(sum(crops[1:], crops[0]), (-1, num_boxes, *size, channels))

    return _with_exact_gradient(native, lambda maps: _portable_roi_align(maps, boxes_norm, indices, size))(pyramid)


def _portable_roi_align(
    pyramid: Sequence[Float[Array, "B _ _ C"]],
    boxes_norm: Float[Array, "B R 4"],
    indices: Int[Array, "B R"],
    size: tuple[int, int],
) -> Float[Array, "B R {size[0]} {size[1]} C"]:
    """Concatenates the pixels of all levels of all images, so that one gather serves all regions."""
    num_boxes, channels = boxes_norm.shape[1], pyramid[0].shape[-1]
    shapes = np.array([features.shape[1:3] for features in pyramid], np.int32)
    counts = shapes.prod(axis=1, dtype=np.int32)
    flat = [ops.reshape(features, (-1, int(count), channels)) for features, count in zip(pyramid, counts, strict=True)]
    image_starts = ops.arange(ops.shape(boxes_norm)[0]) * int(counts.sum())
    starts = ops.take(np.cumsum(counts, dtype=np.int32) - counts, indices) + image_starts[:, None]
    crops = _gather_crops(
        ops.reshape(ops.concatenate(flat, axis=1), (-1, channels)),
        ops.reshape(starts, (-1,)),
        ops.reshape(ops.take(shapes, indices, axis=0), (-1, 2)),
        ops.reshape(boxes_norm, (-1, 4)),
        size,
    )
    return ops.reshape(crops, (-1, num_boxes, *size, channels))


def _gather_crops(
    pixels: Shaped[Array, "P C"],
    starts: Int[Array, "N"],
    shapes: Int[Array, "#N 2"],
    boxes_norm: Float[Array, "N 4"],
    size: tuple[int, int],
) -> Float[Array, "N {size[0]} {size[1]} C"]:
    """Samples boxes from feature maps of several shapes.

    Args:
        pixels: the pixels of all maps, one map after the other, each row by row.
        starts: index of the first pixel of each box's map.
        shapes: height and width of the map of each box, or one row for all.
    """
    pixels, boxes_norm = ops.cast(pixels, "float32"), ops.stop_gradient(boxes_norm)
    rows = _neighbors(boxes_norm[:, 0], boxes_norm[:, 2], shapes[:, 0], size[0])
    columns = _neighbors(boxes_norm[:, 1], boxes_norm[:, 3], shapes[:, 1], size[1])
    crops: Array = 0.0
    for row, row_weight in rows:
        for column, column_weight in columns:
            index = (starts[:, None] + row * shapes[:, 1:])[:, :, None] + column[:, None, :]
            weight = row_weight[:, :, None] * column_weight[:, None, :]
            crops = crops + ops.take(pixels, index, axis=0) * weight[..., None]
    return crops


def _neighbors(
    low: Float[Array, "N"], high: Float[Array, "N"], side: Int[Array, "#N"], count: int
) -> list[tuple[Int[Array, "N {count}"], Float[Array, "N {count}"]]]:
    """Returns the two pixels around every sample along one axis, each with its weight; 0 outside of the map."""
    steps = np.linspace(0, 1, count, dtype=np.float32) if count > 1 else np.array([0.5], np.float32)
    last = (side - 1)[:, None]
    positions = (low[:, None] + (high - low)[:, None] * steps) * ops.cast(last, "float32")
    inside = ops.logical_and(positions >= 0, positions <= ops.cast(last, "float32"))
    positions = ops.where(inside, positions, 0.0)
    before = ops.floor(positions)
    weight = positions - before
    before = ops.cast(before, "int32")
    inside = ops.cast(inside, "float32")
    return [(before, inside * (1 - weight)), (ops.minimum(before + 1, last), inside * weight)]
