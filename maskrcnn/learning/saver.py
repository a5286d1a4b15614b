"""Saves within epochs: an epoch can last for hours."""

import time
from collections.abc import Callable
from typing import Any

import keras

SAVE_SECONDS = 600.0  # between two saves; one takes seconds, since it waits for the device and for the disk


class Saver(keras.callbacks.Callback):
    """Calls a function within epochs, once every `SAVE_SECONDS` and not after the last step.

    Args:
        save: Takes the number of steps of the epoch that are done; the variables of the model are those after them.
        first_step: Steps of the first epoch that were done before.
    """

    def __init__(self, save: Callable[[int], None], first_step: int = 0):
        super().__init__()
        self.save, self.first_step = save, first_step

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.done, self.first_step = self.first_step, 0
        self.left = self.params["steps"]
        self.saved_at = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.done, self.left = self.done + 1, self.left - 1
        if self.left and time.monotonic() - self.saved_at >= SAVE_SECONDS:
            model = self.model  # its variables are those after this step from here on: JAX keeps them elsewhere
            if not model.stop_training:
                self.save(self.done)
            self.saved_at = time.monotonic()
