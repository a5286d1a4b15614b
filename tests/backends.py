"""Functions run as users run them: compiled where the backend compiles, with gradients on either."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import tree

Function = Callable[..., Any]


def run(function: Function, *inputs: Any) -> Any:
    """Returns what a function of (nested) arrays gives, as NumPy arrays; seeds and weights stay as they were."""
    if keras.backend.backend() == "jax":
        outputs = _compiled(function)(*inputs)
    else:
        outputs = function(*tree.map_structure(keras.ops.convert_to_tensor, inputs))
    return tree.map_structure(np.asarray, outputs)


def run_compiled(function: Function, *inputs: Any) -> Any:
    """Does what `run` does, for a function that is called often: TensorFlow compiles it for these shapes too."""
    if keras.backend.backend() == "jax":
        return run(function, *inputs)
    return tree.map_structure(np.asarray, _graph(function)(*tree.map_structure(keras.ops.convert_to_tensor, inputs)))


def input_gradients(function: Function, *inputs: Any) -> list[np.ndarray]:
    """Returns the gradient of a scalar function in each of its arrays; zeros where nothing flows."""
    if keras.backend.backend() == "jax":
        import jax

        inputs = tuple(map(keras.ops.convert_to_tensor, inputs))
        gradients = jax.jit(jax.grad(_stateless(function), argnums=tuple(range(len(inputs)))))(*inputs)
    else:
        import tensorflow as tf

        inputs = tuple(map(tf.convert_to_tensor, inputs))
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
        gradients = tape.gradient(value, inputs, unconnected_gradients="zero")
    return [np.asarray(gradient) for gradient in gradients]


def weight_gradients(function: Callable[[], Any], variables: Sequence[Any]) -> list[np.ndarray]:
    """Returns the gradient of a scalar in each variable; zeros where nothing flows."""
    if keras.backend.backend() == "jax":
        import jax

        def at(values: list[Any]) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function()

        gradients = jax.jit(jax.grad(at))([variable.value for variable in variables])
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = function()
        gradients = tape.gradient(value, [v.value for v in variables], unconnected_gradients="zero")
    return [np.asarray(gradient) for gradient in gradients]


@cache
def _compiled(function: Function) -> Function:
    import jax

    return jax.jit(_stateless(function))


def _stateless(function: Function) -> Function:
    """Keeps what a compiled function assigns, such as the state of a seed, from leaking out of it."""

    def call(*inputs: Any) -> Any:
        with keras.StatelessScope():
            return function(*inputs)

    return call


@cache
def _graph(function: Function) -> Function:
    import tensorflow as tf

    return tf.function(function, autograph=False)
