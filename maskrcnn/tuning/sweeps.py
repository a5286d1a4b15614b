"""Sweeps: one candidate of the coarse comparison, trained at every learning rate."""

from dataclasses import dataclass
from pathlib import Path

from maskrcnn.project.config import Candidate
from maskrcnn.tuning.findings import read_finding
from maskrcnn.tuning.training_runs import TrainingRun

SWEEP_FILE = "sweep.yaml"  # below the folder of the candidate


@dataclass(frozen=True)
class SweptRate:
    """The outcome at one learning rate.

    Args:
        val_loss: The lowest of all epochs; None if the run diverged, or if no region met an object in any epoch.
        epoch: The epoch of that loss, counted from 1.
        diverged_at_step: The step whose loss was NaN or infinite; None if none was.
    """

    learning_rate: float
    val_loss: float | None
    epoch: int | None
    diverged_at_step: int | None

    @property
    def loss(self) -> float:
        """The validation loss of a rate that has one."""
        assert self.val_loss is not None
        return self.val_loss


@dataclass(frozen=True)
class Sweep:
    """One candidate at every learning rate."""

    candidate: Candidate
    rates: list[SweptRate]

    def sorted_rates(self) -> list[SweptRate]:
        """Returns all rates, lowest first."""
        return sorted(self.rates, key=lambda rate: rate.learning_rate)

    def best(self) -> SweptRate | None:
        """Returns the rate of lowest validation loss, the lower one of two equal ones; None if no rate has a loss."""
        finished = [rate for rate in self.sorted_rates() if rate.val_loss is not None]
        return min(finished, key=lambda rate: rate.loss, default=None)


def summarize(learning_rate: float, training_run: TrainingRun) -> SweptRate:
    """Returns the best epoch of one run as a row of its candidate's table."""
    best = training_run.best()
    if best is None:
        return SweptRate(learning_rate, None, None, training_run.diverged_at_step)
    return SweptRate(learning_rate, best["val_loss"], int(best["epoch"]), None)


def sweep_folder(root: Path, candidate: str) -> Path:
    """Returns the folder of what was found for a candidate."""
    return root / "tuning/coarse" / candidate


def read_sweep(root: Path, candidate: str) -> Sweep:
    """Reads the sweep of a candidate.

    Raises:
        FileNotFoundError: if it has not been made; names the stage.
    """
    return read_finding(Sweep, sweep_folder(root, candidate) / SWEEP_FILE, f"coarse@{candidate}")
