"""Segmentations of COCO files, polygons or run lengths, checked and turned into one form."""

from typing import Any

import numpy as np
from pycocotools import mask as run_lengths

from maskrcnn.data.images import Shape
from maskrcnn.project.errors import InputError
from maskrcnn.readers.json_files import MAX_COORDINATE, quote

MAX_OUTLINE = 1_000_000  # pixels; pycocotools needs time and memory in proportion to the length of the outline

RunLengths = dict[str, Any]


def encode_mask(segmentation: Any, image_shape: Shape, where: str) -> RunLengths:
    """Returns the mask of an object as compressed run lengths of pycocotools.

    Args:
        segmentation: A list of polygons `[x, y, x, y, ...]`, whose union is the mask, or a mapping of `size` and
            `counts`, which are run lengths down the columns, as a list or compressed to text.
        image_shape: Height and width of the image.
        where: Begins every error.

    Raises:
        InputError: if the segmentation is neither, or malformed.

    Source:
        pycocotools, which rasterises the polygons.
    """
    if isinstance(segmentation, list) and segmentation:
        polygons = [_read_polygon(polygon, where) for polygon in segmentation]
        if (length := sum(map(_measure_outline, polygons))) > MAX_OUTLINE:
            raise InputError(f"{where} must have outlines of at most {MAX_OUTLINE} pixels; got {length:.0f}.")
        return run_lengths.merge(run_lengths.frPyObjects(polygons, *image_shape))
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise InputError(f"{where} must have polygons or run lengths as segmentation; got {quote(segmentation)}.")
    if segmentation["size"] != list(image_shape):
        raise InputError(
            f"{where} must have run lengths of size {list(image_shape)}; got {quote(segmentation['size'])}."
        )
    counts = segmentation["counts"]
    if not _fills(counts, image_shape):
        raise InputError(f"{where} must have run lengths that fill the image; got {quote(counts)}.")
    if isinstance(counts, str):
        return {"size": list(image_shape), "counts": counts.encode()}
    return run_lengths.frPyObjects({"size": list(image_shape), "counts": counts}, *image_shape)


def _fills(counts: Any, image_shape: Shape) -> bool:
    """Returns whether run lengths are well formed and add up to the image; pycocotools itself checks no lower bound."""
    if isinstance(counts, str):
        code = {"size": list(image_shape), "counts": counts.encode("utf-8", "surrogatepass")}
        try:
            return bool(run_lengths.encode(run_lengths.decode(code))["counts"] == code["counts"])
        except ValueError:
            return False
    pixels = image_shape[0] * image_shape[1]
    is_list = isinstance(counts, list) and all(type(count) is int and 0 <= count <= pixels for count in counts)
    return is_list and sum(counts) == pixels


def _measure_outline(polygon: list[float]) -> float:
    """Returns the length of an outline in pixels, at least one for each edge."""
    points = np.reshape(polygon, (-1, 2))
    return float(np.maximum(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1), 1).sum())


def _read_polygon(polygon: Any, where: str) -> list[float]:
    """Returns the corners `[x, y, x, y, ...]` of one polygon."""
    is_list = isinstance(polygon, list) and all(type(value) in (int, float) for value in polygon)
    if not is_list or len(polygon) < 6 or len(polygon) % 2:
        raise InputError(f"{where} must have polygons of at least 3 points x, y; got {quote(polygon)}.")
    if not all(abs(value) <= MAX_COORDINATE for value in polygon):  # not a number is not
        raise InputError(f"{where} must have finite points, at most {MAX_COORDINATE:.0f}; got {quote(polygon)}.")
    return [float(value) for value in polygon]
