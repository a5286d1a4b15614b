"""Gradients with less memory: activations that are computed again in the backward pass."""

from collections.abc import Callable, Sequence

import keras

from maskrcnn.project.notation import Array


def recompute(function: Callable[..., Array], variables: Sequence[keras.Variable], *inputs: Array) -> Array:
    """Calls a function whose inner values are not kept for the backward pass, but computed again there.

    Values and gradients are those of `function(*inputs)`. What the function assigns is assigned once.

    Args:
        function: Returns one array. It may read and assign `variables` and no others.
        variables: Built variables.
        inputs: Arrays.
    Source:
        Training Deep Nets with Sublinear Memory Cost (arXiv:1604.06174), section 4. `keras.RematScope` does the same
        for whole layers, but on JAX it fails for layers that have flags or assign variables, and TensorFlow would
        assign them twice.
    """

    def pure(*arrays: Array) -> tuple[Array, ...]:
        values, arguments = arrays[: len(variables)], arrays[len(variables) :]
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
            output = function(*arguments)
        return output, *(scope.get_current_value(variable) for variable in assigned)

    assigned = [variable for variable in variables if not variable.trainable]
    values = [keras.ops.convert_to_tensor(variable.value) for variable in variables]
    output, *updates = keras.remat(pure)(*values, *inputs)
    for variable, update in zip(assigned, updates, strict=True):
        variable.assign(update)
    return output
