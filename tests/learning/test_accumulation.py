"""A batch that is computed in parts: its sums, its gradient, the state it leaves, and the memory it takes."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from maskrcnn.learning.accumulation import sum_parts
from tests.backends import weight_gradients

BATCH = {"x": np.arange(8, dtype=np.float32).reshape(4, 2), "kept": np.array([True, False, True, True])}


class Line:
    """A function of a batch with a weight and a running mean of what it has seen."""

    def __init__(self) -> None:
        self.slope = keras.Variable(np.float32([2, -1]), name="slope")
        self.mean = keras.Variable(np.float32(0), trainable=False, name="mean")

    def __call__(self, part: dict[str, Any]) -> dict[str, Any]:
        kept = ops.cast(part["kept"], "float32")
        self.mean.assign(0.5 * self.mean + ops.mean(part["x"]))
        errors = ops.square(ops.sum(part["x"] * self.slope, axis=1))
        return {"count": ops.sum(kept), "total": ops.sum(errors * kept)}

    def sum(self, parts: int) -> dict[str, Any]:
        start = {"count": ops.zeros(()), "total": ops.zeros(())}
        return sum_parts(self, start, BATCH, parts, weights=[self.slope], state=[self.mean])


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_sums_are_those_of_the_whole_batch(parts: int) -> None:
    # 2a - b is -1, 1, 3, 5 for the four rows, and the second does not count: 1 + 9 + 25
    sums = Line().sum(parts)
    assert (float(sums["count"]), float(sums["total"])) == (3, 35)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_the_gradient_of_a_mean_is_that_of_the_whole_batch(parts: int) -> None:
    # the sum of 2 (2a - b) (a, b) over the rows (0, 1), (4, 5), (6, 7), divided by 3
    line = Line()

    def mean() -> Any:
        sums = line.sum(parts)
        return sums["total"] / sums["count"]

    (gradient,) = weight_gradients(mean, [line.slope])
    np.testing.assert_allclose(gradient, np.array([2 * (3 * 4 + 5 * 6), 2 * (-1 + 3 * 5 + 5 * 7)]) / 3, rtol=1e-6)


def test_a_part_reads_the_state_that_the_part_before_left() -> None:
    # rows 0 and 2 have the mean 2.5, rows 1 and 3 the mean 4.5
    line = Line()
    line.sum(2)
    assert float(line.mean.value) == 0.5 * 2.5 + 4.5


IMAGES = np.ones((4, 2**16), np.float32)


def deep(parts: int) -> tuple[keras.Variable, Callable[[Any], Any]]:
    """Returns a variable and a loss of a batch whose backward pass needs 20 arrays as large as the batch."""
    weight = keras.Variable(np.float32(0.5))

    def sum_squares(part: dict[str, Any]) -> list[Any]:
        x = part["x"]
        for _ in range(20):
            x = ops.tanh(weight * x)
        return [ops.sum(x)]

    if parts == 1:
        return weight, lambda x: sum_squares({"x": x})[0]
    return weight, lambda x: sum_parts(sum_squares, [ops.zeros(())], {"x": x}, parts, weights=[weight], state=[])[0]


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX knows the memory of what it compiled")
def test_the_activations_of_one_part_are_in_memory() -> None:
    import jax

    def needed(parts: int) -> int:
        weight, loss = deep(parts)

        def at(value: Any, x: Any) -> Any:
            with keras.StatelessScope(state_mapping=[(weight, value)]):
                return loss(x)

        return jax.jit(jax.grad(at)).lower(weight.value, IMAGES).compile().memory_analysis().temp_size_in_bytes

    whole, of_parts = needed(1), needed(4)
    assert whole > 19 * IMAGES.nbytes
    assert of_parts < 0.5 * whole


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX runs the parts in their order")
def test_no_two_parts_are_computed_at_once() -> None:
    import tensorflow as tf

    weight, loss = deep(4)

    @tf.function
    def gradient() -> Any:
        with tf.GradientTape() as tape:
            value = loss(IMAGES)
        return tape.gradient(value, weight.value)

    graph = gradient.get_concrete_function().graph.as_graph_def()
    loops = [node for node in graph.node if node.op in ("While", "StatelessWhile")]
    assert [node.attr["parallel_iterations"].i for node in loops] == [1, 1]  # forward and backward
