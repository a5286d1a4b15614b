"""Training runs: the losses of a network trained with one set of hyperparameters, and the state that it was left in.

A run is kept in a state file while its stage lasts. A finished run is read from it; one that is asked for more
epochs continues from it. That is how a stopped stage resumes and how a promoted trial continues its parent.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy import ndarray

from maskrcnn.learning.epochs import Row, check_count, check_rows, find_failure, validation_loss
from maskrcnn.learning.states import load_state, save_state
from maskrcnn.project.config import Hyperparameters
from maskrcnn.project.errors import InputError

State = dict[str, ndarray]


@dataclass(frozen=True)
class TrainingRun:
    """The losses of a run.

    Args:
        rows: `epoch`, counted from 1, and the losses of every epoch that ended.
        diverged_at_step: The step whose loss was NaN or infinite, counted from 1 over all epochs.
        step: Steps of the next epoch that are done.
    """

    rows: list[Row] = field(default_factory=list)
    diverged_at_step: int | None = None
    step: int = 0

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
        return find_failure(self.rows)


def read_run(folder: Path, hyperparameters: Hyperparameters) -> TrainingRun:
    """Returns a run; an empty one if it has not begun."""
    path = _path(folder, hyperparameters)
    return load_state(path, lambda _, progress: _decode(progress), progress_alone=True) or TrainingRun()


def read_run_and_state(
    folder: Path, hyperparameters: Hyperparameters, check: Callable[[TrainingRun, State], None]
) -> tuple[TrainingRun, State]:
    """Returns a run and the state that it was left in; both empty if it has not begun.

    The run is shorter than that of `read_run` where the newest state is damaged, but not its rows.

    Args:
        folder: Where the runs are kept.
        hyperparameters: Of the run.
        check: Raises an `InputError` for a state that the run cannot continue from.
    """

    def decode(state: State, progress: dict[str, Any]) -> tuple[TrainingRun, State]:
        training_run = _decode(progress)
        check(training_run, state)
        return training_run, state

    return load_state(_path(folder, hyperparameters), decode) or (TrainingRun(), {})


def write_run(folder: Path, hyperparameters: Hyperparameters, training_run: TrainingRun, state: State) -> None:
    """Writes a run and its state, whole or not at all; the inverse of `read_run_and_state`."""
    save_state(_path(folder, hyperparameters), state, asdict(training_run))


def _decode(progress: Mapping[str, Any]) -> TrainingRun:
    """Returns the run of a file.

    Raises:
        InputError: if it is not as `write_run` writes it.
    """
    if progress.keys() != asdict(TrainingRun()).keys():
        raise InputError(f"its progress must hold the fields of a run; got {', '.join(progress)[:80]}")
    rows, diverged_at_step = check_rows(progress["rows"]), progress["diverged_at_step"]
    if diverged_at_step is not None:
        check_count(diverged_at_step, "diverged_at_step")
    return TrainingRun(rows, diverged_at_step, check_count(progress["step"], "step"))


def _path(folder: Path, hyperparameters: Hyperparameters) -> Path:
    return folder / f"{'_'.join(str(value) for value in asdict(hyperparameters).values())}.npz"
