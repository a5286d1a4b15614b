"""Masks as run lengths, in the compressed form of COCO.

A mask is a list of spans `[start, stop)` of pixels in column-major order: pixel `(y, x)` of an
image of height H has the index `x * H + y`. Only `fill_mask` unfolds a mask to the size of its image.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int
from pycocotools import mask as coco_mask

from maskrcnn.project.notation import Array

FIVE_BITS, SIGN, MORE = 31, 16, 32
LONGEST_NUMBER = 7  # digits of five bits: no image has more than 2**34 pixels


class Spans(NamedTuple):
    """The foreground of a mask: ascending, disjoint, half-open spans of column-major pixel indices."""

    starts: Int[Array, " S"]
    stops: Int[Array, " S"]


def find_spans(mask: Bool[Array, "h w"], corner: tuple[int, int], image_shape: tuple[int, int]) -> Spans:
    """Lists the spans of a mask that is a part of an image.

    Args:
        mask: The part; everything outside of it is background.
        corner: `(y, x)` of the part's first pixel in the image.
        image_shape: Height and width of the image.
    """
    steps = np.diff(np.pad(mask.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    offset = corner[1] * image_shape[0] + corner[0]
    starts, stops = (
        columns.astype(np.int64) * image_shape[0] + rows + offset
        for columns, rows in (np.nonzero(steps == 1), np.nonzero(steps == -1))
    )
    # A column filled down to the last row goes on in the first row of the next one.
    apart = stops[:-1] != starts[1:]
    return Spans(starts[np.append(True, apart)[: len(starts)]], stops[np.append(apart, True)[: len(stops)]])


def encode_spans(spans: Spans, image_shape: tuple[int, int]) -> str:
    """Writes spans as the `counts` of a compressed COCO run-length mask."""
    pixels = image_shape[0] * image_shape[1]
    edges = np.stack([spans.starts, spans.stops], axis=1).ravel()
    counts = np.diff(edges, prepend=0, append=pixels)
    if len(counts) > 1 and counts[-1] == 0:  # the canonical form ends with the last run that has pixels
        counts = counts[:-1]
    plain = {"size": list(image_shape), "counts": counts.tolist()}
    return coco_mask.frPyObjects(plain, *image_shape)["counts"].decode("ascii")


def encode_mask(mask: Bool[Array, "H W"]) -> str:
    """Writes a mask of image size as the `counts` of a compressed COCO run-length mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return encode_part(mask[:0, :0], (0, 0), mask.shape)
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return encode_part(part, (int(rows[0]), int(columns[0])), mask.shape)


def encode_part(part: Bool[Array, "h w"], corner: tuple[int, int], image_shape: tuple[int, int]) -> str:
    """Writes a mask that is a part of an image, as `encode_mask` does the whole; see `find_spans`."""
    return encode_spans(find_spans(part, corner, image_shape), image_shape)


def decode_counts(counts: str, image_shape: tuple[int, int]) -> Spans:
    """Reads the `counts` of a compressed COCO run-length mask: the inverse of `encode_spans`.

    Raises:
        ValueError: if the text is no run-length code, or not that of an image of this shape.
    """
    lengths = np.concatenate([_undelta(_read_numbers(counts)), [0]])
    pixels = image_shape[0] * image_shape[1]
    if lengths.min() < 0 or lengths.sum() != pixels:
        raise ValueError(
            f"`counts` must cover the {pixels} pixels of an image of shape {tuple(image_shape)}; "
            f"got runs of {lengths.sum()} pixels, the shortest {lengths.min()}."
        )
    edges = np.cumsum(lengths)[: len(lengths) // 2 * 2].reshape(-1, 2)
    edges = edges[edges[:, 0] < edges[:, 1]]
    return Spans(edges[:, 0], edges[:, 1])


def fill_mask(spans: Spans, image_shape: tuple[int, int]) -> Bool[Array, "H W"]:
    """Returns a mask as an image."""
    steps = np.zeros(image_shape[0] * image_shape[1] + 1, np.int8)
    steps[spans.starts] += 1
    steps[spans.stops] -= 1  # a second step where the next span starts at once
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool).reshape(image_shape[::-1]).T


def _read_numbers(counts: str) -> Int[Array, " M"]:
    """Reads signed numbers of five-bit digits, lowest first; bit 32 of a digit announces another."""
    digits = np.frombuffer(counts.encode("utf-8", "surrogatepass"), np.uint8).astype(np.int64) - ord("0")
    if not len(digits) or digits.min() < 0 or digits.max() > MORE + FIVE_BITS or digits[-1] & MORE:
        raise ValueError(f"`counts` must be a compressed COCO run-length code; got {counts[:40]!r}.")
    last = np.flatnonzero(digits & MORE == 0)
    widths = np.diff(last, prepend=-1)
    if widths.max() > LONGEST_NUMBER:
        raise ValueError(f"`counts` must hold numbers below 2**34; got {counts[:40]!r}.")
    places = np.arange(len(digits)) - np.repeat(last - widths + 1, widths)
    numbers = np.add.reduceat((digits & FIVE_BITS) << 5 * places, last - widths + 1)
    return numbers - np.where(digits[last] & SIGN, 1 << 5 * widths, 0)


def _undelta(numbers: Int[Array, " M"]) -> Int[Array, " M"]:
    """Turns differences to the number two places before into run lengths; the first three are plain."""
    lengths = numbers.copy()
    lengths[1::2] = np.cumsum(numbers[1::2])
    lengths[2::2] = np.cumsum(numbers[2::2])
    return lengths
