"""Frames, deltas and overlaps of boxes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from maskrcnn.network.ops.boxes import (
    areas,
    clip_boxes,
    decode_deltas,
    encode_deltas,
    normalize_boxes,
    pairwise_ioa,
    pairwise_iou,
)

corners = st.integers(-20, 60)
sides = st.integers(1, 40)


box = st.tuples(corners, corners, sides, sides).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
box_lists = st.lists(box, min_size=5, max_size=5).map(lambda boxes: np.array(boxes, np.float32))


def test_a_box_around_the_whole_image_is_normalised_to_the_unit_square():
    # H-1 = 4 and W-1 = 8: (1/4, 2/8, (3-1)/4, (4-1)/8)
    boxes = np.array([[0, 0, 5, 9], [1, 2, 3, 4]])
    np.testing.assert_allclose(
        ops.convert_to_numpy(normalize_boxes(boxes, (5, 9))), [[0, 0, 1, 1], [0.25, 0.25, 0.5, 0.375]]
    )


@pytest.mark.parametrize("image_shape", [(1, 9), (9, 1), (0, 0)])
def test_an_image_of_one_pixel_has_no_normalised_frame(image_shape: tuple[int, int]):
    with pytest.raises(ValueError, match="`image_shape` must have a height and a width above 1; got"):
        normalize_boxes(np.zeros((1, 4), np.float32), image_shape)


def test_deltas_are_shifts_in_box_sides_and_logs_of_growth():
    # centre (5, 10) -> (15, 15) is 10/10 and 5/20; sides (10, 20) -> (20, 20) are log 2 and log 1
    deltas = encode_deltas(np.array([[0, 0, 10, 20]]), np.array([[5, 5, 25, 25]]))
    np.testing.assert_allclose(ops.convert_to_numpy(deltas), [[1, 0.25, math.log(2), 0]], rtol=1e-6)


@given(boxes=box_lists, targets=box_lists)
def test_decoding_undoes_encoding(boxes: np.ndarray, targets: np.ndarray):
    decoded = decode_deltas(encode_deltas(boxes, targets), boxes)
    np.testing.assert_allclose(ops.convert_to_numpy(decoded), targets, atol=2e-4)


@pytest.mark.parametrize(
    ("box", "target"),
    [([0, 0, 0, 0], [0, 0, 4, 4]), ([0, 0, 4, 4], [0, 0, 0, 0]), ([0, 0, 4, 4], [9, 9, 2, 12])],
)
def test_an_empty_box_or_target_encodes_to_zero(box: list[int], target: list[int]):
    deltas = ops.convert_to_numpy(encode_deltas(np.array([box]), np.array([target])))
    np.testing.assert_array_equal(deltas, np.zeros((1, 4)))


def test_growth_is_clamped():
    # at most 1000/16 = 62.5 times the side of 16: 1000 around the centre 8
    deltas = np.array([[0, 0, 1000, 0]], np.float32)
    decoded = ops.convert_to_numpy(decode_deltas(deltas, np.array([[0, 0, 16, 16]])))
    np.testing.assert_allclose(decoded, [[-492, 0, 508, 16]], rtol=1e-5)


def test_clipping_cuts_at_the_window_and_leaves_nothing_of_a_box_outside():
    boxes = np.array([[-5, 3, 4, 30], [2, 2, 3, 3], [20, 1, 30, 4]])
    clipped = clip_boxes(boxes, (0, 0, 10, 20))
    np.testing.assert_array_equal(ops.convert_to_numpy(clipped), [[0, 3, 4, 20], [2, 2, 3, 3], [10, 1, 10, 4]])
    np.testing.assert_array_equal(ops.convert_to_numpy(areas(clipped)), [4 * 17, 1, 0])


def test_every_image_may_have_its_own_window():
    boxes = np.full((2, 3, 4), 50, np.float32)
    windows = np.array([[[0, 0, 10, 20]], [[0, 0, 30, 40]]], np.float32)
    clipped = ops.convert_to_numpy(clip_boxes(boxes, windows))
    np.testing.assert_array_equal(clipped[:, 0], [[10, 20, 10, 20], [30, 40, 30, 40]])


def test_a_box_with_a_side_turned_around_has_no_area():
    boxes = np.array([[0, 0, 2, 3], [0, 0, 0, 3], [5, 5, 2, 9], [5, 5, 2, 2]])
    np.testing.assert_array_equal(ops.convert_to_numpy(areas(boxes)), [6, 0, 0, 0])


def test_iou_of_overlapping_touching_equal_and_empty_boxes():
    a = np.array([[0, 0, 2, 2], [7, 7, 7, 7]])
    b = np.array([[1, 1, 3, 3], [0, 2, 2, 4], [0, 0, 2, 2], [7, 7, 7, 7]])
    # intersection 1 of 4 + 4 - 1; touching; equal; empty within nothing
    np.testing.assert_allclose(ops.convert_to_numpy(pairwise_iou(a, b)), [[1 / 7, 0, 1, 0], [0, 0, 0, 0]])


@given(a=box_lists, b=box_lists)
def test_iou_is_symmetric_bounded_and_one_on_the_diagonal(a: np.ndarray, b: np.ndarray):
    iou = ops.convert_to_numpy(pairwise_iou(a, b))
    np.testing.assert_array_equal(iou, ops.convert_to_numpy(pairwise_iou(b, a)).T)
    assert iou.min() >= 0
    assert iou.max() <= 1
    np.testing.assert_array_equal(np.diag(ops.convert_to_numpy(pairwise_iou(a, a))), 1)


@given(a=box_lists, b=box_lists)
def test_iou_counts_pixels(a: np.ndarray, b: np.ndarray):
    def paint(corners: np.ndarray) -> np.ndarray:
        canvas = np.zeros((120, 120), bool)
        y1, x1, y2, x2 = corners.astype(int) + 20  # corners start at -20
        canvas[y1:y2, x1:x2] = True
        return canvas

    painted = [[(paint(p), paint(q)) for q in b] for p in a]
    iou = [[(p & q).sum() / (p | q).sum() for p, q in row] for row in painted]
    ioa = [[(p & q).sum() / p.sum() for p, q in row] for row in painted]
    np.testing.assert_allclose(ops.convert_to_numpy(pairwise_iou(a, b)), iou, rtol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(pairwise_ioa(a, b)), ioa, rtol=1e-6)


def test_a_small_box_inside_a_crowd_is_wholly_covered():
    boxes = np.array([[10, 10, 12, 12], [0, 90, 2, 110], [5, 5, 5, 5]])
    crowd = np.array([[0, 0, 100, 100]])
    # inside; half outside; empty
    np.testing.assert_array_equal(ops.convert_to_numpy(pairwise_ioa(boxes, crowd)), [[1], [0.5], [0]])


def test_overlaps_broadcast_over_the_batch():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 20, (2, 5, 2))
    boxes = np.concatenate([low, low + rng.integers(1, 20, (2, 5, 2))], axis=-1)
    shared = boxes[0, :3]
    batched = ops.convert_to_numpy(pairwise_iou(shared, boxes))
    assert batched.shape == (2, 3, 5)
    for image in range(2):
        np.testing.assert_array_equal(batched[image], ops.convert_to_numpy(pairwise_iou(shared, boxes[image])))
