"""Overlaps of predictions and truth, and the same counted on whole masks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.results.predictions import encode_predictions
from maskrcnn.scoring.overlaps import find_regions, measure_overlaps

CATALOGUE = Catalogue(("background", "car", "person"), {26: 1, 24: 2}, frozenset({0, 4}))


def predict(masks, class_ids):
    scores = np.ones(len(masks))
    return encode_predictions(np.zeros((len(masks), 4)), np.array(class_ids, int), scores, masks.astype(bool))


def test_worked_example() -> None:
    # A car 26000, a car crowd 26, void 4, a person 24001, an unknown label 33000.
    instance_map = np.array([[26000, 26000, 26, 26], [26000, 4, 24001, 33000], [7, 7, 7, 7]], np.uint16)
    masks = np.array([[[1, 1, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]], [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]])
    overlaps = measure_overlaps(find_regions(instance_map, CATALOGUE), predict(masks, [1, 2]))
    assert overlaps.truth_ids.tolist() == [24001, 26000]
    assert overlaps.truth_class_ids.tolist() == [2, 1]
    assert overlaps.truth_areas.tolist() == [1, 3]
    assert overlaps.areas.tolist() == [5, 4]
    assert overlaps.intersections.tolist() == [[0, 2], [1, 0]]
    assert overlaps.crowd_pixels.tolist() == [1, 0]  # the second is a person: a crowd of cars is not its own
    assert overlaps.crowd_areas.tolist() == [2, 0]
    assert overlaps.void_pixels.tolist() == [1, 0]
    # 2 shared of 5 + 3 - 2 = 6 pixels; 1 shared of 4 + 1 - 1 = 4.
    assert np.allclose(overlaps.ious, [[0, 1 / 3], [1 / 4, 0]])


maps = arrays(np.uint16, (5, 6), elements=st.sampled_from([0, 4, 7, 24, 26, 24000, 26000, 26001]))
mask_stacks = st.integers(0, 4).flatmap(lambda count: arrays(bool, (count, 5, 6)))


@settings(max_examples=50)
@given(maps, mask_stacks)
def test_counts_equal_those_of_unfolded_masks(instance_map, masks) -> None:
    overlaps = measure_overlaps(find_regions(instance_map, CATALOGUE), predict(masks, [1] * len(masks)))
    assert overlaps.areas.tolist() == [mask.sum() for mask in masks]
    assert overlaps.truth_ids.tolist() == sorted(set(instance_map[instance_map >= 1000].tolist()))
    for mask, row, crowd, void in zip(
        masks, overlaps.intersections, overlaps.crowd_pixels, overlaps.void_pixels, strict=True
    ):
        assert row.tolist() == [(mask & (instance_map == truth)).sum() for truth in overlaps.truth_ids]
        assert crowd == (mask & (instance_map == 26)).sum()
        assert void == (mask & np.isin(instance_map, [0, 4])).sum()


def test_image_without_truth_and_predictions() -> None:
    overlaps = measure_overlaps(find_regions(np.zeros((3, 4), np.uint16), CATALOGUE), predict(np.zeros((0, 3, 4)), []))
    assert overlaps.ious.shape == (0, 0) and len(overlaps.truth_ids) == 0


def test_empty_mask_overlaps_nothing() -> None:
    instance_map = np.full((3, 4), 26000, np.uint16)
    overlaps = measure_overlaps(find_regions(instance_map, CATALOGUE), predict(np.zeros((1, 3, 4)), [1]))
    assert overlaps.areas.tolist() == [0] and overlaps.ious.tolist() == [[0.0]]
