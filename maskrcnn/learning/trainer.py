"""A network that learns: traced once, started anew as often as wanted, and stopped and resumed exactly."""

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

import keras
import numpy as np
import pandas as pd
from numpy import ndarray

from maskrcnn.data.batches import Batches
from maskrcnn.learning.loss_model import build_loss_model, set_learning_layers
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.network.model import MaskRCNN
from maskrcnn.project.config import Hyperparameters, Sampling


class Divergence(FloatingPointError):
    """A loss became NaN or infinite.

    Args:
        epoch: Counted from 1.
        step: Optimizer steps since the beginning; that of the epoch's end if the validation loss is at fault.
    """

    def __init__(self, epoch: int, step: int):
        super().__init__(f"`learning_rate` must keep the loss finite; it diverged in epoch {epoch}, step {step}.")
        self.epoch, self.step = epoch, step


class Trainer:
    """A network, its losses and its optimizer.

    The learning step is traced once: `reset` starts anew with other hyperparameters without another trace,
    which would take longer than a short training.

    Args:
        network: A built network; the weights that it has now are those that `reset` goes back to.
        training: A stream of the kind that it will learn from.
        layers: The layers that learn, see `set_learning_layers`.
        optimizer: `sgd` or `adam`.
        sampling: What the losses are taken over.
        seed: Seed of the minibatches.
        frozen: Parts that do not learn all the same.
        loss_weights: Weights of losses that are not 1.
        live_batch_norm: Whether batch norm uses and updates batch statistics.
    """

    def __init__(
        self,
        network: MaskRCNN,
        training: Batches,
        *,
        layers: str,
        optimizer: str,
        sampling: Sampling,
        seed: int,
        frozen: Collection[str] = (),
        loss_weights: Mapping[str, float] | None = None,
        live_batch_norm: bool = False,
    ):
        set_learning_layers(network, layers, frozen)
        arguments = {"loss_weights": loss_weights, "live_batch_norm": live_batch_norm, "seed": seed}
        self.network = network
        self.optimizer_name = optimizer
        self.loss_model = build_loss_model(network, training, **arguments, **asdict(sampling))
        self.loss_model.compile(make_optimizer(optimizer))
        self.loss_model.optimizer.build(self.loss_model.trainable_variables)
        self.start = self.read_state()

    def reset(self, hyperparameters: Hyperparameters) -> None:
        """Goes back to the start: first weights and seeds, an optimizer without memory, these hyperparameters.

        Raises:
            ValueError: if the hyperparameters are another optimizer's.
        """
        if hyperparameters.optimizer != self.optimizer_name:
            raise ValueError(f"`optimizer` must be {self.optimizer_name}; got {hyperparameters.optimizer}.")
        self.write_state(self.start)
        set_hyperparameters(self.loss_model.optimizer, hyperparameters)
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
        """Learns until `epochs` are done, counted from the beginning.

        Args:
            training: The stream to learn from; it goes on at the first epoch's place.
            validation: The images to judge by.
            epochs: Epochs in all.
            first_epoch: How many of them are done already.
            callbacks: What else happens while learning.
        Returns:
            A row an epoch: `epoch` from 1, the losses, and those of the validation as `val_...`.
        Raises:
            Divergence: if a loss becomes NaN or infinite.
        """
        training.epoch = first_epoch
        watch = _Watch(len(training))
        self.loss_model.fit(
            training,
            validation_data=validation,
            epochs=epochs,
            initial_epoch=first_epoch,
            shuffle=False,  # the stream is shuffled already, in an order that its seed fixes
            callbacks=[watch, *callbacks],
            verbose=1 if sys.stdout.isatty() else 2,  # a bar for people, a line an epoch for log files
        )
        if watch.divergence:
            raise watch.divergence
        return pd.DataFrame(watch.rows)

    def evaluate(self, batches: Batches) -> dict[str, float]:
        """Returns the losses of some images, without learning from them."""
        losses = self.loss_model.evaluate(batches, return_dict=True, verbose=0)
        return {name: float(loss) for name, loss in losses.items()}

    def read_state(self) -> dict[str, ndarray]:
        """Returns all that makes the next step what it is: weights, optimizer, hyperparameters, seeds."""
        return {str(index): np.array(np.asarray(value)) for index, value in enumerate(self._variables())}

    def write_state(self, state: Mapping[str, ndarray]) -> None:
        """Puts a state back; the inverse of `read_state`.

        Raises:
            ValueError: if the state is of another trainer.
        """
        variables = self._variables()
        shapes = {str(index): tuple(variable.shape) for index, variable in enumerate(variables)}
        if shapes != {key: values.shape for key, values in state.items()}:
            raise ValueError(f"`state` must hold the {len(shapes)} variables of this trainer; got {len(state)} others.")
        for index, variable in enumerate(variables):
            variable.assign(state[str(index)])

    def _variables(self) -> list[keras.Variable]:
        return [*self.loss_model.variables, *self.loss_model.optimizer.variables]


class _Watch(keras.callbacks.Callback):
    """Keeps the losses of every epoch and stops at the first that is not finite.

    It does not raise: Keras would leave the feeder's thread behind.
    """

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps
        self.rows: list[dict[str, float]] = []
        self.divergence: Divergence | None = None
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._check(logs, batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._check(logs, self.steps)
        if self.divergence is None:
            self.rows.append({"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}})

    def _check(self, logs: dict[str, float] | None, step: int) -> None:
        finite = all(math.isfinite(value) for value in (logs or {}).values())
        if not finite and self.divergence is None:
            self.divergence = Divergence(self.epoch + 1, self.epoch * self.steps + step)
            self.model.stop_training = True


def fix_randomness(seed: int) -> None:
    """Makes every random number and every sum of this process come out the same in the next."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
