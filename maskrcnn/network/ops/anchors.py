"""The anchors of one image: boxes of fixed shapes on every cell of every pyramid level.

Pixels, `(y1, x1, y2, x2)`, exclusive outer edge. They depend on the image shape alone and are
NumPy constants: no weight holds them.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray


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
