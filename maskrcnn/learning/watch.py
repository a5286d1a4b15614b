"""What is read of a training while it runs: its progress, its rows, and whether its losses stay finite."""

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import keras

from maskrcnn.learning.epochs import Row, is_finite, make_row
from maskrcnn.network.ops import runs_on_cpu
from maskrcnn.project.errors import InputError

Figures = Mapping[str, Any]  # numbers, or arrays of the device that were not read yet
INTERVAL = 1.0  # seconds between two reads of the losses


class Divergence(InputError):
    """A loss became NaN or infinite.

    Args:
        epoch: Counted from 1.
        step: Optimizer steps since the beginning; the epoch's last one if it was a loss of the validation.
    """

    def __init__(self, epoch: int, step: int):
        super().__init__(f"`learning_rate` must keep the loss finite; it diverged in epoch {epoch}, step {step}.")
        self.epoch, self.step = epoch, step


class Watch(keras.callbacks.Callback):
    """Keeps the row of every epoch, shows the progress on a terminal, and stops at losses that are not finite.

    Reading a loss waits until the device has computed it, and the device has nothing to do until the next step arrives.
    So the losses of a step are kept as they are. Once per `INTERVAL` those are read that are older than that, which
    the device has long computed, and at the end of the epoch the rest.

    Keras' `TerminateOnNaN` and its progress bar read the losses of every step, and `TerminateOnNaN` checks neither the
    validation nor the single losses. This callback does not raise: Keras would not end the thread that feeds it. It
    must be called through `maskrcnn.learning.callbacks.Callbacks`, for Keras' list of callbacks reads them too.

    Args:
        epochs: Of the training.
        steps: Batches in an epoch.
        batch_size: Images in a batch.
        first_step: Steps of the first epoch that were done before.
    """

    def __init__(self, epochs: int, steps: int, batch_size: int, first_step: int = 0):
        super().__init__()
        self.epochs, self.steps, self.batch_size, self.first_step = epochs, steps, batch_size, first_step
        self.rows: list[Row] = []
        self.divergence: Divergence | None = None
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Figures | None = None) -> None:
        self.epoch, self.last_read, self.taken = epoch, time.monotonic(), 0
        self.began = self.last_step = self.last_read
        self.unread: list[Figures] = []  # of the last steps
        self.due = 0  # how many of them are old enough
        self.done, self.first_step = self.first_step, 0  # steps that were read

    def on_train_batch_end(self, batch: int, logs: Figures | None = None) -> None:
        self.unread.append(logs or {})
        self.taken, self.last_step = self.taken + 1, time.monotonic()
        passed = self.last_step - self.last_read
        if passed < INTERVAL:
            return
        if self.due:
            self._show(self.unread[self.due - 1], (len(self.unread) - self.due) * self.batch_size / passed)
            self._check(self.unread[: self.due])
        self.unread, self.done = self.unread[self.due :], self.done + self.due
        self.due, self.last_read = len(self.unread), time.monotonic()

    def on_test_begin(self, logs: Figures | None = None) -> None:
        self._read_rest()

    def on_epoch_end(self, epoch: int, logs: Figures | None = None) -> None:
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)
        self._read_rest()
        self._check([logs or {}])
        if self.divergence is None:
            self.rows.append(make_row(epoch, logs))
            print(self._describe(self.rows[-1]), flush=True)

    def _read_rest(self) -> None:
        """Reads what is left of the epoch, which waits until the device has done its last step."""
        if self.unread:
            self._check(self.unread)
            self.done, self.unread, self.last_step = self.done + len(self.unread), [], time.monotonic()

    def _check(self, figures: Sequence[Figures]) -> None:
        """Stops training if the last of some figures are not finite, and finds the first step whose were not.

        Figures are means since the beginning of the epoch: one that is not finite stays so.
        """
        if self.divergence or is_finite(figures[-1]):
            return
        first = next(index for index, row in enumerate(figures, start=1) if not is_finite(row))
        step = min(self.done + first, self.steps)
        self.divergence = Divergence(self.epoch + 1, self.epoch * self.steps + step)
        self.model.stop_training = True

    def _show(self, figures: Figures, rate: float) -> None:
        """Shows the progress in the current line of the terminal, if there is one."""
        if sys.stdout.isatty():
            done = self.done + len(self.unread)
            left = ((self.epochs - self.epoch) * self.steps - done) * self.batch_size / rate
            parts = [
                f"Epoch {self.epoch + 1}/{self.epochs}, step {done}/{self.steps}: loss {float(figures['loss']):.4f}",
                f"{rate:.1f} images/s",
                f"{timedelta(seconds=round(left))} of training left",
                *tell_memory(),
            ]
            print(f"\r\033[K{', '.join(parts)}", end="", flush=True)

    def _describe(self, row: Row) -> str:
        """Returns the line of an epoch for terminals and logs."""
        rate = self.taken * self.batch_size / max(self.last_step - self.began, 1e-9)
        parts = [f"{name} {row[name]:.4f}" for name in ("loss", "val_loss") if name in row]
        parts += [f"{rate:.1f} images/s", f"{time.monotonic() - self.began:.0f} s", *tell_memory()]
        return f"Epoch {self.epoch + 1}/{self.epochs}: {', '.join(parts)}"


def tell_memory() -> list[str]:
    """Returns in words how much memory of the first GPU this process has used at most; nothing where there is none."""
    if runs_on_cpu():
        return []
    if keras.backend.backend() == "jax":
        import jax

        peak = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
    else:
        import tensorflow as tf

        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return [f"{peak / 2**30:.1f} GB"]
