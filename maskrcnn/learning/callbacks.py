"""Keras' list of callbacks without its reads of the device."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras


class Callbacks(keras.callbacks.CallbackList):
    """Callbacks that get the losses of a step as the device holds them, to be read later or never.

    Keras' own list turns the losses of every step into numbers first. That waits for the device, which then has nothing
    to do until the next step arrives.

    Args:
        callbacks: In the order in which they are called.
        model: The model that they watch.
        epochs: Of the training.
        steps: Batches in an epoch.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], model: keras.Model, epochs: int, steps: int):
        super().__init__(callbacks, add_history=True, model=model, epochs=epochs, steps=steps)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs)
