"""Training a network: traced once, restarted as often as wanted, stopped and resumed exactly."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy import ndarray

from maskrcnn.data.batches import Batches, Rest
from maskrcnn.learning.callbacks import Callbacks
from maskrcnn.learning.epochs import Row
from maskrcnn.learning.loss_model import LOSS_NAMES, LossModel, set_learning_layers
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.learning.states import check_layout
from maskrcnn.learning.watch import Watch
from maskrcnn.network.devices import read_copies, write_copies
from maskrcnn.network.model import MaskRCNN
from maskrcnn.project.config import Hyperparameters, Sampling
from maskrcnn.project.errors import InputError

MEANS = "means/"  # begins the names of what the figures of an epoch are computed from


class Trainer:
    """A network, its losses and its optimizer.

    The training step is traced once. `reset` starts again with other hyperparameters and keeps the trace, which
    takes longer than a short training.

    Args:
        network: A built network; `reset` restores the weights that it has now.
        training: A stream of the kind that it will learn from.
        layers: The layers that learn, see `set_learning_layers`.
        optimizer: `sgd` or `adam`.
        sampling: Sizes of the minibatches of anchors and regions.
        frozen: Parts kept frozen although `layers` would train them.
        loss_weights: Weights of losses that are not 1.
        live_batch_norm: Whether batch norm uses and updates batch statistics.
        gradient_accumulation: Parts that a batch is computed in, see `LossModel`.
    Raises:
        InputError: if the parts do not divide the batch.
    """

    def __init__(
        self,
        network: MaskRCNN,
        training: Batches,
        *,
        layers: str,
        optimizer: str,
        sampling: Sampling,
        frozen: Collection[str] = (),
        loss_weights: Mapping[str, float] | None = None,
        live_batch_norm: bool = False,
        gradient_accumulation: int = 1,
    ):
        if training.batch_size % gradient_accumulation:
            raise InputError(
                f"`schedule.gradient_accumulation` must divide `schedule.batch_size`, {training.batch_size}; "
                f"got {gradient_accumulation}."
            )
        set_learning_layers(network, layers, frozen)
        self.network = network
        self.optimizer_name = optimizer
        self.loss_model = LossModel(
            network,
            loss_weights=loss_weights,
            live_batch_norm=live_batch_norm,
            gradient_accumulation=gradient_accumulation,
            **asdict(sampling),
        )
        self.loss_model.compile(make_optimizer(optimizer))
        self.loss_model.optimizer.build(self.loss_model.trainable_variables)
        self.start = self.read_state()

    def reset(self, hyperparameters: Hyperparameters, *, warmup_steps: int = 0) -> None:
        """Restores the first weights, clears the optimizer's state and sets its hyperparameters.

        Args:
            hyperparameters: Learning rate, momentum and weight decay.
            warmup_steps: Steps over which the learning rate rises to that of the hyperparameters.
        Raises:
            InputError: if the hyperparameters are for another optimizer.
        """
        if hyperparameters.optimizer != self.optimizer_name:
            raise InputError(f"`optimizer` must be {self.optimizer_name}; got {hyperparameters.optimizer}.")
        self.write_state(self.start)
        set_hyperparameters(self.loss_model.optimizer, hyperparameters)
        self.loss_model.optimizer.warmup_steps.assign(warmup_steps)
        self.loss_model.weight_decay.assign(hyperparameters.weight_decay)

    def learn(
        self,
        training: Batches,
        validation: Batches,
        *,
        epochs: int,
        first_epoch: int = 0,
        first_step: int = 0,
        last_epoch: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> pd.DataFrame:
        """Trains up to a number of epochs.

        Args:
            training: The stream to learn from; it is set to the place of the first epoch.
            validation: The images to validate on.
            epochs: Number of epochs, with those that are done already.
            first_epoch: How many of them are done already.
            first_step: How many steps of the next one are done already; the state must be that after them.
            last_epoch: Of the whole training, where only a part of it is done now; it is printed.
            callbacks: Keras callbacks, called after the check that all losses are finite.
        Returns:
            A row of `maskrcnn.learning.epochs` for each epoch trained now.
        Raises:
            Divergence: if a loss becomes NaN or infinite, in training or validation.
        """
        watch = Watch(last_epoch or epochs, len(training), training.batch_size, first_step)
        self.loss_model.stop_training = False
        if first_step:  # Keras fixes the length of an epoch, and it empties the means when an epoch begins
            training.epoch = first_epoch
            refill = keras.callbacks.LambdaCallback(on_epoch_begin=partial(self._write_means, self._read_means()))
            rest = Rest(training, first_step)
            self._fit(rest, validation, first_epoch, first_epoch + 1, [refill, watch, *callbacks])
            first_epoch += 1
        if first_epoch < epochs and not self.loss_model.stop_training:
            training.epoch = first_epoch
            self._fit(training, validation, first_epoch, epochs, [watch, *callbacks])
        if watch.divergence:
            raise watch.divergence
        return pd.DataFrame(watch.rows)

    def _fit(
        self,
        training: Batches | Rest,
        validation: Batches,
        first_epoch: int,
        epochs: int,
        callbacks: list[keras.callbacks.Callback],
    ) -> None:
        self.loss_model.fit(
            training,
            validation_data=validation,
            initial_epoch=first_epoch,
            epochs=epochs,
            callbacks=Callbacks(callbacks, self.loss_model, epochs, steps=len(training)),
            shuffle=False,  # the stream is shuffled already, in an order that its seed fixes
        )

    def evaluate(self, batches: Batches) -> Row:
        """Returns the mean losses over some images, without learning from them."""
        figures = self.loss_model.evaluate(batches, return_dict=True, verbose=0)
        return {name: float(figures[name]) for name in ("loss", *LOSS_NAMES)}

    def read_state(self) -> dict[str, ndarray]:
        """Returns all that the rest of a training depends on: weights, optimizer, hyperparameters, random numbers.

        Within an epoch, also the means and counts so far. What is drawn at random for an image depends on its place in
        the stream alone.
        """
        state = {str(index): np.array(np.asarray(value)) for index, value in enumerate(self._variables())}
        return state | self._read_means()

    def check_state(self, state: Mapping[str, ndarray]) -> None:
        """Refuses a state that is not finite or belongs to another trainer; the number of devices is free.

        Raises:
            InputError: if it is so.
        """
        check_layout(_add_copies(state), _add_copies(self.start))

    def write_state(self, state: Mapping[str, ndarray]) -> None:
        """Restores a state; the inverse of `read_state`.

        Args:
            state: One that `check_state` does not refuse.
        """
        for index, variable in enumerate(self._variables()):
            variable.assign(state[str(index)])
        self._write_means(state)

    def _read_means(self) -> dict[str, ndarray]:
        means = enumerate(self.loss_model.metrics_variables)
        return {f"{MEANS}{index}": read_copies(variable) for index, variable in means}

    def _write_means(self, state: Mapping[str, ndarray], *_: Any) -> None:
        for index, variable in enumerate(self.loss_model.metrics_variables):
            write_copies(variable, state[f"{MEANS}{index}"])

    def _variables(self) -> list[keras.Variable]:
        return [*self.loss_model.variables, *self.loss_model.optimizer.variables]


def _add_copies(state: Mapping[str, ndarray]) -> dict[str, ndarray]:
    """Returns a state in which the means are summed over the devices."""
    return {name: values.sum(axis=0) if name.startswith(MEANS) else values for name, values in state.items()}


def fix_randomness(seed: int, deterministic: bool = True) -> None:
    """Seeds all random numbers, and lets TensorFlow use deterministic operations alone.

    Args:
        seed: Of all random numbers.
        deterministic: Whether processes repeat each other exactly on a GPU too. JAX reads `--xla_gpu_deterministic_ops`
            of XLA_FLAGS instead, when it starts.
    """
    keras.utils.set_random_seed(seed)
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
