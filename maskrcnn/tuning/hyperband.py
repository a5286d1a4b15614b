"""Hyperband by Keras Tuner, on one bench: every trial is a run that is kept, isolated and gone on with.

Keras Tuner decides what is tried; what came of it lies in the folder of the runs. A search that was stopped
starts anew with the same seed, is told the same losses at once, and so comes to the trial where it stopped.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.errors import FailedTrialError

from maskrcnn.project.config import Hyperband, Hyperparameters, SearchSpace
from maskrcnn.project.files import write_text
from maskrcnn.tuning.findings import shorten
from maskrcnn.tuning.runs import read_run
from maskrcnn.tuning.trial_runner import TrialRunner
from maskrcnn.tuning.trials import Trial, hyperparameters_of

OBJECTIVE = "val_loss"
DIGITS = 3  # of what is drawn: a line of the table can be typed again
MESSAGE_LENGTH = 200


class HyperbandSearch(keras_tuner.Hyperband):
    """A search for the hyperparameters of one optimizer.

    Args:
        set_up: Makes the bench; called once, and only in a process that runs trials.
        optimizer: `sgd` or `adam`.
        space: The ranges, rates included.
        settings: How many trials of what length.
        folder: Where the runs are kept; all processes of a search share it.
    Source:
        Hyperband (arXiv:1603.06560). A promoted trial goes on from the last epoch of its parent, optimizer
        and all; Keras Tuner itself would take the weights of the best one and a new optimizer.
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
            seed=settings.schedule.seed + 1,  # Keras Tuner takes 0 for any
            hyperparameters=make_space(space),
            allow_new_entries=False,
            tune_new_entries=False,
            max_consecutive_failed_trials=sys.maxsize,
            directory=str(folder / "keras_tuner"),
            project_name=os.environ.get("KERASTUNER_TUNER_ID", "alone"),
            overwrite=True,
        )

    def on_search_begin(self) -> None:
        """Sets up the bench; a failure here is that of the search, not of a trial."""
        self.bench = self.set_up()

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Returns the lowest validation loss of a trial's run.

        Raises:
            FailedTrialError: if the run diverged, lost all objects or anything else went wrong; the search goes on.
        """
        hyperparameters, epochs = self._read(trial)
        print(f"Trial {int(trial.trial_id)}: {hyperparameters} until epoch {epochs}", flush=True)
        try:
            run = self.bench.train(hyperparameters, epochs, self.folder)
        except Exception as error:  # no memory, for one: another trial may need less
            raise self._fail(trial, f"{type(error).__name__}: {error}") from error
        if run.diverged_at_step is not None:
            raise self._fail(trial, f"diverged at step {run.diverged_at_step}")
        best = run.best()
        if best is None:
            raise self._fail(trial, "no region met an object in any epoch")
        return {OBJECTIVE: best[OBJECTIVE]}

    def table(self) -> list[Trial]:
        """Returns all trials, in the process that decides what is tried."""
        return [self._row(trial) for _, trial in sorted(self.oracle.trials.items())]

    def history(self) -> list[dict[str, Any]]:
        """Returns the losses of all trials, a row an epoch; those of a parent are not said again."""
        rows = []
        for trial in self.table():
            hyperparameters = hyperparameters_of(trial, self.optimizer_name)
            run, _ = read_run(self.folder, hyperparameters)
            shown = {"trial": trial.trial, **asdict(hyperparameters)}
            rows += [shown | row for row in run.rows[trial.first_epoch : trial.epochs]]
        return rows

    def _read(self, trial: Any) -> tuple[Hyperparameters, int]:
        """Returns the configuration of one of Keras Tuner's trials and the epochs that it asks for."""
        values = trial.hyperparameters.values
        drawn = {name: float(f"{values[name]:.{DIGITS}g}") for name in ("learning_rate", "momentum", "weight_decay")}
        return Hyperparameters(self.optimizer_name, **drawn), int(values["tuner/epochs"])

    def _row(self, trial: Any) -> Trial:
        hyperparameters, epochs = self._read(trial)
        failed = trial.status != "COMPLETED"
        return Trial(
            trial=int(trial.trial_id),
            bracket=int(trial.hyperparameters.values["tuner/bracket"]),
            round=int(trial.hyperparameters.values["tuner/round"]),
            first_epoch=int(trial.hyperparameters.values["tuner/initial_epoch"]),
            epochs=epochs,
            learning_rate=hyperparameters.learning_rate,
            momentum=hyperparameters.momentum,
            weight_decay=hyperparameters.weight_decay,
            val_loss=None if failed else shorten(trial.score),
            failure=self._failure_path(trial).read_text() if failed else None,
        )

    def _fail(self, trial: Any, message: str) -> FailedTrialError:
        """Notes why a trial failed, where the deciding process finds it: workers send it no messages."""
        write_text(self._failure_path(trial), message.splitlines()[0][:MESSAGE_LENGTH])
        return FailedTrialError(message)

    def _failure_path(self, trial: Any) -> Path:
        return self.folder / f"failures/{trial.trial_id}.txt"


def make_space(space: SearchSpace) -> keras_tuner.HyperParameters:
    """Returns the ranges as Keras Tuner takes them: rates and decays on a logarithm, momentum evenly."""
    assert space.learning_rate is not None
    made = keras_tuner.HyperParameters()
    made.Float("learning_rate", *space.learning_rate, sampling="log")
    made.Float("weight_decay", *space.weight_decay, sampling="log")
    made.Float("momentum", *space.momentum)
    return made


def is_worker() -> bool:
    """Tells whether this process runs the trials of a search that another one decides."""
    return "KERASTUNER_ORACLE_IP" in os.environ and "chief" not in os.environ.get("KERASTUNER_TUNER_ID", "")
