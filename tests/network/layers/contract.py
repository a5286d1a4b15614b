"""What every layer owes: shapes known beforehand, named weights that all learn, a config and a file."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import tree

from tests.backends import weight_gradients

BATCH = 2
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def check_layer(layer: keras.Layer, input_shapes: Any, output_shapes: Any, weights: list[str], folder: Path) -> None:
    """Holds a layer to the contract.

    Args:
        layer: Not yet called.
        input_shapes: Of one image: a shape, or a tuple of shapes.
        output_shapes: Of one image, likewise.
        weights: The names of all weights below the layer's own, in any order.
        folder: An empty folder.
    """
    model = wrap(layer, input_shapes)
    assert shapes(model.outputs) == [(None, *shape) for shape in as_list(output_shapes)]
    assert sorted(names(layer)) == sorted(weights)
    scramble(layer)

    inputs = draw(input_shapes)

    def energy() -> Any:
        outputs = tree.flatten(layer(inputs))
        assert shapes(outputs) == [(BATCH, *shape) for shape in as_list(output_shapes)]
        return sum(keras.ops.mean(keras.ops.square(output)) for output in outputs)

    for variable, gradient in zip(
        layer.trainable_variables, weight_gradients(energy, layer.trainable_variables), strict=True
    ):
        assert np.abs(gradient).max() > 0, f"{variable.path} learns nothing"

    twin = type(layer).from_config(layer.get_config())
    twin_model = wrap(twin, input_shapes)
    assert twin.get_config() == layer.get_config()
    with warnings.catch_warnings():  # Keras' own use of NumPy
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy keyword")
        model.save_weights(folder / "layer.weights.h5")
    twin_model.load_weights(folder / "layer.weights.h5")
    for mine, theirs in zip(layer.weights, twin.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(theirs), np.asarray(mine), err_msg=mine.path)


def wrap(layer: keras.Layer, input_shapes: Any) -> keras.Model:
    """Calls a layer on symbolic images of any number and returns the model."""
    inputs = [keras.Input(shape) for shape in as_list(input_shapes)]
    return keras.Model(inputs, layer(inputs[0] if is_shape(input_shapes) else tuple(inputs)))


def scramble(layer: keras.Layer) -> None:
    """Moves every weight off the value that it starts from, so that zeros and ones hide nothing."""
    rng = np.random.default_rng(0)
    for variable in layer.weights:
        variable.assign(np.asarray(variable) + rng.uniform(0.05, 0.15, variable.shape))


def names(layer: keras.Layer) -> list[str]:
    """Returns the names of a layer's weights below its own, such as `conv/kernel`."""
    return [variable.path.removeprefix(f"{layer.name}/") for variable in layer.weights]


def draw(input_shapes: Any) -> Any:
    rng = np.random.default_rng(1)
    arrays = tuple(rng.normal(size=(BATCH, *shape)).astype(np.float32) for shape in as_list(input_shapes))
    return arrays[0] if is_shape(input_shapes) else arrays


def shapes(tensors: list[Any]) -> list[tuple[int | None, ...]]:
    return [tuple(tensor.shape) for tensor in tensors]


def as_list(some_shapes: Any) -> list[tuple[int, ...]]:
    return [some_shapes] if is_shape(some_shapes) else list(some_shapes)


def is_shape(value: Any) -> bool:
    return isinstance(value[0], int)
