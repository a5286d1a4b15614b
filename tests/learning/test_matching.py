"""Which truth each anchor and each proposal belongs to."""

from functools import partial
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.learning import sampling
from maskrcnn.learning.sampling import match_anchors, match_proposals, truth_kinds
from tests.backends import run, run_compiled

SQUARE = (0, 0, 10, 10)
NOWHERE = (0, 0, 0, 0)


def match(matcher, boxes, truths, class_ids=None, is_crowd=None, run=run, **thresholds) -> tuple[list[int], list[int]]:
    """Returns labels and matches of one image."""
    of_proposals = matcher is match_proposals
    matcher = partial(matcher, **thresholds) if thresholds else matcher
    truths = np.array(truths, np.float32).reshape(1, -1, 4)
    class_ids = np.ones(truths.shape[:2], np.int32) if class_ids is None else np.array([class_ids], np.int32)
    is_crowd = np.zeros(truths.shape[:2], bool) if is_crowd is None else np.array([is_crowd])
    boxes = np.array(boxes, np.float32)
    boxes = boxes[None] if of_proposals else boxes
    labels, matches = run(matcher, boxes, truths, class_ids, is_crowd)
    return labels[0].tolist(), matches[0].tolist()


def test_anchors_are_labelled_by_their_overlap() -> None:
    # IoU with the square: 1, 7/10, 69/100, 3/10, 29/100, 0; at least 0.7 is an object, below 0.3 is background
    anchors = [(0, 0, 10, width) for width in (10, 7, 6.9, 3, 2.9)] + [(50, 50, 60, 60)]
    labels, _ = match(match_anchors, anchors, [SQUARE])
    assert labels == [1, 1, 0, 0, -1, -1]


def test_the_best_anchors_of_a_truth_are_objects_however_little_they_overlap() -> None:
    # IoU with the first truth 0.2, 0.2 and 0.1; the second is touched by the last alone, IoU 1/100
    anchors = [(0, 0, 10, 2), (0, 8, 10, 10), (0, 0, 1, 10), (100, 100, 110, 110)]
    labels, matches = match(match_anchors, anchors, [SQUARE, (100, 100, 101, 101)])
    assert labels == [1, 1, -1, 1]
    assert matches == [0, 0, 0, 1]


def test_an_anchor_belongs_to_the_truth_that_it_overlaps_most() -> None:
    # 6 and 9 of 10 columns
    labels, matches = match(match_anchors, [SQUARE], [(0, 0, 10, 6), (0, 0, 10, 9)])
    assert (labels, matches) == ([1], [1])


@pytest.mark.parametrize(
    ("truth", "class_id"),
    [(NOWHERE, 0), (SQUARE, 0), ((3, 3, 3, 9), 1), ((9, 3, 3, 9), 1), ((500, 500, 510, 510), 1)],
    ids=["padding", "padding with a box", "without area", "turned around", "out of reach"],
)
def test_what_no_anchor_overlaps_makes_no_anchor_an_object(truth, class_id) -> None:
    labels, _ = match(match_anchors, [SQUARE, (2, 2, 8, 8)], [truth], [class_id])
    assert labels == [-1, -1]


def test_anchors_that_touch_a_crowd_are_not_background() -> None:
    # IoU with the crowd: 0.2; w / (20 - w) where the shared width is w: 0.0011, 0.0009; 0. The last is an object
    anchors = [(0, 0, 10, 2), (0, 9.978, 10, 19.978), (0, 9.982, 10, 19.982), (20, 20, 30, 30), (4, 4, 8, 8)]
    labels, _ = match(match_anchors, anchors, [SQUARE, (4, 4, 8, 8)], is_crowd=[True, False])
    assert labels == [0, 0, -1, -1, 1]


def test_the_thresholds_of_anchors_are_arguments() -> None:
    # IoU with the square 0.6, 0.4, 0.1; with the crowd 0, 0, 0, 0.5
    anchors = [SQUARE, (0, 0, 10, 6), (0, 0, 10, 4), (0, 0, 10, 1), (50, 50, 60, 55)]
    truths, is_crowd = [SQUARE, (50, 50, 60, 60)], [False, True]
    assert match(match_anchors, anchors, truths, is_crowd=is_crowd)[0] == [1, 0, 0, -1, 0]
    assert match(match_anchors, anchors, truths, is_crowd=is_crowd, positive_iou=0.5)[0] == [1, 1, 0, -1, 0]
    assert match(match_anchors, anchors, truths, is_crowd=is_crowd, negative_iou=0.5)[0] == [1, 0, -1, -1, 0]
    assert match(match_anchors, anchors, truths, is_crowd=is_crowd, crowd_iou=0.6)[0] == [1, 0, 0, -1, -1]
    # both reach 0.5 of the highest IoU, which is 0.2
    assert match(match_anchors, [(0, 0, 10, 2), (0, 0, 10, 1)], [SQUARE], tie=0.5)[0] == [1, 1]


def test_the_thresholds_of_proposals_are_arguments() -> None:
    # IoU with the square 0.6, 0.4; 0.6 of the last lies in the crowd
    proposals = [(0, 0, 10, 6), (0, 0, 10, 4), (54, 50, 64, 60)]
    truths, is_crowd = [SQUARE, (50, 50, 60, 60)], [False, True]
    assert match(match_proposals, proposals, truths, is_crowd=is_crowd)[0] == [1, -1, 0]
    assert match(match_proposals, proposals, truths, is_crowd=is_crowd, positive_iou=0.4)[0] == [1, 1, 0]
    assert match(match_proposals, proposals, truths, is_crowd=is_crowd, crowd_ioa=0.7)[0] == [1, -1, -1]


def test_equally_good_anchors_may_differ_by_rounding() -> None:
    # shares of the highest IoU: 1, 0.99995 and 0.9995, with 1e-4 for rounding
    anchors = [(0, 0, 10, 2), (0, 0, 10, 1.9999), (0, 0, 10, 1.999)]
    assert match(match_anchors, anchors, [SQUARE])[0] == [1, 1, -1]


def test_a_crowd_has_no_objects() -> None:
    assert match(match_anchors, [SQUARE, (50, 50, 60, 60)], [SQUARE], is_crowd=[True])[0] == [0, -1]
    assert match(match_proposals, [SQUARE, (50, 50, 60, 60)], [SQUARE], is_crowd=[True])[0] == [0, -1]


def test_proposals_are_labelled_by_their_overlap() -> None:
    # IoU 1, 0.5 (counts), 0.49, 0; no area, turned around
    proposals = [SQUARE, (0, 0, 10, 5), (0, 0, 10, 4.9), (50, 50, 60, 60), NOWHERE, (8, 8, 2, 2)]
    labels, matches = match(match_proposals, proposals, [NOWHERE, SQUARE], [0, 1])
    assert labels == [1, 1, -1, -1, 0, 0]
    assert matches[:3] == [1, 1, 1]


def test_a_proposal_is_lost_in_a_crowd_only_with_half_of_its_area() -> None:
    # parts inside the crowd: all of a tiny one, a half, 0.49; an object inside stays one
    proposals = [(1, 1, 2, 2), (0, 5, 10, 15), (0, 5.1, 10, 15.1), (4, 4, 8, 8)]
    labels, _ = match(match_proposals, proposals, [SQUARE, (4, 4, 8, 8)], is_crowd=[True, False])
    assert labels == [0, 0, -1, 1]


@pytest.mark.parametrize("matcher", [match_anchors, match_proposals])
def test_without_truth_all_is_background(matcher) -> None:
    assert match(matcher, [SQUARE, (2, 2, 8, 8)], [NOWHERE] * 3, [0] * 3) == ([-1, -1], [0, 0])


@pytest.mark.parametrize("matcher", [match_anchors, match_proposals])
def test_images_of_a_batch_do_not_disturb_each_other(matcher) -> None:
    boxes = np.array([SQUARE, (50, 50, 60, 60)], np.float32)
    boxes = np.stack([boxes, boxes]) if matcher is match_proposals else boxes
    truths = np.array([[SQUARE], [(50, 50, 60, 60)]], np.float32)
    labels, _ = run(matcher, boxes, truths, np.ones((2, 1), np.int32), np.zeros((2, 1), bool))
    assert labels.tolist() == [[1, -1], [-1, 1]]


def test_truths_are_instances_crowds_or_neither() -> None:
    boxes = np.array([[SQUARE, SQUARE, SQUARE, (3, 3, 3, 9)]], np.float32)
    instances, crowds = run(truth_kinds, boxes, np.array([[1, 2, 0, 3]]), np.array([[False, True, True, False]]))
    assert instances.tolist() == [[True, False, False, False]]
    assert crowds.tolist() == [[False, True, False, False]]


GRID = np.stack(np.meshgrid(np.arange(0, 16, 4), np.arange(0, 16, 4)), axis=-1).reshape(-1, 2)
ANCHORS = np.concatenate([np.concatenate([GRID, GRID + side], axis=1) for side in (4, 7)]).astype(np.float32)
box = st.tuples(*[st.integers(0, 16)] * 4).map(lambda b: (b[0], b[1], b[0] + b[2] // 2, b[1] + b[3] // 2))
entry = st.tuples(box, st.integers(0, 2), st.booleans())


@pytest.mark.parametrize("matcher", [match_anchors, match_proposals])
@settings(max_examples=30)
@given(entries=st.lists(entry, min_size=4, max_size=4), order=st.permutations(range(6)))
def test_padding_and_the_order_of_truths_change_nothing(matcher, entries, order) -> None:
    padded = [*entries, (NOWHERE, 0, False), (NOWHERE, 0, False)]
    labels, _ = match(matcher, ANCHORS, *zip(*padded, strict=True), run=run_compiled)
    moved = zip(*(padded[i] for i in order), strict=True)
    assert match(matcher, ANCHORS, *moved, run=run_compiled)[0] == labels


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), truth_count=st.integers(0, 11))
def test_an_accelerator_labels_anchors_as_a_cpu_does(seed: int, truth_count: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 30, (2, 60, 2))
    anchors = np.concatenate([corners, corners + rng.integers(1, 20, (2, 60, 2))], axis=2).astype(np.float32)
    truths = anchors[1:, :11] + rng.integers(-2, 3, (1, 11, 4)).astype(np.float32)
    class_ids = (np.arange(11) < truth_count).astype(np.int32)[None]
    truth = (truths, class_ids, rng.random((1, 11)) < 0.2)
    expected = run_compiled(match_anchors, anchors[0], *truth)
    with patch.object(sampling, "runs_on_cpu", lambda: False):
        found = run_compiled(_match_as_on_accelerator, anchors[0], *truth)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _match_as_on_accelerator(*arguments):
    return match_anchors(*arguments)
