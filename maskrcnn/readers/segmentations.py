"""Segmentations of COCO files, polygons or run lengths, checked and turned into one form."""

from typing import Any

from pycocotools import mask as run_lengths

from maskrcnn.data.images import Shape
from maskrcnn.project.errors import InputError

MAX_COORDINATE = 1e5  # pixels; pycocotools needs memory in proportion to the length of an edge

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
        return run_lengths.merge(run_lengths.frPyObjects(polygons, *image_shape))
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise InputError(f"{where} must have polygons or run lengths as segmentation; got {str(segmentation)[:80]}.")
    if segmentation["size"] != list(image_shape):
        raise InputError(f"{where} must have run lengths of size {list(image_shape)}; got {segmentation['size']}.")
    counts = segmentation["counts"]
    if not _fills(counts, image_shape):
        raise InputError(f"{where} must have run lengths that fill the image; got {str(counts)[:80]!r}.")
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


def _read_polygon(polygon: Any, where: str) -> list[float]:
    """Returns the corners `[x, y, x, y, ...]` of one polygon."""
    is_list = isinstance(polygon, list) and all(type(value) in (int, float) for value in polygon)
    if not is_list or len(polygon) < 6 or len(polygon) % 2:
        raise InputError(f"{where} must have polygons of at least 3 points x, y; got {str(polygon)[:80]}.")
    if not all(abs(value) <= MAX_COORDINATE for value in polygon):  # not a number is not
        raise InputError(f"{where} must have finite points, at most {MAX_COORDINATE:.0f}; got {str(polygon)[:80]}.")
    return [float(value) for value in polygon]
