"""The optimizers: those of Keras with clipped gradients and a momentum that can be assigned."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
from jaxtyping import Float
from keras import ops

from maskrcnn.learning.warmup import WarmUp
from maskrcnn.network.devices import sum_over_devices
from maskrcnn.project.config import Hyperparameters
from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Array

CLIP_NORM = 5.0
KERAS_MOMENTUM = 0.9  # replaced by `momentum_rate`; with 0 Keras' SGD would keep no slots


class _ClipsTheSum(keras.optimizers.Optimizer):
    """Clips the gradient of the whole batch where several devices have computed a part of it each.

    Keras' optimizer for TensorFlow clips the parts and adds them up afterwards.
    """

    def _clip_gradients(self, grads: Sequence[Any]) -> Sequence[Any]:
        return super()._clip_gradients(sum_over_devices(grads))

    def _all_reduce_sum_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        return list(grads_and_vars)  # they are added up already


class SGD(WarmUp, _ClipsTheSum, keras.optimizers.SGD):
    """Gradient descent with momentum, as `keras.optimizers.SGD`; its `momentum_rate` can be assigned."""

    def __init__(self) -> None:
        super().__init__(momentum=KERAS_MOMENTUM, global_clipnorm=CLIP_NORM)
        self.momentum_rate = self.add_variable((), name="momentum_rate")

    def update_step(self, gradient: Float[Array, "*shape"], variable: Any, learning_rate: Float[Array, ""]) -> None:
        """Moves one variable: `m <- momentum * m - rate * gradient`, `v <- v + m`.

        Args:
            gradient: Of the variable, clipped.
            variable: A variable of Keras or of the backend.
            learning_rate: The current one.
        """
        slot = self.momentums[self._get_variable_index(variable)]
        step = ops.cast(gradient, variable.dtype) * ops.cast(learning_rate, variable.dtype)
        self.assign(slot, slot * ops.cast(self.momentum_rate, variable.dtype) - step)
        self.assign_add(variable, slot)


class Adam(WarmUp, _ClipsTheSum, keras.optimizers.Adam):
    """Adam, as `keras.optimizers.Adam`; its `momentum_rate`, which is beta_1, can be assigned."""

    def __init__(self) -> None:
        super().__init__(global_clipnorm=CLIP_NORM)
        self.momentum_rate = self.beta_1 = self.add_variable((), name="momentum_rate")


OPTIMIZERS: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}


def make_optimizer(name: str) -> SGD | Adam:
    """Returns an optimizer that clips gradients to the global norm `CLIP_NORM`; `set_hyperparameters` sets the rest.

    Args:
        name: `sgd` or `adam`.
    Raises:
        InputError: if the name is another.
    Source:
        Matterport `MaskRCNN.compile`; Keras calls the global norm `global_clipnorm`.
    """
    if name not in OPTIMIZERS:
        raise InputError(f"`optimizer` must be sgd or adam; got {name!r}.")
    return OPTIMIZERS[name]()


def set_hyperparameters(optimizer: SGD | Adam, hyperparameters: Hyperparameters) -> None:
    """Sets the learning rate and the momentum, which is Adam's beta_1."""
    optimizer.learning_rate = hyperparameters.learning_rate
    optimizer.momentum_rate.assign(hyperparameters.momentum)
