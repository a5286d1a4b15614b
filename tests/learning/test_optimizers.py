"""The optimizers step as Keras' own do, whatever momentum they are given afterwards."""

import keras
import numpy as np
import pytest

from maskrcnn.learning.optimizers import CLIP_NORM, make_optimizer, set_hyperparameters
from maskrcnn.project.config import Hyperparameters

GRADIENTS = [np.array([3.0, -1.0], np.float32), np.array([0.5, 0.25], np.float32), np.array([-2.0, 8.0], np.float32)]


def run(optimizer: keras.optimizers.Optimizer) -> np.ndarray:
    """Returns a variable after three steps; the last gradient is longer than the clip."""
    variable = keras.Variable(np.array([1.0, 2.0], np.float32))
    optimizer.build([variable])
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return np.asarray(variable)


def theirs(name: str, momentum: float) -> keras.optimizers.Optimizer:
    if name == "sgd":
        return keras.optimizers.SGD(0.125, momentum=momentum, global_clipnorm=CLIP_NORM)
    return keras.optimizers.Adam(0.125, beta_1=momentum, global_clipnorm=CLIP_NORM)


@pytest.mark.parametrize("momentum", [0.0, 0.75, 0.98])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_steps_are_those_of_keras(name: str, momentum: float):
    ours = make_optimizer(name)
    set_hyperparameters(ours, Hyperparameters(name, 0.125, momentum, weight_decay=0.0))
    np.testing.assert_allclose(run(ours), run(theirs(name, momentum)), rtol=1e-6)


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="`optimizer` must be sgd or adam; got 'rmsprop'"):
        make_optimizer("rmsprop")
