"""Outlines of masks as SVG paths: a few hundred bytes where the pixels would be thousands."""

import cv2
import numpy as np
from jaxtyping import Int, UInt8

from maskrcnn.results.predictions import Runs

TOLERANCE = 0.6  # pixels that a simplified outline may lie off the traced one


def trace(runs: Runs, height: int) -> str:
    """Returns the outlines of a mask, holes included, as the `d` of an SVG path.

    The path runs through the centres of the outermost pixels. Drawn with the fill rule `evenodd` and a line one pixel
    wide, it covers the mask. A single pixel is a path of one point, which round line caps make visible.

    Args:
        runs: The mask.
        height: Of the image.
    """
    if not len(runs.starts):
        return ""
    columns, first = _paint(runs, height)
    # Transposed, because the columns of a mask are the rows of `columns`: OpenCV would call x what is y.
    outlines, _ = cv2.findContours(columns.T.copy(), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    simple = [cv2.approxPolyDP(outline, TOLERANCE, True)[:, 0] for outline in outlines]
    return "".join(_draw(points + np.array([first, 0])) for points in simple)


def _paint(runs: Runs, height: int) -> tuple[UInt8[np.ndarray, "columns H"], int]:
    """Returns the image columns that a mask touches, as rows of ones and zeros, and the index of the first."""
    first, last = int(runs.starts[0]) // height, int(runs.stops[-1] - 1) // height
    steps = np.zeros((last - first + 1) * height + 1, np.int8)
    steps[runs.starts - first * height] += 1
    steps[runs.stops - first * height] -= 1  # runs are disjoint and apart, so no two edges share an index
    return np.cumsum(steps[:-1], dtype=np.int8).astype(np.uint8).reshape(-1, height), first


def _draw(points: Int[np.ndarray, "N 2"]) -> str:
    """Returns one closed outline in relative steps, which have fewer digits than coordinates."""
    (x, y), steps = points[0].tolist(), np.diff(points, axis=0).tolist()
    moves = " ".join(f"{dx} {dy}" for dx, dy in steps)
    return f"M{x} {y}{f'l{moves}' if moves else ''}z"
