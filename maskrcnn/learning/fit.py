"""The final training: learn, keep the best epoch, stop early, and go on exactly where a stopped run ended."""

import math
from pathlib import Path

import keras
import pandas as pd
from dvclive import Live

from maskrcnn.data.batches import Batches
from maskrcnn.learning.checkpoints import load_state, save_state
from maskrcnn.learning.epochs import Row, rate_epoch
from maskrcnn.learning.trainer import Trainer
from maskrcnn.network.weights import read_weights, write_weights
from maskrcnn.project.config import Hyperparameters, Schedule
from maskrcnn.project.files import write_text


def fit(
    trainer: Trainer,
    training: Batches,
    validation: Batches,
    *,
    hyperparameters: Hyperparameters,
    schedule: Schedule,
    history: Path,
    checkpoints: Path,
    live: Path,
) -> Row:
    """Trains until the validation loss stops falling and leaves the best epoch's weights in the network.

    Args:
        trainer: What learns; it starts from the weights that it was made with.
        training: The stream to learn from.
        validation: The images to judge by.
        hyperparameters: How fast.
        schedule: How long.
        history: CSV file that gets the losses of every epoch.
        checkpoints: Folder of this training alone; what lies there is gone on with.
        live: Folder that DVCLive keeps the current figures in, for those who watch.
    Returns:
        `best_epoch`, counted from 1, `epochs` and the losses of the best one.
    Raises:
        Divergence: if a loss becomes NaN or infinite.
    """
    trainer.reset(hyperparameters)
    progress = Progress(trainer, history, checkpoints, patience=schedule.patience)
    progress.resume()
    if len(progress.rows) < schedule.epochs and not progress.is_stuck():
        with Live(str(live), dvcyaml=None, save_dvc_exp=False, report=None, resume=bool(progress.rows)) as log:
            trainer.learn(
                training,
                validation,
                epochs=schedule.epochs,
                first_epoch=len(progress.rows),
                callbacks=[_Rate(hyperparameters.learning_rate, schedule), progress, _Following(log)],
            )
    read_weights(trainer.network, progress.best_weights)
    return progress.best()


class Progress(keras.callbacks.Callback):
    """Keeps the losses, the best weights and the whole state of a training, epoch by epoch.

    Args:
        trainer: What learns.
        history: CSV file of the losses, whole at any time.
        folder: Where weights and state are kept.
        patience: Epochs without a better validation loss before training ends; None for no end.
    """

    def __init__(self, trainer: Trainer, history: Path, folder: Path, patience: int | None):
        super().__init__()
        self.trainer, self.history, self.patience = trainer, history, patience
        self.best_weights, self.state = folder / "best.h5", folder / "last.npz"
        self.rows: list[Row] = []

    def resume(self) -> None:
        """Puts the trainer where the last whole epoch left it, if there is one."""
        if saved := load_state(self.state):
            state, progress = saved
            self.trainer.write_state(state)
            self.rows = progress["rows"]

    def on_epoch_end(self, epoch: int, logs: Row | None = None) -> None:
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}}
        if not all(map(math.isfinite, row.values())):
            return  # the trainer raises
        self.rows.append(row)
        if self.best_row() is row:
            write_weights(self.trainer.network, self.best_weights)
        save_state(self.state, self.trainer.read_state(), {"rows": self.rows})
        write_text(self.history, pd.DataFrame(self.rows).to_csv(index=False))
        if self.is_stuck():
            self.model.stop_training = True

    def is_stuck(self) -> bool:
        """Tells whether the validation loss has not fallen for as long as patience lasts."""
        return self.patience is not None and bool(self.rows) and len(self.rows) - self._best_index() > self.patience

    def best_row(self) -> Row:
        """Returns the first epoch of lowest validation loss."""
        return self.rows[self._best_index()]

    def best(self) -> Row:
        """Returns the number of epochs and all of the best one."""
        row = dict(self.best_row())
        return {"best_epoch": row.pop("epoch"), "epochs": len(self.rows), **row}

    def _best_index(self) -> int:
        return min(range(len(self.rows)), key=lambda index: rate_epoch(self.rows[index]))


class _Rate(keras.callbacks.LearningRateScheduler):
    """Keeps the learning rate, or lets it fall to zero along a cosine; it follows from the epoch alone."""

    def __init__(self, rate: float, schedule: Schedule):
        def at(epoch: int) -> float:
            return rate * (0.5 + 0.5 * math.cos(math.pi * epoch / schedule.epochs)) if schedule.cosine else rate

        super().__init__(at)


class _Following(keras.callbacks.Callback):
    """Hands every epoch's figures to DVCLive."""

    def __init__(self, live: Live):
        super().__init__()
        self.live = live

    def on_epoch_end(self, epoch: int, logs: Row | None = None) -> None:
        for name, value in (logs or {}).items():
            self.live.log_metric(name, float(value))
        self.live.next_step()
