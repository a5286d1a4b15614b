"""The final training: keeps the best epoch, stops early, and resumes a stopped training exactly."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from dvclive import Live
from numpy import ndarray

from maskrcnn.data.batches import Batches
from maskrcnn.data.records import Records
from maskrcnn.learning.checkpoints import open_checkpoints
from maskrcnn.learning.epochs import Row, check_count, check_rows, find_failure, is_finite, make_row, validation_loss
from maskrcnn.learning.recipe import Recipe, assemble, fingerprint_recipe
from maskrcnn.learning.saver import Saver
from maskrcnn.learning.states import check_layout, is_whole, load_state, save_state
from maskrcnn.learning.trainer import Trainer
from maskrcnn.network.devices import process_number, wait_for_processes
from maskrcnn.network.facts import Facts, list_packages
from maskrcnn.network.weights import write_weights
from maskrcnn.project.config import Feeder, Hyperparameters, Schedule
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import check_writable, write_text
from maskrcnn.project.metrics import DIGITS, write_metrics


def train(
    recipe: Recipe,
    *,
    inputs: Path,
    root: Path,
    stage: str,
    name: str,
    kernel_dtype: str = "float32",
    feeder: Feeder = Feeder(),
) -> None:
    """Trains and writes the best epoch's weights; a stopped training is resumed. Ends its feeders, after an error too.

    Writes `models/<name>.h5`, `plots/history/<name>.csv` and `metrics/train/<name>.json`.

    Args:
        recipe: One with hyperparameters.
        inputs: Folder that all paths of the recipe start from.
        root: Folder of the repository.
        stage: Folder of the checkpoints, below that of all checkpoints.
        name: Of the files.
        kernel_dtype: Type of the kernels in the file of weights.
        feeder: How images are read.
    Raises:
        Divergence: if a loss becomes NaN or infinite.
        InputError: see `fit`.
    """
    schedule, hyperparameters = recipe.schedule, recipe.hyperparameters
    assert isinstance(schedule, Schedule) and hyperparameters
    model, history, metrics = (
        root / file for file in (f"models/{name}.h5", f"plots/history/{name}.csv", f"metrics/train/{name}.json")
    )
    for path in (model, history, metrics):
        check_writable(path)
    trainer, training, validation = assemble(recipe, inputs, feeder)
    facts = trainer.network.facts = state_facts(recipe, training.records)
    checkpoints_of_stage = open_checkpoints(root, stage, fingerprint_recipe(recipe, inputs))
    with closing(training), closing(validation), checkpoints_of_stage as checkpoints:
        best = fit(
            trainer,
            training,
            validation,
            hyperparameters=hyperparameters,
            schedule=schedule,
            history=history,
            checkpoints=checkpoints,
            live=root / f"live/{name}",
        )
        if process_number() == 0:
            losses = {key: round(value, DIGITS) for key, value in best.items() if math.isfinite(value)}
            trainer.network.facts = replace(facts, metrics=losses)
            write_weights(trainer.network, model, kernel_dtype=kernel_dtype)
            write_metrics(metrics, best)


def state_facts(recipe: Recipe, records: Records) -> Facts:
    """Returns what the trained model is, before the training, which an error in the class names must not cost.

    Args:
        recipe: What it is trained by.
        records: What it learns from.
    Raises:
        InputError: if the names of the classes cannot be written into the file of weights.
    """
    return Facts(
        class_names=records.catalogue.class_names[1:],
        class_colors=records.catalogue.colors[1:],
        image_shape=recipe.image_shape,
        fit=records.fit,
        architecture=recipe.model,
        licence=recipe.licence,
        packages=list_packages(keras.backend.backend()),
    )


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
        trainer: The trainer; it starts from the weights that its network had when it was made.
        training: The stream to learn from.
        validation: The images to validate on.
        hyperparameters: Learning rate, momentum and weight decay.
        schedule: Number of epochs, patience, and how the learning rate rises and falls.
        history: CSV file for the row of every epoch.
        checkpoints: Folder of this training alone; training resumes from what it contains.
        live: Folder where DVCLive keeps the current figures, to watch a training.
    Returns:
        `best_epoch`, counted from 1, `epochs`, how many there were, and the figures of the best one.
    Raises:
        Divergence: if a loss becomes NaN or infinite.
        InputError: if no epoch has a validation loss that says something, see `find_failure`.
    """
    trainer.reset(hyperparameters, warmup_steps=schedule.warmup_steps)
    progress = Progress(trainer, history, checkpoints, patience=schedule.patience, steps=schedule.steps)
    progress.resume()
    with _open_live(live) as log:
        for row in progress.rows:
            _log_row(log, row)
        if len(progress.rows) < schedule.epochs and not progress.is_stuck():
            trainer.learn(
                training,
                validation,
                epochs=schedule.epochs,
                first_epoch=len(progress.rows),
                first_step=progress.step,
                callbacks=[
                    Saver(progress.save_within, progress.step),
                    keras.callbacks.LearningRateScheduler(_learning_rates(hyperparameters.learning_rate, schedule)),
                    progress,
                    keras.callbacks.LambdaCallback(
                        on_epoch_end=lambda epoch, logs: _log_row(log, make_row(epoch, logs))
                    ),
                ],
            )
    if failure := find_failure(progress.rows):
        raise InputError(
            f"`{history}` must have an epoch whose weights are worth keeping; got {len(progress.rows)} epochs, but "
            f"{failure}. Lower `learning_rate`, or start from other weights."
        )
    for variable, values in zip(trainer.network.variables, progress.best_weights.values(), strict=True):
        variable.assign(values)
    return progress.best()


BEST = "best/"  # begins the names of the weights of the best epoch


class Progress(keras.callbacks.Callback):
    """Keeps the rows, the best weights and the whole state of a training, after every epoch and within.

    Keras' own callbacks do not resume exactly: `EarlyStopping` counts its patience anew, and `CSVLogger` repeats an
    epoch that was written before a kill and is trained once more.

    Args:
        trainer: The trainer.
        history: CSV file of the rows; it is replaced as a whole, so it is complete at any time.
        folder: Folder for weights and state.
        patience: Epochs without a better validation loss after which training ends; None for no end.
        steps: Batches in an epoch.
    """

    def __init__(self, trainer: Trainer, history: Path, folder: Path, patience: int | None, steps: int):
        super().__init__()
        self.trainer, self.history, self.patience, self.steps = trainer, history, patience, steps
        self.path = folder / "last.npz"
        self.rows: list[Row] = []
        self.step = 0  # steps of the next epoch that are done
        self.best_weights: dict[str, ndarray] = {}

    def resume(self) -> None:
        """Restores the last state that was saved, and writes the history if there was an epoch."""
        if state := load_state(self.path, self._decode):
            self.trainer.write_state(state)
        if self.rows and process_number() == 0:
            self._write_history()

    def save_within(self, step: int) -> None:
        """Saves the state after some steps of the next epoch; one that is not finite is left to `Divergence`."""
        if process_number() > 0:
            return
        state = self.trainer.read_state()
        if is_whole(state):
            self._save(state, step)

    def on_epoch_end(self, epoch: int, logs: Row | None = None) -> None:
        """Keeps an epoch whose figures are finite; of others the trainer raises `Divergence`."""
        row = make_row(epoch, logs)
        if not is_finite(row):
            return
        self.rows.append(row)
        if self.best_row() is row:
            self.best_weights = self._read_weights()
        if process_number() == 0:
            self._save(self.trainer.read_state(), step=0)
            self._write_history()
        wait_for_processes()
        if self.is_stuck():
            self.model.stop_training = True

    def is_stuck(self) -> bool:
        """Returns whether the last `patience` epochs brought no better validation loss."""
        return self.patience is not None and bool(self.rows) and len(self.rows) - self._best_index() > self.patience

    def best_row(self) -> Row:
        """Returns the first epoch of lowest validation loss."""
        return self.rows[self._best_index()]

    def best(self) -> Row:
        """Returns the number of the best epoch, the number of epochs, and the figures of the best one."""
        row = dict(self.best_row())
        return {"best_epoch": row.pop("epoch"), "epochs": len(self.rows), **row}

    def _save(self, state: Mapping[str, ndarray], step: int) -> None:
        """Writes state and best weights as one file, so that they never come from different epochs."""
        save_state(self.path, {**state, **self.best_weights}, {"rows": self.rows, "step": step})

    def _decode(self, arrays: dict[str, ndarray], progress: dict[str, Any]) -> dict[str, ndarray]:
        """Takes over rows, step and best weights of a file, and returns its state.

        Raises:
            InputError: if anything of it is not as `_save` writes it.
        """
        if progress.keys() != {"rows", "step"}:
            raise InputError(f"its progress must hold rows and step; got {', '.join(progress)[:80]}")
        rows, step = check_rows(progress["rows"]), check_count(progress["step"], "step")
        if step >= self.steps or not (rows or step):
            raise InputError(f"its step must be below {self.steps}, and above 0 in the first epoch; got {step}")
        best = {name: values for name, values in arrays.items() if name.startswith(BEST)}
        check_layout(best, self._read_weights() if rows else {})
        state = {name: values for name, values in arrays.items() if name not in best}
        self.trainer.check_state(state)
        self.rows, self.step, self.best_weights = rows, step, best
        return state

    def _read_weights(self) -> dict[str, ndarray]:
        variables = enumerate(self.trainer.network.variables)
        return {f"{BEST}{index}": np.array(np.asarray(variable)) for index, variable in variables}

    def _write_history(self) -> None:
        write_text(self.history, pd.DataFrame(self.rows).to_csv(index=False))

    def _best_index(self) -> int:
        return min(range(len(self.rows)), key=lambda index: validation_loss(self.rows[index]))


def _learning_rates(first: float, schedule: Schedule) -> Callable[[int], float]:
    """Returns the learning rate of each epoch, apart from a warm-up: constant, or falling to zero along a cosine.

    Source:
        Accurate, Large Minibatch SGD (arXiv:1706.02677), section 2.1, "Linear Scaling Rule".
    """
    if schedule.base_batch_size is not None:
        first *= schedule.batch_size / schedule.base_batch_size

    def at(epoch: int) -> float:
        return first * (0.5 + 0.5 * math.cos(math.pi * epoch / schedule.epochs)) if schedule.cosine else first

    return at


def _open_live(folder: Path) -> AbstractContextManager[Live | None]:
    """Opens DVCLive with an empty folder; None in a process that writes no files.

    DVCLive's own `resume` starts from what a killed process happened to have logged, which may be an epoch more or less
    than the state has. All rows are therefore logged again.
    """
    if process_number() > 0:
        return nullcontext()
    return Live(str(folder), dvcyaml=None, save_dvc_exp=False, report=None)


def _log_row(live: Live | None, row: Row) -> None:
    """Hands the figures of an epoch to DVCLive, which counts the epochs itself."""
    if live is None:
        return
    for name, figure in row.items():
        if name != "epoch":
            live.log_metric(name, figure)
    live.next_step()
