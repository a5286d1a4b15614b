"""From the box head's outputs to the objects of an image."""

import math

import numpy as np

from maskrcnn.network.ops.proposals import select_detections
from tests.backends import run

HERE, NEAR, THERE = [0, 0, 0.4, 0.4], [0, 0, 0.4, 0.3], [0.5, 0.5, 0.8, 0.8]  # IoU of the first two: 3/4


def select(rois, probabilities, deltas=None, num_detections=3, min_confidence=0.5, nms_iou=0.3):
    """Returns boxes, class ids and scores of one image."""
    rois, probabilities = np.array([rois], np.float32), np.array([probabilities], np.float32)
    deltas = np.zeros((*probabilities.shape, 4), np.float32) if deltas is None else deltas
    found = run(
        lambda *inputs: select_detections(*inputs, num_detections, min_confidence, nms_iou), rois, probabilities, deltas
    )
    assert found.class_ids.dtype == np.int32
    return found.boxes[0], found.class_ids[0].tolist(), found.scores[0]


def test_every_region_gets_its_best_class_in_the_order_of_scores():
    boxes, class_ids, scores = select([HERE, THERE], [[0.1, 0.3, 0.6], [0.1, 0.8, 0.1]])
    np.testing.assert_allclose(boxes, [THERE, HERE, [0] * 4], atol=1e-6)
    assert class_ids == [1, 2, 0]
    np.testing.assert_allclose(scores, [0.8, 0.6, 0])


def test_background_is_never_an_object():
    boxes, class_ids, scores = select([HERE, THERE], [[0.9, 0.1, 0], [0.5, 0.2, 0.3]], min_confidence=0)
    assert class_ids == [0, 0, 0]
    assert not boxes.any()
    assert not scores.any()


def test_the_smallest_confidence_is_enough():
    # 0.5 and 0.25 are exact in binary
    probabilities = [[0.25, 0.25, 0.5], [0.3, 0.21, 0.49]]
    assert select([HERE, THERE], probabilities, min_confidence=0.5)[1] == [2, 0, 0]


def test_duplicates_go_within_a_class():
    boxes, class_ids, _ = select([NEAR, HERE], [[0.3, 0.7, 0], [0.2, 0.8, 0]])
    assert class_ids == [1, 0, 0]
    np.testing.assert_allclose(boxes[0], HERE, atol=1e-6)


def test_objects_of_two_classes_may_share_a_place():
    assert select([NEAR, HERE], [[0.3, 0.7, 0], [0.2, 0, 0.8]])[1] == [2, 1, 0]


def test_an_overlap_up_to_the_bound_is_tolerated():
    rois, probabilities = [NEAR, HERE], [[0.3, 0.7, 0], [0.2, 0.8, 0]]
    assert select(rois, probabilities, nms_iou=0.76)[1] == [1, 1, 0]
    assert select(rois, probabilities, nms_iou=0.74)[1] == [1, 0, 0]


def test_the_box_is_moved_by_the_deltas_of_the_best_class_and_clipped():
    # class 2: centre (.65, .65) goes up by 1/3 of .3 to .55, and four times as wide: .65 +- .6, cut at the image
    deltas = np.full((1, 1, 3, 4), 9, np.float32)
    deltas[0, 0, 2] = [-1 / 3, 0, 0, math.log(4)]
    boxes, _, _ = select([THERE], [[0.1, 0.1, 0.8]], deltas)
    np.testing.assert_allclose(boxes[0], [0.4, 0.05, 0.7, 1], atol=1e-6)


def test_padding_is_no_object():
    assert select([[0] * 4, THERE], [[0, 0, 1], [0.1, 0.8, 0.1]])[1] == [1, 0, 0]


def test_deltas_that_are_no_numbers_yield_boxes_inside_the_image():
    boxes, _, _ = select([THERE], [[0.1, 0.1, 0.8]], np.full((1, 1, 3, 4), np.nan, np.float32))
    assert ((boxes >= 0) & (boxes <= 1)).all()


def test_the_best_are_kept_when_there_are_too_many():
    rois = [[0.1 * i, 0.1 * i, 0.1 * i + 0.05, 0.1 * i + 0.05] for i in range(5)]
    probabilities = [[1 - p, p, 0] for p in (0.6, 0.9, 0.7, 0.55, 0.8)]
    np.testing.assert_allclose(select(rois, probabilities)[2], [0.9, 0.8, 0.7], rtol=1e-6)


def test_images_of_a_batch_do_not_disturb_each_other():
    rois = np.float32([[HERE, NEAR], [THERE, HERE]])
    probabilities = np.float32([[[0.2, 0.8, 0], [0.3, 0.7, 0]], [[0.1, 0.9, 0], [0.4, 0.6, 0]]])
    deltas = np.zeros((2, 2, 3, 4), np.float32)
    found = run(lambda *inputs: select_detections(*inputs, 3, 0.5, 0.3), rois, probabilities, deltas)
    assert found.class_ids.tolist() == [[1, 0, 0], [1, 1, 0]]
    np.testing.assert_allclose(found.boxes[1, :2], [THERE, HERE], atol=1e-6)
