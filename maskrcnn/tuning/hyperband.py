"""Hyperband by Keras Tuner, on one traced network: every trial is a resumable run on disk.

Keras Tuner decides what is tried. A search that was stopped starts Keras Tuner again with the same seed. The runs
on disk answer it at once, until it reaches the trial that was stopped.
"""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.errors import FailedTrialError, FatalError

from maskrcnn.project.config import Hyperband, Hyperparameters, SearchSpace
from maskrcnn.project.errors import InputError
from maskrcnn.tuning.training_runs import read_run
from maskrcnn.tuning.trial_runner import TrialRunner
from maskrcnn.tuning.trials import Trial

OBJECTIVE = "val_loss"
DIGITS = 3  # significant digits of sampled values, so that a row can be copied into `select`
CHIEF, WORKER = "KERASTUNER_ORACLE_IP", "KERASTUNER_TUNER_ID"  # variables: address of the chief, name of a process


class HyperbandSearch(keras_tuner.Hyperband):
    """A search for the hyperparameters of one optimizer.

    Args:
        set_up: Makes the runner; called once, and only in a process that runs trials.
        optimizer: `sgd` or `adam`.
        space: The ranges, rates included.
        settings: How many trials of what length.
        folder: Where the runs are kept; all processes of a search share it.
    Raises:
        InputError: if the variable KERASTUNER_TUNER_ID is no plain name.
    Source:
        Hyperband (arXiv:1603.06560). A promoted trial continues from the last epoch of its parent, with its
        optimizer state; Keras Tuner itself would take the weights of the best epoch and a new optimizer.
    """

    def __init__(
        self, set_up: Callable[[], TrialRunner], optimizer: str, space: SearchSpace, settings: Hyperband, folder: Path
    ):
        self.set_up, self.optimizer_name, self.folder = set_up, optimizer, folder
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "min"),
            max_epochs=settings.schedule.epochs,
            factor=settings.factor,
            hyperband_iterations=settings.iterations,
            seed=settings.schedule.seed + 1,  # Keras Tuner draws a seed of its own for 0
            hyperparameters=make_space(space),
            allow_new_entries=False,
            tune_new_entries=False,
            max_consecutive_failed_trials=sys.maxsize,
            directory=str(folder / "keras_tuner"),
            project_name=read_process_name(),
            overwrite=True,  # removes the folder `project_name`
        )

    def search(self, *arguments: Any, **keywords: Any) -> None:
        """Searches as Keras Tuner does, but ends at the first error that is no failed trial."""
        try:
            super().search(*arguments, **keywords)
        except FatalError as fatal:
            error = fatal.__cause__ or fatal
            raise error from error.__cause__

    def on_search_begin(self) -> None:
        """Sets up the runner; an error here ends the search."""
        self.runner = self.set_up()

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Returns the lowest validation loss of a trial's run.

        Raises:
            FailedTrialError: if the run diverged or lost all objects; the search continues.
            FatalError: caused by any other error. Memory and input files are the same for all trials, so the others
                would fail as well; a search that is started again continues with this trial.
        """
        hyperparameters, epochs = self._read(trial)
        print(f"Trial {int(trial.trial_id)}: {hyperparameters} until epoch {epochs}", flush=True)
        try:
            training_run = self.runner.train(hyperparameters, epochs, self.folder)
        except Exception as error:  # of any kind: Keras Tuner would catch it and try the next configuration
            raise FatalError from error
        best = training_run.best()
        if best is None:
            raise FailedTrialError(training_run.failure())
        return {OBJECTIVE: best[OBJECTIVE]}

    def table(self) -> list[Trial]:
        """Returns all trials, in the process that decides what is tried."""
        return [self._row(trial) for _, trial in sorted(self.oracle.trials.items())]

    def history(self) -> list[dict[str, Any]]:
        """Returns the losses of every epoch of every trial; the epochs of its parent are not repeated."""
        rows = []
        for trial in self.table():
            shown = {"trial": trial.trial, **asdict(trial.hyperparameters)}
            training_run = read_run(self.folder, trial.hyperparameters)
            rows += [shown | row for row in training_run.rows[trial.first_epoch : trial.epochs]]
        return rows

    def _read(self, trial: Any) -> tuple[Hyperparameters, int]:
        """Returns the configuration of one of Keras Tuner's trials and the epochs that it asks for."""
        values = trial.hyperparameters.values
        drawn = {name: float(f"{values[name]:.{DIGITS}g}") for name in ("learning_rate", "momentum", "weight_decay")}
        return Hyperparameters(self.optimizer_name, **drawn), int(values["tuner/epochs"])

    def _row(self, trial: Any) -> Trial:
        hyperparameters, epochs = self._read(trial)
        training_run = read_run(self.folder, hyperparameters).until(epochs)
        best = training_run.best()
        return Trial(
            trial=int(trial.trial_id),
            bracket=int(trial.hyperparameters.values["tuner/bracket"]),
            round=int(trial.hyperparameters.values["tuner/round"]),
            first_epoch=int(trial.hyperparameters.values["tuner/initial_epoch"]),
            epochs=epochs,
            hyperparameters=hyperparameters,
            val_loss=best[OBJECTIVE] if best else None,
            failure=training_run.failure(),
        )


def make_space(space: SearchSpace) -> keras_tuner.HyperParameters:
    """Returns the ranges for Keras Tuner: logarithmic for rates and decays, linear for momentum."""
    assert space.learning_rate is not None
    made = keras_tuner.HyperParameters()
    made.Float("learning_rate", *space.learning_rate, sampling="log")
    made.Float("weight_decay", *space.weight_decay, sampling="log")
    made.Float("momentum", *space.momentum)
    return made


def read_process_name() -> str:
    """Returns the name of this process among those that share a search; `alone` if it does not share.

    Raises:
        InputError: if the name could lead to another folder.
    """
    name = os.environ.get(WORKER, "alone")
    if not re.fullmatch(r"[\w-]+", name):
        raise InputError(f"`{WORKER}` must consist of letters, digits, - and _; got {name!r}.")
    return name


def is_worker() -> bool:
    """Returns whether this process only runs the trials of a search that the chief decides on."""
    return CHIEF in os.environ and "chief" not in os.environ.get(WORKER, "")
