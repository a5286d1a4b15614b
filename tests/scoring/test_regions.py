"""The truth as regions, and the same counted on whole masks."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.results.predictions import decode_runs, encode_mask
from maskrcnn.scoring.overlaps import find_regions, shared_pixels

CATALOGUE = Catalogue(("background", "car"), {26: 1}, frozenset({3, 7}))

maps = arrays(np.uint16, (4, 5), elements=st.sampled_from([0, 7, 26, 24000, 26001]))


def test_worked_example() -> None:
    # Columns from the left: 7 7 | 7 26000 | 26 26. Runs [0, 3) of 7, [3, 4) of 26000, [4, 6) of 26.
    regions = find_regions(np.array([[7, 7, 26], [7, 26000, 26]], np.uint16), CATALOGUE)
    assert regions.ids.tolist() == [7, 26, 26000] and regions.areas.tolist() == [3, 2, 1]
    assert regions.edges.tolist() == [0, 3, 4, 6] and regions.indices.tolist() == [0, 2, 1]
    assert regions.is_instance.tolist() == [False, False, True]
    assert regions.class_ids.tolist() == [0, 1, 1]
    assert regions.is_void.tolist() == [True, False, False]


def test_instances_are_numbered_as_the_catalogue_says() -> None:
    # 26 * 100 + 3 is a car and 305 an instance of the void label 3; crowds and stuff are below 100.
    regions = find_regions(np.array([[3, 26, 305, 2603]], np.uint16), replace(CATALOGUE, instance_base=100))
    assert regions.is_instance.tolist() == [False, False, True, True]
    assert regions.class_ids.tolist() == [0, 1, 0, 1]
    assert regions.is_void.tolist() == [True, False, False, False]


def test_boxes_around_runs() -> None:
    # 7 runs from (0, 0) down to the last row and on into column 1, so all rows; 26000 is the pixel (1, 1).
    regions = find_regions(np.array([[7, 7, 26], [7, 26000, 26]], np.uint16), CATALOGUE)
    assert regions.boxes_px().tolist() == [[0, 0, 2, 2], [0, 2, 2, 3], [1, 1, 2, 2]]


@settings(max_examples=50)
@given(maps)
def test_boxes_are_tight(instance_map) -> None:
    regions = find_regions(instance_map, CATALOGUE)
    for region_id, (y1, x1, y2, x2) in zip(regions.ids, regions.boxes_px().tolist(), strict=True):
        rows, columns = np.nonzero(instance_map == region_id)
        assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (y1, x1, y2, x2)


@settings(max_examples=50)
@given(maps)
def test_regions_are_the_masks_of_the_ids(instance_map) -> None:
    regions = find_regions(instance_map, CATALOGUE)
    for index, region_id in enumerate(regions.ids):
        runs = decode_runs(encode_mask(instance_map == region_id), instance_map.shape)
        found = regions.runs(index)
        assert found.starts.tolist() == runs.starts.tolist() and found.stops.tolist() == runs.stops.tolist()


@settings(max_examples=50)
@given(maps, arrays(bool, (4, 5)))
def test_shared_pixels_equal_those_of_unfolded_masks(instance_map, mask) -> None:
    regions = find_regions(instance_map, CATALOGUE)
    shared = shared_pixels(decode_runs(encode_mask(mask), mask.shape), regions)
    assert shared.tolist() == [(mask & (instance_map == region_id)).sum() for region_id in regions.ids]
