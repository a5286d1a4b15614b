"""Non-maximum suppression, the backend's own way and the portable one, against a loop in NumPy."""

import math
import re
from functools import cache, partial
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import backend, ops

from maskrcnn.network.ops import proposals
from maskrcnn.network.ops.proposals import _portable_nms, batched_nms, separate_classes

NUM_BOXES = 12
NEVER = float("-inf")


def as_on_accelerator(*arguments):
    """Runs the loops that an accelerator runs, with one round of suppression before the last loop."""
    with patch.object(proposals, "runs_on_cpu", lambda: False), patch.object(proposals, "ROUNDS", 1):
        return _portable_nms(*arguments, block_size=5)


both_ways = pytest.mark.parametrize(
    "choose",
    [
        batched_nms,
        _portable_nms,
        partial(_portable_nms, block_size=5),
        partial(_portable_nms, block_size=1),
        as_on_accelerator,
    ],
    ids=["public", "portable", "blocks of 5", "blocks of 1", "as on an accelerator"],
)


def brute_force(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float, score_threshold: float) -> list[int]:
    """Returns all boxes that stay, best first."""

    def iou(a: np.ndarray, b: np.ndarray) -> np.float32:
        sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
        union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - np.prod(sides)
        return np.float32(np.prod(sides) / union) if union > 0 else np.float32(0)

    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        alone = all(iou(boxes[index], boxes[other]) <= np.float32(iou_threshold) for other in kept)
        if alone and scores[index] > score_threshold:
            kept.append(index)
    return kept


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draws few corners and scores, so that equal boxes, empty boxes and ties are common."""
    numbers = st.integers(0, 5)
    rows = draw(st.lists(st.tuples(*[numbers] * 5), min_size=NUM_BOXES, max_size=NUM_BOXES))
    table = np.array(rows, np.float32)
    low, sides, scores = table[:, :2], table[:, 2:4], table[:, 4] / 5
    return np.concatenate([low, low + sides], axis=1), scores


@cache
def compiled(choose, *settings):
    """Returns the function of a batch of any size with its numbers filled in."""

    def function(boxes, scores):
        return choose(boxes, scores, *settings)

    if backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, reduce_retracing=True)
    import jax

    return jax.jit(function)


def chosen(choose, boxes: np.ndarray, scores: np.ndarray, *settings: float) -> list[int]:
    """Returns the choice of one image without its padding."""
    tensors = (ops.convert_to_tensor(array[None], "float32") for array in (boxes, scores))
    indices, valid = (ops.convert_to_numpy(array)[0] for array in compiled(choose, *settings)(*tensors))
    count = int(valid.sum())
    assert valid[:count].all(), "padding lies behind the choice"
    assert not indices[count:].any(), "padding is 0"
    return indices[:count].tolist()


@both_ways
@given(
    scene=scenes(),
    settings=st.sampled_from([(3, 0.5, NEVER), (12, 0.3, 0.0), (15, 0.7, 0.4), (12, 0.0, 0.0), (12, 1.0, NEVER)]),
)
def test_the_choice_is_that_of_a_loop(choose, scene, settings: tuple[int, float, float]):
    max_count, iou_threshold, score_threshold = settings
    expected = brute_force(*scene, iou_threshold, score_threshold)[:max_count]
    assert chosen(choose, *scene, *settings) == expected


@both_ways
def test_a_suppressed_box_suppresses_nothing(choose):
    # Neighbours share 6 of 14 columns, IoU 0.43: each second box of the chain stays.
    left = 4.0 * np.arange(300)
    boxes = np.stack([0 * left, left, 0 * left + 10, left + 10], axis=1)
    scores = np.linspace(1, 0.1, 300)
    assert chosen(choose, boxes, scores, 300, 0.4, 0.0) == list(range(0, 300, 2))


@both_ways
def test_equal_scores_are_taken_in_the_order_of_their_index(choose):
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [5, 5, 6, 6], [8, 8, 9, 9]], np.float32)
    assert chosen(choose, boxes, np.array([0.5, 0.5, 0.5, 0.9]), 4, 0.5, 0.0) == [3, 0, 2]


@both_ways
def test_an_overlap_equal_to_the_threshold_is_tolerated(choose):
    # 1 of 2 columns: IoU 0.5
    boxes = np.array([[0, 0, 1, 2], [0, 0, 1, 1]], np.float32)
    assert chosen(choose, boxes, np.array([0.9, 0.8]), 2, 0.5, 0.0) == [0, 1]
    assert chosen(choose, boxes, np.array([0.9, 0.8]), 2, 0.49, 0.0) == [0]


@both_ways
def test_images_of_a_batch_do_not_disturb_each_other(choose):
    rng = np.random.default_rng(0)
    low = rng.random((3, 30, 2)).astype(np.float32)
    boxes = np.concatenate([low, low + 0.3], axis=-1)
    scores = rng.random((3, 30)).astype(np.float32)
    indices, valid = choose(*map(ops.convert_to_tensor, (boxes, scores)), 10, 0.3, 0.1)
    assert backend.standardize_dtype(indices.dtype) == "int32"
    for image in range(3):
        alone = chosen(choose, boxes[image], scores[image], 10, 0.3, 0.1)
        assert ops.convert_to_numpy(indices[image][valid[image]]).tolist() == alone


@pytest.mark.parametrize("max_count", [40, 700])
def test_boxes_of_several_blocks_are_chosen_as_by_a_loop(max_count: int) -> None:
    # 700 boxes around 30 places make two blocks, and no whole number of them; every tenth is padding.
    rng = np.random.default_rng(3)
    low = np.repeat(rng.random((30, 2)), 24, axis=0)[:700] + rng.normal(0, 0.03, (700, 2))
    boxes = np.concatenate([low, low + 0.1 + 0.05 * rng.random((700, 2))], axis=1).astype(np.float32)
    scores = np.round(rng.random(700), 2).astype(np.float32)  # with ties
    scores[::10] = NEVER
    assert (
        chosen(_portable_nms, boxes, scores, max_count, 0.5, NEVER)
        == (brute_force(boxes, scores, 0.5, NEVER)[:max_count])
    )


@pytest.mark.parametrize("num_boxes", [2000, 6000])
def test_memory_does_not_grow_with_the_square_of_the_boxes(num_boxes: int) -> None:
    # A block of 64 is compared with the 200 chosen boxes; TensorFlow gathers the boxes by 2 indices a coordinate.
    sizes = array_sizes(partial(_portable_nms, block_size=64), num_boxes, 200, 0.5, 0.0)
    assert max(sizes) <= 3 * max(64 * 200, 8 * num_boxes)


def array_sizes(choose, num_boxes: int, *settings: float) -> list[int]:
    """Returns the number of elements of every array in the compiler's program for a batch of three images."""
    inputs = ops.zeros((3, num_boxes, 4)), ops.zeros((3, num_boxes))

    def function(boxes, scores):
        return choose(boxes, scores, *settings)

    if backend.backend() == "tensorflow":
        import tensorflow as tf

        program = tf.function(function, jit_compile=True).experimental_get_compiler_ir(*inputs)(stage="hlo")
    else:
        import jax

        program = jax.jit(function).lower(*inputs).as_text("hlo")
    shapes = re.findall(r"\w\d+\[([\d,]+)\]|pred\[([\d,]+)\]", program)
    return [math.prod(map(int, "".join(shape).split(","))) for shape in shapes]


def test_an_image_without_a_single_good_box_yields_padding():
    indices, valid = batched_nms(ops.zeros((1, 3, 4)), ops.full((1, 3), NEVER), 5, 0.5)
    assert ops.convert_to_numpy(indices).tolist() == [[0] * 5]
    assert not ops.convert_to_numpy(valid).any()


def test_shapes_are_known_before_the_batch_is():
    choose = compiled(batched_nms, 20, 0.3, 0.2)
    if backend.backend() == "tensorflow":
        import tensorflow as tf

        specs = tf.TensorSpec((None, 50, 4)), tf.TensorSpec((None, 50))
        shapes = [tuple(output.shape) for output in choose.get_concrete_function(*specs).outputs]
        assert shapes == [(None, 20), (None, 20)]
    else:
        import jax

        shapes = [output.shape for output in jax.eval_shape(choose, ops.zeros((7, 50, 4)), ops.zeros((7, 50)))]
        assert shapes == [(7, 20), (7, 20)]


@given(
    scene=scenes(),
    class_ids=st.lists(st.integers(0, 10), min_size=NUM_BOXES, max_size=NUM_BOXES).map(np.array),
)
def test_classes_kept_apart_are_suppressed_one_by_one(scene, class_ids: np.ndarray):
    boxes, scores = scene
    apart = ops.convert_to_numpy(separate_classes(ops.convert_to_tensor(boxes), class_ids))
    expected = [
        index
        for class_id in set(class_ids.tolist())
        for index in np.flatnonzero(class_ids == class_id)[
            brute_force(boxes[class_ids == class_id], scores[class_ids == class_id], 0.45, 0.0)
        ]
    ]
    assert sorted(chosen(batched_nms, apart, scores, len(boxes), 0.45, 0.0)) == sorted(expected)


def test_keeping_classes_apart_moves_sides_by_a_thousandth_of_a_pixel():
    rng = np.random.default_rng(2)
    low = rng.random((2000, 2)).astype(np.float32)
    boxes = np.concatenate([low, np.minimum(low + 0.1, 1)], axis=-1)
    apart = ops.convert_to_numpy(separate_classes(ops.convert_to_tensor(boxes), np.full(2000, 80)))
    moved = (apart[:, 2:] - apart[:, :2]) - (boxes[:, 2:] - boxes[:, :2])
    assert 0 < np.abs(moved).max() * 2047 < 0.002  # two coordinates a side


def test_the_count_must_be_positive():
    with pytest.raises(ValueError, match="`max_count` must be positive; got 0"):
        batched_nms(ops.zeros((1, 1, 4)), ops.zeros((1, 1)), 0, 0.5)


@pytest.mark.parametrize("iou_threshold", [-0.1, 1.1, float("nan")])
def test_the_overlap_must_be_a_ratio(iou_threshold: float):
    with pytest.raises(ValueError, match=r"`iou_threshold` must lie within \[0, 1\]; got"):
        batched_nms(ops.zeros((1, 1, 4)), ops.zeros((1, 1)), 1, iou_threshold)
