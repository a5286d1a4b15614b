"""Sums over a batch that is computed in parts, so that the activations of one part are in memory at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from maskrcnn.project.notation import Array


def sum_parts(
    function: Callable[[dict[str, Array]], Any],
    start: Any,
    batch: Mapping[str, Array],
    parts: int,
    *,
    weights: Sequence[keras.Variable],
    state: Sequence[keras.Variable],
) -> Any:
    """Returns what a function returns for each part of a batch, summed over the parts.

    The parts are computed one after the other. The gradient is that of the sums: in the backward pass the function is
    computed once more for each part, because nothing of the forward pass is kept.

    Args:
        function: Takes a part of the batch and returns nested scalars.
        start: Zeros, nested like what the function returns.
        batch: Arrays of B entries.
        parts: Number of parts; it must divide B. Part i holds the entries i, i + parts, ..., so that each device has
            an equal share of every part of a batch that lies on several devices.
        weights: All variables that the function reads and does not change.
        state: All variables that it changes; a part reads what the part before has left.
    """
    split = {key: ops.reshape(values, (-1, parts, *values.shape[1:])) for key, values in batch.items()}
    values = [ops.copy(variable) for variable in weights]  # of a variable, `tf.recompute_grad` takes the gradient twice

    def add_part(index: Array, carry: tuple[Any, list[Array]]) -> tuple[Any, list[Array]]:
        # Variables are inputs here: neither a loop of JAX nor `tf.recompute_grad` may change them or keep their values.
        def compute(*values: Array) -> list[Array]:
            with keras.StatelessScope(state_mapping=zip([*weights, *state], values, strict=True)) as scope:
                sums = function({key: ops.take(parts, index, axis=1) for key, parts in split.items()})
            return [*keras.tree.flatten(sums), *(scope.get_current_value(variable) for variable in state)]

        totals, state_values = carry
        outputs = keras.remat(compute)(*values, *state_values)
        count = len(keras.tree.flatten(totals))
        sums = keras.tree.pack_sequence_as(totals, outputs[:count])
        return keras.tree.map_structure(ops.add, totals, sums), outputs[count:]

    first = [ops.copy(variable) for variable in state]
    totals, last = _loop(parts, add_part, (start, first))
    for variable, value in zip(state, last, strict=True):
        variable.assign(value)
    return totals


def _loop(count: int, body: Callable[[Array, Any], Any], start: Any) -> Any:
    """Returns what is left after a body was applied some times, never two of them at once, in either direction."""
    if keras.backend.backend() != "tensorflow":
        return ops.fori_loop(0, count, body, start)
    import tensorflow as tf

    def step(index: Array, carry: Any) -> tuple[Array, Any]:
        return index + 1, body(index, carry)

    return tf.while_loop(lambda index, _: index < count, step, (0, start), parallel_iterations=1)[1]
