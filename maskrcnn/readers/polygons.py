"""Polygons to pixels, by the rule that the published Cityscapes instance maps follow.

Points are `(x, y)` in pixels of the image, as annotation files hold them: a pixel's corners lie on whole
numbers, its centre on halves. Points may lie outside the image; the filled area is clipped to it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from maskrcnn.project.notation import InstanceMap

Points = Float[np.ndarray, "_ 2"]  # polygons of one list differ in length
Spans = Int[np.ndarray, "spans 3"]


def paint_polygons(polygons: Sequence[Points], values: Sequence[int], image_shape: tuple[int, int]) -> InstanceMap:
    """Paints every polygon with its value, later ones over earlier ones, on a background of zeros.

    Args:
        polygons: Corners of each polygon; the last one is joined to the first. May cross itself: even-odd.
        values: What the pixels of each polygon become, from 0 to 65535.
        image_shape: Height and width in pixels.

    Returns:
        The value of every pixel.
    """
    instance_map = np.zeros(image_shape, np.uint16)
    pixels = instance_map.reshape(-1)
    colors = [np.array(value, np.uint16) for value in values]  # converted once, not for every run
    for polygon, start, stop in zip(*find_spans(polygons, image_shape).T.tolist(), strict=True):
        pixels[start:stop] = colors[polygon]
    return instance_map


def find_spans(polygons: Sequence[Points], image_shape: tuple[int, int]) -> Spans:
    """Returns the runs of pixels that the polygons cover.

    An edge crosses row y where `min(y0, y1) <= y + 0.5 < max(y0, y1)`. The crossings of a row, sorted by x
    and taken in pairs, are filled from `ceil(x0 - 0.5)` to `floor(x1 + 0.5)`, both included. So a pixel on
    the left or right edge belongs to the polygon when half of it does.

    Args:
        polygons: Corners of each polygon.
        image_shape: Height and width in pixels.

    Returns:
        `(index of the polygon, start, stop)` in the image read row by row, `stop` excluded; polygons in the
        given order, rows and runs from top left to bottom right. Runs of one row may overlap.

    Source:
        The published `gtFine_instanceIds` themselves, drawn with a Pillow of their time, which computed crossings
        in float32: equal in every pixel, where cityscapesScripts on a Pillow of today differs along most outlines.
    """
    height, width = image_shape
    polygon, row, x = _find_crossings(polygons, height)
    order = np.lexsort((x, polygon * height + row))
    polygon, row, x = polygon[order][::2], row[order][::2], np.clip(x[order], -1, width + 1).reshape(-1, 2)
    start = np.maximum(np.ceil(x[:, 0] - 0.5), 0).astype(np.int64)
    stop = np.minimum(np.floor(x[:, 1] + 0.5) + 1, width).astype(np.int64)
    spans = np.stack([polygon, row * width + start, row * width + stop], axis=1)
    return spans[start < stop]


def count_crossings(polygons: Sequence[Points], height: int) -> int:
    """Returns how often edges cross the middle line of a row; `find_spans` needs memory in proportion.

    Args:
        polygons: Corners of each polygon.
        height: Of the image in pixels.
    """
    if not polygons:
        return 0
    first_row, row_stop = _find_rows(*_list_edges(polygons), height)
    return int((row_stop - first_row).sum())


def _find_crossings(polygons: Sequence[Points], height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns polygon, row and x of every point where an edge meets the middle line of a row."""
    if not polygons:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    tail, head = _list_edges(polygons)
    polygon = np.repeat(np.arange(len(polygons)), [len(points) for points in polygons])

    first_row, row_stop = _find_rows(tail, head, height)
    row_count = row_stop - first_row
    edge = np.repeat(np.arange(len(tail)), row_count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(row_count) - row_count - first_row, row_count)

    # In float32, slope first: where a crossing should be an exact half, on which the fill rule turns, the rounding
    # decides the pixel, and the published maps were rounded so.
    below = (row + 0.5 - tail[edge, 1]).astype(np.float32)
    dx, dy = (head - tail)[edge].T.astype(np.float32)
    x = tail[edge, 0].astype(np.float32) + below * (dx / dy)
    return polygon[edge], row, x.astype(np.float64)


def _list_edges(polygons: Sequence[Points]) -> tuple[Points, Points]:
    """Returns the corner that each edge begins at, and the one that it ends at."""
    return np.concatenate(polygons), np.concatenate([np.roll(points, -1, axis=0) for points in polygons])


def _find_rows(tail: Points, head: Points, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first row whose middle line each edge crosses, and the one after the last, clipped to the image."""
    top, bottom = np.minimum(tail[:, 1], head[:, 1]), np.maximum(tail[:, 1], head[:, 1])
    first, stop = (np.ceil(np.clip(y - 0.5, 0, height)).astype(np.int64) for y in (top, bottom))
    return first, stop
