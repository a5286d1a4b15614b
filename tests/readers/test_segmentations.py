"""Segmentations of COCO: worked examples in every form, equality with pycocotools, and what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO

from maskrcnn.project.errors import InputError
from maskrcnn.readers.segmentations import encode_mask
from tests.readers.coco_files import compress, list_runs, make_mask, rectangle

SHAPE = (8, 10)


def read(segmentation: Any) -> np.ndarray:
    return run_lengths.decode(encode_mask(segmentation, SHAPE, "here"))


@pytest.mark.parametrize(
    "segmentation",
    [
        [rectangle(2, 1, 6, 4)],
        compress(make_mask(SHAPE, 1, 2, 4, 6)),
        list_runs(make_mask(SHAPE, 1, 2, 4, 6)),
        # 2 columns of 8 and one pixel, then three set and five not
        {"size": [8, 10], "counts": [17, 3, 5, 3, 5, 3, 5, 3, 36]},
        {"size": [8, 10], "counts": [0, 0, 17, 3, 5, 3, 5, 3, 5, 3, 36, 0]},
    ],
)
def test_one_mask_in_every_form(segmentation: Any) -> None:
    np.testing.assert_array_equal(read(segmentation), make_mask(SHAPE, 1, 2, 4, 6))


def test_polygons_of_one_object_are_joined() -> None:
    expected = make_mask(SHAPE, 1, 1, 3, 3) | make_mask(SHAPE, 4, 5, 6, 9)
    np.testing.assert_array_equal(read([rectangle(1, 1, 3, 3), rectangle(5, 4, 9, 6)]), expected)


def test_points_beyond_the_image_are_clipped() -> None:
    assert read([rectangle(-50, -50, 50, 50)]).all()


def test_a_flat_polygon_is_empty() -> None:
    assert not read([[1, 1, 5, 1, 3, 1]]).any()


def test_a_full_and_an_empty_mask_pass() -> None:
    for fill in (0, 1):
        mask = np.full(SHAPE, fill, np.uint8, order="F")
        np.testing.assert_array_equal(read(compress(mask)), mask)
        np.testing.assert_array_equal(read(list_runs(mask)), mask)


points = st.lists(st.floats(-5, 15, allow_nan=False), min_size=6, max_size=12).filter(lambda p: len(p) % 2 == 0)


@given(st.lists(points, min_size=1, max_size=3))
def test_polygons_are_those_of_the_official_reader(polygons: list[list[float]]) -> None:
    official = COCO()
    official.imgs = {1: {"height": SHAPE[0], "width": SHAPE[1]}}
    np.testing.assert_array_equal(read(polygons), official.annToMask({"image_id": 1, "segmentation": polygons}))


@pytest.mark.parametrize(
    ("segmentation", "rule"),
    [
        (None, "must have polygons or run lengths as segmentation; got None"),
        ([], r"must have polygons or run lengths as segmentation; got \[\]"),
        ("polygon", "must have polygons or run lengths"),
        ({"counts": [80]}, "must have polygons or run lengths"),
        ([[1, 1, 5, 1]], r"must have polygons of at least 3 points x, y; got \[1, 1, 5, 1\]"),
        ([rectangle(1, 1, 3, 3), []], "must have polygons of at least 3 points"),
        ([[1, 1, 5, 1, 3, 4, 7]], "must have polygons of at least 3 points"),
        ([1, 1, 5, 1, 3, 4], "must have polygons of at least 3 points"),
        ([[[1, 1], [5, 1], [3, 4]]], "must have polygons of at least 3 points"),
        ([["1", 1, 5, 1, 3, 4]], "must have polygons of at least 3 points"),
        ([[True, 1, 5, 1, 3, 4]], "must have polygons of at least 3 points"),
        ([[float("nan"), 1, 5, 1, 3, 4]], "must have finite points, at most 100000; got"),
        ([[1, float("inf"), 5, 1, 3, 4]], "must have finite points"),
        ([[1, 1, 5, 1, 3, -1e30]], "must have finite points"),
        ({"size": [10, 8], "counts": [80]}, r"must have run lengths of size \[8, 10\]; got \[10, 8\]"),
        ({"size": 80, "counts": [80]}, "must have run lengths of size"),
        ({"size": [8, 10], "counts": [79]}, r"must have run lengths that fill the image; got \[79\]"),
        ({"size": [8, 10], "counts": [81]}, "must have run lengths that fill the image"),
        ({"size": [8, 10], "counts": [-1, 81]}, "must have run lengths that fill the image"),
        ({"size": [8, 10], "counts": [40.0, 40.0]}, "must have run lengths that fill the image"),
        ({"size": [8, 10], "counts": []}, "must have run lengths that fill the image"),
        ({"size": [8, 10], "counts": None}, "must have run lengths that fill the image"),
        ({"size": [8, 10], "counts": ""}, "must have run lengths that fill the image"),
        ({"size": [8, 10], "counts": "no code"}, "must have run lengths that fill the image"),
        ({"size": [8, 10], "counts": "\ud800\u00ff"}, "must have run lengths that fill the image"),
    ],
)
def test_malformed_segmentations_are_refused(segmentation: Any, rule: str) -> None:
    with pytest.raises(InputError, match=f"^here {rule}"):
        encode_mask(segmentation, SHAPE, "here")


def test_an_outline_longer_than_any_image_needs_is_refused() -> None:
    there_and_back = [1, 1, 90_000, 1] * 6
    with pytest.raises(InputError, match=r"^here must have outlines of at most 1000000 pixels; got 1079988"):
        encode_mask([there_and_back], SHAPE, "here")
    assert not read([there_and_back[:-4]]).any()
    with pytest.raises(InputError, match=r"outlines of at most 1000000 pixels; got 1000002"):
        encode_mask([[1, 1] * 500_001] * 2, SHAPE, "here")


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_truncated_code_is_refused(cut: int) -> None:
    """pycocotools would fill the rest of the mask with what lies in memory."""
    code = compress(make_mask(SHAPE, 1, 2, 4, 6))
    with pytest.raises(InputError, match="must have run lengths that fill the image"):
        encode_mask(code | {"counts": code["counts"][:-cut]}, SHAPE, "here")
