"""The targets of a random sample: worked examples, counts, padding and gradients."""

import math
from fractions import Fraction
from functools import partial

import keras
import numpy as np
import pytest

from maskrcnn.learning.targets import Truth, negatives_wanted, roi_targets, rpn_targets
from maskrcnn.network.ops.proposals import select_proposals
from tests.backends import input_gradients, run

SHAPE = (101, 101)  # a pixel is 0.01 of the normalised frame
MASK_SHAPE = (28, 28)
SEEDS = np.array([[1, 2]], np.int32)


def make_truth(boxes, class_ids=None, is_crowd=None, mini_masks=None) -> Truth:
    """Returns the truth of a batch of one image."""
    boxes = np.array(boxes, np.float32).reshape(1, -1, 4)
    count = boxes.shape[1]
    return Truth(
        boxes,
        np.array([[1] * count if class_ids is None else class_ids], np.int32),
        np.array([[False] * count if is_crowd is None else is_crowd]),
        np.ones((1, count, 28, 28), np.uint8) if mini_masks is None else np.array([mini_masks], np.uint8),
    )


def draw_rois(proposals, truth: Truth, sample_count=9, positive_fraction=0.34, mask_shape=MASK_SHAPE, **threshold):
    proposals = np.array(proposals, np.float32).reshape(1, -1, 4)

    def targets(proposals, truth):
        return roi_targets(proposals, truth, SHAPE, sample_count, positive_fraction, mask_shape, SEEDS, **threshold)

    return run(targets, proposals, truth)


def as_graph(function):
    """Returns a function as a training step runs it, compiled."""
    if keras.backend.backend() == "jax":
        return partial(run, function)
    import tensorflow as tf

    return tf.function(function)


def backgrounds(count: int) -> np.ndarray:
    """Returns different proposals in the lower right corner."""
    corner = 0.6 + 0.002 * np.arange(count)[:, None]
    return np.concatenate([np.broadcast_to(corner, (count, 2)), np.broadcast_to(corner + 0.1, (count, 2))], axis=1)


def test_an_anchor_is_moved_to_its_truth() -> None:
    # centre (5, 10) -> (15, 15) is 10/10 and 5/20; sides (10, 20) -> (20, 20); in units of (.1, .1, .2, .2)
    anchors = np.array([[60, 60, 70, 70], [0, 0, 10, 20], [80, 80, 90, 90]], np.float32)
    targets = run(lambda truth: rpn_targets(anchors, truth, 2, SEEDS), make_truth([5, 5, 25, 25]))
    assert targets.indices[0, 0] == 1
    np.testing.assert_allclose(targets.deltas[0, 0], [10, 2.5, math.log(2) / 0.2, 0], rtol=1e-5)
    assert targets.labels.tolist() == [[1, 0, 0]]
    assert targets.valid.tolist() == [[True, True, False]]
    assert targets.positive.tolist() == [[True]]


def test_at_most_half_of_the_anchors_are_objects() -> None:
    # 6 positives, 20 negatives: 4 and 4 of 8
    anchors = np.array(
        [[0, 0, 10, 10 - 0.1 * i] for i in range(6)] + [[50, 50, 60, 60 + i] for i in range(20)], np.float32
    )
    targets = run(lambda truth: rpn_targets(anchors, truth, 8, SEEDS), make_truth([0, 0, 10, 10]))
    assert targets.valid.sum() == 8
    assert targets.positive.tolist() == [[True] * 4]
    assert targets.deltas.shape == (1, 4, 4)
    assert (targets.indices[:, :4] < 6).all()
    assert (targets.indices[:, 4:][targets.valid[:, 4:]] >= 6).all()


def test_a_proposal_is_moved_to_its_truth() -> None:
    # truth (0, 0, .4, .4); the proposal's centre lies .05 to the left, a sixth of its width .3
    regions = draw_rois([[0, 0, 0.4, 0.3], *backgrounds(8)], make_truth([[60, 0, 80, 9], [0, 0, 41, 41]], [3, 7]))
    np.testing.assert_allclose(regions.rois[0, 0], [0, 0, 0.4, 0.3], rtol=1e-6)
    np.testing.assert_allclose(regions.deltas[0, 0], [0, 1 / 0.6, 0, math.log(4 / 3) / 0.2], rtol=1e-4, atol=1e-4)
    assert regions.class_ids.tolist() == [[7, *[0] * 8]]


def test_a_mask_target_is_the_part_of_the_truth_that_the_region_shows() -> None:
    # Three quarters of the truth's width are columns 0 to 20.25 of its mini mask: target column i lies at 0.75 i. The
    # mask ends after column 14: column 19 lies at 14.25 and is 0.75 yet, column 20 lies at 15 and is 0.
    mini_mask = np.zeros((28, 28))
    mini_mask[:, :15] = 1
    region = [0.01, 0, 0.39, 0.3]
    regions = draw_rois([region, *backgrounds(8)], make_truth([0, 0, 41, 41], mini_masks=[mini_mask]))
    assert regions.masks.shape == (1, 3, 28, 28)
    np.testing.assert_array_equal(regions.masks[0, 0, :, :20], 1)
    np.testing.assert_array_equal(regions.masks[0, 0, :, 20:], 0)


@pytest.mark.parametrize(("threshold", "middle"), [({}, 0), ({"mask_threshold": 0.4}, 1)])
def test_a_mask_target_is_set_above_the_threshold(threshold: dict, middle: int) -> None:
    # 3 columns of the target lie at columns 0, 1.5 and 3 of the mini-mask: 1, exactly a half, 0
    mini_mask = np.repeat([[1, 1, 0, 0]], 4, axis=0)
    truth = make_truth([0, 0, 51, 51], mini_masks=[mini_mask])
    regions = draw_rois([[0, 0, 0.5, 0.5], *backgrounds(8)], truth, mask_shape=(3, 3), **threshold)
    np.testing.assert_array_equal(regions.masks[0, 0], [[1, middle, 0]] * 3)


def test_a_mask_target_is_empty_where_the_region_leaves_the_truth() -> None:
    # The region is 1.5 times as wide: column i lies at i / 18 of the truth's width, columns from 19 on beyond it.
    regions = draw_rois([[0.01, 0, 0.39, 0.6], *backgrounds(8)], make_truth([0, 0, 41, 41]))
    np.testing.assert_array_equal(regions.masks[0, 0, :, :18], 1)
    np.testing.assert_array_equal(regions.masks[0, 0, :, 19:], 0)


def test_a_region_at_the_edge_of_the_image_shows_its_truth_up_to_the_edge() -> None:
    # Truths of all sizes in the lower right corner, and anchors that leave the image there, clipped as proposals
    corners = np.linspace(0.05, 0.93, 80, dtype=np.float32).repeat(2).reshape(80, 2)
    anchors = np.concatenate([corners + 0.01, 0 * corners + 1.02], axis=1)
    truth_px = np.concatenate([corners * 100, 0 * corners + 101], axis=1)
    truth = Truth(
        truth_px[:, None], np.ones((80, 1), np.int32), np.zeros((80, 1), bool), np.ones((80, 1, 28, 28), np.uint8)
    )

    def targets(scores, truth):
        proposals, _ = select_proposals(scores, keras.ops.zeros((80, 80, 4)), anchors, 1, 3)
        return roi_targets(proposals, truth, SHAPE, 3, 0.34, MASK_SHAPE, np.repeat(SEEDS, len(proposals), axis=0))

    regions = run(targets, np.eye(80, dtype=np.float32), truth)  # image i proposes anchor i
    assert regions.positive.all()
    np.testing.assert_array_equal(regions.masks[:, 0], 1)


@pytest.mark.parametrize(
    ("positives", "drawn", "filled_up"),
    [
        (12, 3, 5),  # int(9 * .34) = 3 slots; int(3 / .34) = 8 in all
        (2, 2, 3),  # int(2 / .34) = 5 in all
        (0, 0, 6),  # what 3 slots for objects leave of 9
    ],
)
def test_the_share_of_objects_is_kept(positives: int, drawn: int, filled_up: int) -> None:
    objects = [[0, 0, 0.4, 0.4 - 0.01 * i] for i in range(positives)]
    regions = draw_rois([*objects, *backgrounds(20 - positives)], make_truth([0, 0, 41, 41]))
    assert regions.valid.shape == (1, 9)
    assert regions.positive.sum() == drawn
    assert regions.valid[:, 3:].sum() == filled_up
    assert (regions.rois[~regions.valid] == 0).all()
    assert (regions.class_ids > 0).sum() == drawn


@pytest.mark.parametrize("compiled", [True, False])
def test_all_slots_of_a_crowded_image_are_filled(compiled: bool) -> None:
    # 66 / 0.33 is 200; divided in float32 it would be below
    objects = [[0, 0, 0.4, 0.4 - 0.001 * i] for i in range(70)]
    proposals = np.array([[*objects, *backgrounds(150)]], np.float32)
    truth = make_truth([0, 0, 41, 41])

    def valid(proposals):
        return roi_targets(proposals, truth, SHAPE, 200, 0.33, MASK_SHAPE, SEEDS).valid

    assert np.sum(as_graph(valid)(proposals) if compiled else valid(proposals)) == 200


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("percent", [3, 17, 25, 33, 34, 70])
def test_the_share_of_objects_is_exact_for_any_count(percent: int, compiled: bool) -> None:
    # in image n are n objects, which leave floor(n / fraction) - n places to the background
    labels = np.tril(np.ones((67, 66), np.int32), -1)

    def wanted(labels):
        return negatives_wanted(labels, 66, 200, percent / 100)

    counts = np.asarray((as_graph(wanted) if compiled else wanted)(labels))
    assert counts.tolist() == [200, *(math.floor(Fraction(100 * n, percent)) - n for n in range(1, 67))]


def test_a_crowd_alone_leaves_what_lies_outside_of_it() -> None:
    inside = [[0.01 * i, 0, 0.2 + 0.01 * i, 0.2] for i in range(5)]
    regions = draw_rois([*inside, *backgrounds(4)], make_truth([0, 0, 41, 41], is_crowd=[True]))
    assert regions.positive.sum() == 0
    assert (regions.rois[regions.valid][:, 0] > 0.5).all()
    assert regions.valid.sum() == 4


@pytest.mark.parametrize(
    "truth",
    [
        make_truth(np.zeros((3, 4)), [0, 0, 0]),
        make_truth([[5, 5, 5, 20], [20, 20, 5, 5], [3, 3, 3, 3]]),
        make_truth([[i, j, i + 9, j + 9] for i in range(0, 80, 8) for j in range(0, 96, 8)]),
    ],
    ids=["no truth", "no area", "120 truths"],
)
def test_targets_are_finite(truth: Truth) -> None:
    anchors = np.array([[i, j, i + 9, j + 9] for i in range(0, 80, 8) for j in range(0, 80, 8)], np.float32)

    def targets(truth):
        anchor_targets = rpn_targets(anchors, truth, 64, SEEDS)
        return anchor_targets, roi_targets(anchors[None] / 100, truth, SHAPE, 30, 0.33, MASK_SHAPE, SEEDS)

    of_anchors, of_rois = run(targets, truth)
    has_truth = truth.boxes.shape[1] == 120
    assert of_anchors.positive.any() == of_rois.positive.any() == has_truth
    assert all(np.isfinite(part).all() for part in (*of_anchors, *of_rois))


def test_no_gradient_flows_through_targets() -> None:
    truth = make_truth([0, 0, 41, 41])
    proposals = np.array([[[0, 0, 0.4, 0.3], [0, 0, 0.3, 0.4], *backgrounds(8)]], np.float32)

    def total(proposals):
        regions = roi_targets(proposals, truth, SHAPE, 9, 0.34, MASK_SHAPE, SEEDS)
        return sum(keras.ops.sum(part) for part in (regions.rois, regions.deltas, regions.masks))

    np.testing.assert_array_equal(input_gradients(total, proposals), np.zeros((1, *proposals.shape)))


def test_anchors_and_regions_are_drawn_independently() -> None:
    # as many anchors as proposals, all of them background: the same draw would take the same of both
    boxes = backgrounds(60).astype(np.float32)
    truth = make_truth([0, 0, 41, 41], [0])

    def targets(truth):
        return rpn_targets(boxes * 100, truth, 20, SEEDS).indices, roi_targets(
            boxes[None], truth, SHAPE, 20, 0.33, MASK_SHAPE, SEEDS
        ).rois

    indices, rois = run(targets, truth)
    assert (boxes[indices[0, 10:24]] != rois[0, 6:]).any()
