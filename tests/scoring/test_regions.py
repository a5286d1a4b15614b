import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskrcnn.results.runs import decode_counts, encode_mask
from maskrcnn.scoring.regions import find_regions, shared_pixels

maps = arrays(np.uint16, (4, 5), elements=st.sampled_from([0, 7, 26, 24000, 26001]))


def test_worked_example():
    # Columns from the left: 7 7 | 7 26000 | 26 26. Runs [0, 3) of 7, [3, 4) of 26000, [4, 6) of 26.
    regions = find_regions(np.array([[7, 7, 26], [7, 26000, 26]], np.uint16))
    assert regions.ids.tolist() == [7, 26, 26000] and regions.areas.tolist() == [3, 2, 1]
    assert regions.edges.tolist() == [0, 3, 4, 6] and regions.indices.tolist() == [0, 2, 1]
    assert regions.is_instance().tolist() == [False, False, True]
    assert regions.class_ids({26: 1}).tolist() == [0, 1, 1]


def test_boxes_around_runs():
    # 7 runs from (0, 0) down to the last row and on into column 1, so all rows; 26000 is the pixel (1, 1).
    regions = find_regions(np.array([[7, 7, 26], [7, 26000, 26]], np.uint16))
    assert regions.boxes_px().tolist() == [[0, 0, 2, 2], [0, 2, 2, 3], [1, 1, 2, 2]]


@settings(max_examples=50)
@given(maps)
def test_boxes_are_tight(instance_map):
    regions = find_regions(instance_map)
    for region_id, (y1, x1, y2, x2) in zip(regions.ids, regions.boxes_px().tolist(), strict=True):
        rows, columns = np.nonzero(instance_map == region_id)
        assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (y1, x1, y2, x2)


@settings(max_examples=50)
@given(maps)
def test_regions_are_the_masks_of_the_ids(instance_map):
    regions = find_regions(instance_map)
    for index, region_id in enumerate(regions.ids):
        spans = decode_counts(encode_mask(instance_map == region_id), instance_map.shape)
        found = regions.spans(index)
        assert found.starts.tolist() == spans.starts.tolist() and found.stops.tolist() == spans.stops.tolist()


@settings(max_examples=50)
@given(maps, arrays(bool, (4, 5)))
def test_shared_pixels_equal_those_of_unfolded_masks(instance_map, mask):
    regions = find_regions(instance_map)
    shared = shared_pixels(decode_counts(encode_mask(mask), mask.shape), regions)
    assert shared.tolist() == [(mask & (instance_map == region_id)).sum() for region_id in regions.ids]
