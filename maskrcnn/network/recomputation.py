"""Gradients with less memory: activations that are computed again in the backward pass."""

from collections.abc import Callable, Sequence

import keras

from maskrcnn.project.notation import Array


def recompute(
    function: Callable[..., Array],
    weights: Sequence[keras.Variable],
    state: Sequence[keras.Variable],
    *inputs: Array,
) -> Array:
    """Calls a function whose inner values are not kept for the backward pass, but computed again there.

    Values and gradients are those of `function(*inputs)`. What the function assigns is assigned once.

    Args:
        function: Returns one array.
        weights: All variables that the function reads and does not assign; built.
        state: All variables that it assigns.
        inputs: Arrays.
    Source:
        Training Deep Nets with Sublinear Memory Cost (arXiv:1604.06174), section 4. `keras.RematScope` does the same
        for whole layers, but on JAX it fails for layers that have flags or assign variables, and TensorFlow would
        assign them twice.
    """
    variables = [*weights, *state]

    def pure(*arrays: Array) -> tuple[Array, ...]:
        values, arguments = arrays[: len(variables)], arrays[len(variables) :]
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
            output = function(*arguments)
        return output, *(scope.get_current_value(variable) for variable in state)

    # Under a policy of mixed precision these are what the function would read: kernels in the lower precision.
    values = [keras.ops.convert_to_tensor(variable.value) for variable in variables]
    output, *updates = keras.remat(pure)(*values, *inputs)
    for variable, update in zip(state, updates, strict=True):
        variable.assign(update)
    return output
