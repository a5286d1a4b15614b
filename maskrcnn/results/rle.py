"""Masks as run lengths (RLE), in the compressed form of COCO.

The pixels of an image are numbered column by column: pixel `(y, x)` of an image of height H has the
index `x * H + y`. A run is a range `[start, stop)` of indices that belong to the mask.

The text form is the library's; finding the runs of a mask is ours, because the library reads every pixel
of the image one by one.
"""

from typing import NamedTuple

import numpy as np
from faster_coco_eval.mask_api_new_cpp import decode, frUncompressedRLE, toUncompressedRLE
from jaxtyping import Bool, Int

from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Array


class Runs(NamedTuple):
    """The pixels of a mask as ascending, disjoint ranges of column-major indices, stops excluded."""

    starts: Int[Array, " R"]
    stops: Int[Array, " R"]


def find_runs(part: Bool[Array, "h w"], corner: tuple[int, int], image_shape: tuple[int, int]) -> Runs:
    """Finds the runs of a mask that covers a part of an image.

    Args:
        part: The mask inside the part; everything outside is background.
        corner: `(y, x)` of the part's first pixel in the image.
        image_shape: Height and width of the image.
    """
    steps = np.diff(np.pad(part.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    offset = corner[1] * image_shape[0] + corner[0]
    starts, stops = (
        columns.astype(np.int64) * image_shape[0] + rows + offset
        for columns, rows in (np.nonzero(steps == 1), np.nonzero(steps == -1))
    )
    # A run that ends in the last row of a column and one that starts in the first row of the next are one run.
    apart = stops[:-1] != starts[1:]
    return Runs(starts[np.append(True, apart)[: len(starts)]], stops[np.append(apart, True)[: len(stops)]])


def encode_runs(runs: Runs, image_shape: tuple[int, int]) -> str:
    """Encodes runs as the `counts` of a compressed COCO mask."""
    pixels = image_shape[0] * image_shape[1]
    edges = np.stack([runs.starts, runs.stops], axis=1).ravel()
    counts = np.diff(edges, prepend=0, append=pixels)
    if len(counts) > 1 and counts[-1] == 0:  # COCO leaves out an empty last run
        counts = counts[:-1]
    (rle,) = frUncompressedRLE([{"size": list(image_shape), "counts": counts.tolist()}])
    return rle["counts"].decode("ascii")


def encode_mask(mask: Bool[Array, "H W"]) -> str:
    """Encodes a mask of image size as the `counts` of a compressed COCO mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return encode_part(mask[:0, :0], (0, 0), mask.shape)
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return encode_part(part, (int(rows[0]), int(columns[0])), mask.shape)


def encode_part(part: Bool[Array, "h w"], corner: tuple[int, int], image_shape: tuple[int, int]) -> str:
    """Encodes a mask that covers a part of an image; the arguments are those of `find_runs`."""
    return encode_runs(find_runs(part, corner, image_shape), image_shape)


def decode_runs(counts: str, image_shape: tuple[int, int]) -> Runs:
    """Decodes the `counts` of a compressed COCO mask: the inverse of `encode_runs`.

    Raises:
        InputError: if `counts` is not the code of a mask of this shape.
    """
    pixels = image_shape[0] * image_shape[1]
    try:
        (rle,) = toUncompressedRLE([{"size": list(image_shape), "counts": counts}])
    except (RuntimeError, ValueError):  # what the library raises on malformed text and on negative or too long runs
        covered = None
    else:
        lengths = np.array([*rle["counts"], 0])
        covered = int(lengths.sum())
    if covered != pixels:
        raise InputError(
            f"`counts` must be the COCO run lengths of the {pixels} pixels of an image of shape "
            f"{tuple(image_shape)}; got {counts[:40]!r}."
        )
    edges = np.cumsum(lengths)[: len(lengths) // 2 * 2].reshape(-1, 2)
    edges = edges[edges[:, 0] < edges[:, 1]]
    return Runs(edges[:, 0], edges[:, 1])


def decode_mask(counts: str, image_shape: tuple[int, int]) -> Bool[Array, "H W"]:
    """Decodes the `counts` of a compressed COCO mask of this shape: the inverse of `encode_mask`."""
    return decode([{"size": list(image_shape), "counts": counts}])[:, :, 0].astype(bool)
