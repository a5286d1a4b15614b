"""From the RPN's outputs to regions of interest."""

import math

import keras
import numpy as np
import pytest

from maskrcnn.network.ops.proposals import select_proposals
from tests.backends import input_gradients, run

ANCHORS = np.float32([[0, 0, 0.2, 0.2], [0, 0, 0.2, 0.16], [0.5, 0.5, 0.7, 0.7], [0.8, 0.8, 1.1, 1.1]])
STILL = np.zeros((1, 4, 4), np.float32)


def select(scores, deltas=STILL, anchors=ANCHORS, num_candidates=4, num_proposals=3):
    scores = np.array(scores, np.float32).reshape(deltas.shape[:2])
    return run(lambda *inputs: select_proposals(*inputs, anchors, num_candidates, num_proposals), scores, deltas)


def test_the_best_anchors_are_thinned_out_and_clipped():
    # The second overlaps the first by 0.8 > 0.7; the last one leaves the image.
    boxes, valid = select([0.6, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(boxes[0], [[0.8, 0.8, 1, 1], ANCHORS[2], ANCHORS[0]], atol=1e-6)
    assert valid.tolist() == [[True, True, True]]


def test_the_weaker_of_two_alike_goes():
    boxes, valid = select([0.5, 0.6, 0.1, 0.2], num_proposals=4)
    np.testing.assert_allclose(boxes[0, 0], ANCHORS[1], atol=1e-6)
    np.testing.assert_array_equal(boxes[0, 3], np.zeros(4))
    assert valid.tolist() == [[True, True, True, False]]


def test_only_candidates_go_on():
    boxes, valid = select([0.6, 0.5, 0.7, 0.9], num_candidates=2)
    np.testing.assert_allclose(boxes[0, :2], [[0.8, 0.8, 1, 1], ANCHORS[2]], atol=1e-6)
    assert valid.tolist() == [[True, True, False]]


def test_more_candidates_than_anchors_are_all_anchors():
    assert select([0.6, 0.5, 0.7, 0.9], num_candidates=6000)[1].all()


def test_anchors_are_moved_by_their_deltas():
    # centre .6 of side .2: half a side down to .7, twice as high and half as wide: .7 +- .2 and .6 +- .05
    deltas = STILL.copy()
    deltas[0, 2] = [0.5, 0, math.log(2), -math.log(2)]
    boxes, _ = select([0.1, 0.2, 0.9, 0.3], deltas)
    np.testing.assert_allclose(boxes[0, 0], [0.5, 0.55, 0.9, 0.65], atol=1e-6)


def test_a_delta_that_would_overflow_stays_finite():
    deltas = np.full((1, 4, 4), 1e4, np.float32)
    deltas[..., :2] = 0
    boxes, valid = select([0.1, 0.2, 0.9, 0.3], deltas)
    np.testing.assert_allclose(boxes[0, 0], [0, 0, 1, 1], atol=1e-6)
    assert np.isfinite(boxes).all()
    assert valid.any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_deltas_that_are_no_numbers_yield_boxes_inside_the_image(value: float):
    boxes, _ = select([0.1, 0.2, 0.9, 0.3], np.full((1, 4, 4), value, np.float32))
    assert ((boxes >= 0) & (boxes <= 1)).all()


def test_images_of_a_batch_do_not_disturb_each_other():
    scores = np.float32([[0.6, 0.5, 0.7, 0.9], [0.5, 0.6, 0.1, 0.2]])
    boxes, valid = select(scores, np.repeat(STILL, 2, axis=0))
    for image in range(2):
        alone = select(scores[image])
        np.testing.assert_array_equal(boxes[image], alone[0][0])
        np.testing.assert_array_equal(valid[image], alone[1][0])


def test_no_gradient_flows_through_proposals():
    def total(scores, deltas):
        return keras.ops.sum(select_proposals(scores, deltas, ANCHORS, 4, 3)[0])

    for gradient in input_gradients(total, np.float32([[0.6, 0.5, 0.7, 0.9]]), STILL + 0.01):
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))
