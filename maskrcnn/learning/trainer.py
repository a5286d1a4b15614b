"""Training a network: traced once, restarted as often as wanted, stopped and resumed exactly."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

import keras
import numpy as np
import pandas as pd
from numpy import ndarray

from maskrcnn.data.batches import Batches
from maskrcnn.learning.epochs import Row
from maskrcnn.learning.loss_model import LOSS_NAMES, build_loss_model, set_learning_layers
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.learning.watch import Watch
from maskrcnn.network.model import MaskRCNN
from maskrcnn.project.config import Hyperparameters, Sampling
from maskrcnn.project.errors import InputError


class Trainer:
    """A network, its losses and its optimizer.

    The training step is traced once. `reset` starts again with other hyperparameters and keeps the trace, which
    takes longer than a short training.

    Args:
        network: A built network; `reset` restores the weights that it has now.
        training: A stream of the kind that it will learn from; its first batch is read.
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
        arguments = {
            "loss_weights": loss_weights,
            "live_batch_norm": live_batch_norm,
            "gradient_accumulation": gradient_accumulation,
        }
        self.network = network
        self.optimizer_name = optimizer
        (batch,) = training[0]
        self.loss_model = build_loss_model(network, batch, **arguments, **asdict(sampling))
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
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> pd.DataFrame:
        """Trains up to a number of epochs.

        Args:
            training: The stream to learn from; it is set to the place of the first epoch.
            validation: The images to validate on.
            epochs: Number of epochs, with those that are done already.
            first_epoch: How many of them are done already.
            callbacks: Keras callbacks, called after the check that all losses are finite.
        Returns:
            A row of `maskrcnn.learning.epochs` for each epoch trained now.
        Raises:
            Divergence: if a loss becomes NaN or infinite, in training or validation.
        """
        training.epoch = first_epoch
        watch = Watch(len(training), training.batch_size)
        self.loss_model.fit(
            training,
            validation_data=validation,
            epochs=epochs,
            initial_epoch=first_epoch,
            shuffle=False,  # the stream is shuffled already, in an order that its seed fixes
            callbacks=[watch, *callbacks],
            verbose=2,  # a line for each epoch; Keras' progress bar would wait for the device in every step
        )
        if watch.divergence:
            raise watch.divergence
        return pd.DataFrame(watch.rows)

    def evaluate(self, batches: Batches) -> Row:
        """Returns the mean losses over some images, without learning from them."""
        figures = self.loss_model.evaluate(batches, return_dict=True, verbose=0)
        return {name: float(figures[name]) for name in ("loss", *LOSS_NAMES)}

    def read_state(self) -> dict[str, ndarray]:
        """Returns all variables that the next step depends on: weights, optimizer, hyperparameters."""
        return {str(index): np.array(np.asarray(value)) for index, value in enumerate(self._variables())}

    def write_state(self, state: Mapping[str, ndarray]) -> None:
        """Restores a state; the inverse of `read_state`.

        Raises:
            InputError: if the state belongs to another trainer.
        """
        variables = self._variables()
        shapes = {str(index): tuple(variable.shape) for index, variable in enumerate(variables)}
        if shapes != {key: values.shape for key, values in state.items()}:
            raise InputError(f"`state` must hold the {len(shapes)} variables of this trainer; got {len(state)} others.")
        for index, variable in enumerate(variables):
            variable.assign(state[str(index)])

    def _variables(self) -> list[keras.Variable]:
        return [*self.loss_model.variables, *self.loss_model.optimizer.variables]


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
