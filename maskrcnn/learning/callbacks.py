"""Keras' list of callbacks without its reads of the device."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from maskrcnn.network.devices import wait_for


class Callbacks(keras.callbacks.CallbackList):
    """Callbacks that get the losses of a step as the device holds them, to be read later or never.

    Keras' own list turns the losses of every step into numbers first. That waits for the device, which then has nothing
    to do until the next step arrives. Here the device is at most one step behind: JAX on a CPU would let 32 steps wait
    in memory, each with its batch.

    Args:
        callbacks: In the order in which they are called.
        model: The model that they watch.
        epochs: Of the training.
        steps: Batches in an epoch.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], model: keras.Model, epochs: int, steps: int):
        super().__init__(callbacks, add_history=True, model=model, epochs=epochs, steps=steps)
        self.last_logs: Mapping[str, Any] | None = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._wait(logs)
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._wait(logs)
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs)

    def _wait(self, logs: Mapping[str, Any] | None) -> None:
        """Waits for the step before the one that these losses are of."""
        wait_for(self.last_logs)
        self.last_logs = logs
