"""Runs: what became of a network that learned with one set of hyperparameters.

A run is kept as a state file while its stage lasts. Asked for again it is read, and asked for more epochs
it goes on: that is how a stopped stage resumes and how a promoted trial continues its parent.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from numpy import ndarray

from maskrcnn.learning.checkpoints import load_state, save_state
from maskrcnn.learning.epochs import Row, rate_epoch
from maskrcnn.project.config import Hyperparameters


@dataclass(frozen=True)
class Run:
    """The losses of a run.

    Args:
        rows: `epoch`, counted from 1, and the losses of every epoch that ended.
        diverged_at_step: The step whose loss was NaN or infinite, counted from 1 over all epochs.
    """

    rows: list[Row] = field(default_factory=list)
    diverged_at_step: int | None = None

    def until(self, epochs: int) -> "Run":
        """Returns the run as it was after some epochs."""
        return Run(self.rows[:epochs]) if len(self.rows) >= epochs else self

    def best(self) -> Row | None:
        """Returns the first epoch of lowest validation loss; None if no region met an object in any."""
        best = min(self.rows, key=rate_epoch)
        return best if math.isfinite(rate_epoch(best)) else None


def read_run(folder: Path, hyperparameters: Hyperparameters) -> tuple[Run, dict[str, ndarray]]:
    """Returns a run and the state that it was left in; an empty one if it has not begun."""
    state, progress = load_state(_path(folder, hyperparameters)) or ({}, {})
    return Run(**progress), state


def write_run(folder: Path, hyperparameters: Hyperparameters, run: Run, state: Mapping[str, ndarray]) -> None:
    """Keeps a run and its state, whole or not at all; the inverse of `read_run`."""
    save_state(_path(folder, hyperparameters), state, asdict(run))


def _path(folder: Path, hyperparameters: Hyperparameters) -> Path:
    return folder / f"{'_'.join(str(value) for value in asdict(hyperparameters).values())}.npz"
