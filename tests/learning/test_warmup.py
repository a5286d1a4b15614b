"""The warm-up of the learning rate, step by step against its formula."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from maskrcnn.learning.trainer import make_optimizer, set_hyperparameters
from maskrcnn.project.config import Hyperparameters


def take_steps(name: str, warmup_steps: int | None, count: int) -> list[float]:
    """Returns the rates of some steps, each that by which the gradient 1 moves a variable.

    Adam's step without momentum is the rate too, because the gradient is always the same; in float32, where 1 - 0.999
    has an error of 2e-5, up to as much.
    """
    optimizer, variable = make_optimizer(name), keras.Variable(np.float32(0))
    optimizer.build([variable])
    set_hyperparameters(optimizer, Hyperparameters(name, 0.5, 0.0, 0.0))
    if warmup_steps is not None:
        optimizer.warmup_steps.assign(warmup_steps)
    places = [0.0]
    for _ in range(count):
        optimizer.apply([keras.ops.ones(())], [variable])
        places.append(float(variable.value))
    return [before - after for before, after in pairwise(places)]


@pytest.mark.parametrize("name", ["sgd", "adam"])
@pytest.mark.parametrize("warmup_steps", [1, 2, 5])
def test_the_rate_rises_linearly_and_stays(name: str, warmup_steps: int) -> None:
    expected = [0.5 * min(step / warmup_steps, 1) for step in range(1, 9)]
    np.testing.assert_allclose(take_steps(name, warmup_steps, 8), expected, rtol=3e-5)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_without_a_warm_up_the_first_step_has_the_whole_rate(name: str) -> None:
    np.testing.assert_allclose(take_steps(name, None, 3), [0.5] * 3, rtol=3e-5)
