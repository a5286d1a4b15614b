"""The five losses: worked examples, their counts and their gradients."""

import math
from collections.abc import Callable
from functools import cache

import keras
import numpy as np
import pytest

from maskrcnn.learning import losses
from tests.backends import input_gradients, run

LOG2 = math.log(2)


@cache
def mean(loss: Callable[..., losses.LossSum]) -> Callable[..., losses.MeanLoss]:
    """Returns a loss as a function that divides its sum."""
    return lambda *arguments: losses.mean_loss(loss(*arguments))


def test_smooth_l1_is_a_parabola_up_to_one_and_a_line_beyond() -> None:
    # 0.5 * 0.5**2, 0.5 * 1, 1.5 - 0.5, 3 - 0.5
    values = run(losses.smooth_l1, np.float32([0, 0.5, -1, 1.5, 4]), np.float32([0, 0, 0, 0, 1]))
    np.testing.assert_allclose(values, [0, 0.125, 0.5, 1, 2.5], rtol=1e-6)


def test_the_border_of_smooth_l1_can_be_moved() -> None:
    # up to 2: 0.5 * 1 / 2; beyond: 3 - 0.5 * 2
    values = run(lambda x: losses.smooth_l1(x, 0 * x, beta=2.0), np.float32([1, 3]))
    np.testing.assert_allclose(values, [0.25, 2], rtol=1e-6)


def test_the_rpn_class_loss_is_the_mean_over_what_is_filled() -> None:
    # p(background) = 1/4, p(object) = 3/4: -ln 3/4 for the object, -ln 1/4 for the background, padding apart
    logits = np.log(np.float32([[[1, 3], [1, 3], [1e-9, 1]]]))
    loss = run(mean(losses.rpn_class_loss), logits, np.array([[1, 0, 0]]), np.array([[True, True, False]]))
    np.testing.assert_allclose(loss, ((math.log(4 / 3) + math.log(4)) / 2, 2), rtol=1e-6)


def test_the_rpn_box_loss_is_the_mean_over_objects_and_coordinates() -> None:
    # (0.5 + 0 + 1.5 + 0) / 4 and (0.5 + 0.5 + 0.5 + 0.5) / 4
    deltas = np.float32([[[1, 0, 2, 0], [1, 1, 1, 1], [9, 9, 9, 9]]])
    loss = run(mean(losses.rpn_box_loss), deltas, np.zeros((1, 3, 4), np.float32), np.array([[True, True, False]]))
    np.testing.assert_allclose(loss, ((0.5 + 0.5) / 2, 2), rtol=1e-6)


def test_the_class_loss_is_a_cross_entropy_over_all_classes() -> None:
    # softmax of ln (1, 2, 5) is (1, 2, 5) / 8; the second region has equal logits, the third is padding
    logits = np.log(np.float32([[[1, 2, 5], [1, 1, 1], [1, 1, 9]]]))
    loss = run(mean(losses.class_loss), logits, np.array([[2, 0, 0]]), np.array([[True, True, False]]))
    np.testing.assert_allclose(loss, ((math.log(8 / 5) + math.log(3)) / 2, 2), rtol=1e-6)


def test_the_box_loss_looks_at_the_true_class_alone() -> None:
    # class 1 of the first region is off by (1, 0, 0, 3): (0.5 + 2.5) / 4
    deltas = np.full((1, 2, 3, 4), 50, np.float32)
    deltas[0, 0, 1] = [1, 0, 0, 3]
    loss = run(
        mean(losses.box_loss), deltas, np.zeros((1, 2, 4), np.float32), np.array([[1, 2]]), np.array([[True, False]])
    )
    np.testing.assert_allclose(loss, (0.75, 1), rtol=1e-6)


def test_the_mask_loss_looks_at_the_true_class_alone() -> None:
    # logit 0 costs ln 2 whatever the target; ln 3 has probability 3/4: ln 4/3 where set, ln 4 where not
    logits = np.full((1, 2, 2, 2, 3), 50, np.float32)
    logits[0, 0, :, :, 2] = [[0, 0], [math.log(3), math.log(3)]]
    targets = np.float32([[[[0, 1], [1, 0]], [[0, 0], [0, 0]]]])
    loss = run(mean(losses.mask_loss), logits, targets, np.array([[2, 1]]), np.array([[True, False]]))
    np.testing.assert_allclose(loss, ((2 * LOG2 + math.log(4 / 3) + math.log(4)) / 4, 1), rtol=1e-6)


def test_every_region_weighs_the_same_in_every_image() -> None:
    # 1 of 2 slots filled here, 2 of 2 there: the mean is over three, not over two images
    values, weights = np.float32([[3, 100], [1, 2]]), np.array([[True, False], [True, True]])
    np.testing.assert_allclose(run(mean(losses.masked_sum), values, weights), (2, 3), rtol=1e-6)


NOTHING = np.zeros((1, 2), bool)
IDS = np.array([[1, 2]])
CASES = {
    "rpn_class": lambda x: losses.rpn_class_loss(x, IDS - 1, NOTHING),
    "rpn_box": lambda x: losses.rpn_box_loss(x, 0 * x, NOTHING),
    "class": lambda x: losses.class_loss(x, IDS, NOTHING),
    "box": lambda x: losses.box_loss(x, x[:, :, 0], IDS, NOTHING),
    "mask": lambda x: losses.mask_loss(x, x[..., 0], IDS, NOTHING),
}
SHAPES = {"rpn_class": (2,), "rpn_box": (4,), "class": (3,), "box": (3, 4), "mask": (2, 2, 3)}


@pytest.mark.parametrize("name", CASES)
def test_a_loss_and_its_gradient_are_zero_when_nothing_counts(name: str) -> None:
    values = np.random.default_rng(0).normal(size=(1, 2, *SHAPES[name])).astype(np.float32)
    assert run(CASES[name], values) == (0, 0)
    (gradient,) = input_gradients(lambda x: losses.mean_loss(CASES[name](x)).mean, values)
    np.testing.assert_array_equal(gradient, np.zeros_like(values))


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_large_logits_keep_loss_and_gradient_finite(size: float) -> None:
    one = np.array([[True]])

    def total(logits, mask_logits):
        background = np.array([[0]])
        classes = (
            mean(losses.class_loss)(logits, background, one).mean
            + mean(losses.rpn_class_loss)(logits, background, one).mean
        )
        return classes + mean(losses.mask_loss)(mask_logits, np.float32([[[[0, 1]]]]), background, one).mean

    inputs = np.float32([[[0, size]]]), np.full((1, 1, 1, 2, 1), size, np.float32)
    # 0 or 1e4 twice for the classes, and one of two pixels of the mask
    np.testing.assert_allclose(run(total, *inputs), 2 * max(size, 0) + abs(size) / 2)
    assert all(np.isfinite(gradient).all() for gradient in input_gradients(total, *inputs))


def test_gradients_reach_the_true_class_alone() -> None:
    deltas = np.zeros((1, 2, 3, 4), np.float32)
    (gradient,) = input_gradients(
        lambda x: mean(losses.box_loss)(x, keras.ops.ones((1, 2, 4)), IDS, np.array([[True, True]])).mean, deltas
    )
    # d/dx of 0.5 (x - 1)**2 is -1 at 0; a mean over 4 coordinates of 2 regions
    expected = np.zeros_like(deltas)
    expected[0, 0, 1] = expected[0, 1, 2] = -1 / 8
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)
