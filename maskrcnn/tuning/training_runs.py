"""Training runs: the losses of a network trained with one set of hyperparameters, and the state that it was left in.

A run is kept in a state file while its stage lasts. A finished run is read from it; one that is asked for more
epochs continues from it. That is how a stopped stage resumes and how a promoted trial continues its parent.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from numpy import ndarray

from maskrcnn.learning.epochs import Row, validation_loss
from maskrcnn.learning.states import load_progress, load_state, save_state
from maskrcnn.project.config import Hyperparameters


@dataclass(frozen=True)
class TrainingRun:
    """The losses of a run.

    Args:
        rows: `epoch`, counted from 1, and the losses of every epoch that ended.
        diverged_at_step: The step whose loss was NaN or infinite, counted from 1 over all epochs.
    """

    rows: list[Row] = field(default_factory=list)
    diverged_at_step: int | None = None

    def until(self, epochs: int) -> "TrainingRun":
        """Returns the run as it was after some epochs."""
        return TrainingRun(self.rows[:epochs]) if len(self.rows) >= epochs else self

    def best(self) -> Row | None:
        """Returns the first epoch of lowest validation loss; None if the run failed."""
        return None if self.failure() else min(self.rows, key=validation_loss)

    def failure(self) -> str | None:
        """Returns why the run has no validation loss to compare; None if it has one."""
        if self.diverged_at_step is not None:
            return f"diverged at step {self.diverged_at_step}"
        if not any(math.isfinite(validation_loss(row)) for row in self.rows):
            return "no region met an object in any epoch"
        return None


def read_run(folder: Path, hyperparameters: Hyperparameters) -> TrainingRun:
    """Returns a run; an empty one if it has not begun."""
    return TrainingRun(**(load_progress(_path(folder, hyperparameters)) or {}))


def read_run_and_state(
    folder: Path, hyperparameters: Hyperparameters, like: Mapping[str, ndarray] | None = None
) -> tuple[TrainingRun, dict[str, ndarray]]:
    """Returns a run and the state that it was left in; both empty if it has not begun.

    The run is an epoch shorter than that of `read_run` where the newest state is damaged, but not its rows.

    Args:
        folder: Where the runs are kept.
        hyperparameters: Of the run.
        like: See `load_state`.
    """
    state, progress = load_state(_path(folder, hyperparameters), like) or ({}, {})
    return TrainingRun(**progress), state


def write_run(
    folder: Path, hyperparameters: Hyperparameters, training_run: TrainingRun, state: Mapping[str, ndarray]
) -> None:
    """Writes a run and its state, whole or not at all; the inverse of `read_run_and_state`."""
    save_state(_path(folder, hyperparameters), state, asdict(training_run))


def _path(folder: Path, hyperparameters: Hyperparameters) -> Path:
    return folder / f"{'_'.join(str(value) for value in asdict(hyperparameters).values())}.npz"
