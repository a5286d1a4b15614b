"""Outlines: drawn as the page draws them, they cover the mask."""

import re

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskrcnn.report.outlines import trace
from maskrcnn.results.predictions import find_runs

SHAPE = (12, 20)


def trace_mask(mask: np.ndarray) -> str:
    return trace(find_runs(mask, (0, 0), mask.shape), mask.shape[0])


def read_path(path: str) -> list[np.ndarray]:
    """Returns the points `(x, y)` of every outline of a path."""
    outlines = []
    for x, y, steps in re.findall(r"M(\d+) (\d+)(?:l([^z]+))?z", path):
        moves = np.array(steps.split(), int).reshape(-1, 2) if steps else np.zeros((0, 2), int)
        outlines.append(np.cumsum(np.vstack([[int(x), int(y)], moves]), axis=0))
    return outlines


def fill(path: str, shape: tuple[int, int]) -> np.ndarray:
    """Fills a path with the rule `evenodd`, and draws its line one pixel wide."""
    filled = np.zeros(shape, np.uint8)
    outlines = [outline.astype(np.int32) for outline in read_path(path)]
    if outlines:
        cv2.fillPoly(filled, outlines, 1)
    return filled.astype(bool)


def test_a_rectangle_is_four_points() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[2:6, 3:10] = True
    (outline,) = read_path(trace_mask(mask))
    assert {tuple(point) for point in outline.tolist()} == {(3, 2), (9, 2), (9, 5), (3, 5)}


def test_a_hole_stays_empty() -> None:
    mask = np.zeros((30, 30), bool)
    mask[2:28, 2:28] = True
    mask[8:22, 8:22] = False
    path = trace_mask(mask)
    assert len(read_path(path)) == 2
    assert (fill(path, mask.shape) == mask)[10:20, 10:20].all()


def test_parts_keep_their_places() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[0:3, 0:3] = True
    mask[9:12, 17:20] = True
    assert (fill(trace_mask(mask), SHAPE) == mask).all()


def test_a_pixel_is_a_point_and_nothing_is_nothing() -> None:
    mask = np.zeros(SHAPE, bool)
    assert trace_mask(mask) == ""
    mask[4, 7] = True
    assert trace_mask(mask) == "M7 4z"


@given(arrays(bool, (4, 6), elements=st.booleans()))
def test_a_path_covers_its_mask_to_a_pixel(small: np.ndarray) -> None:
    mask = np.kron(small, np.ones((4, 4), bool))
    filled = fill(trace_mask(mask), mask.shape)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    core = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(bool)
    assert not (filled & ~near).any()
    assert not (core & ~filled).any()
