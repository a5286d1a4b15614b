"""The trials of a search: what each was given, what it reached or why it failed, and which are the best."""

from collections.abc import Sequence
from dataclasses import dataclass

from maskrcnn.project.config import Hyperparameters, SearchSpace

TABLED = 2


@dataclass(frozen=True)
class Trial:
    """One line of a search's table.

    Args:
        trial: Its number, in the order of their beginnings.
        bracket, round: Hyperband's; from round 1 on a trial goes on with a run of the round before.
        first_epoch: Epochs that were done before.
        epochs: Epochs of the run in all.
        val_loss: The lowest of all epochs; None if the trial failed.
        failure: Why it failed; None if it did not.
    """

    trial: int
    bracket: int
    round: int
    first_epoch: int
    epochs: int
    learning_rate: float
    momentum: float
    weight_decay: float
    val_loss: float | None
    failure: str | None


@dataclass(frozen=True)
class Search:
    """What a search found.

    Args:
        space: The ranges that it drew from.
        best: The two best configurations, best first.
        trials: All of them.
    """

    optimizer: str
    space: SearchSpace
    best: list[Trial]
    trials: list[Trial]


def find_best(trials: Sequence[Trial]) -> list[Trial]:
    """Returns the best trial of each of the two best configurations.

    A promoted trial and its parent are one configuration.

    Raises:
        ValueError: if all trials failed.
    """
    finished = [trial for trial in trials if trial.val_loss is not None]
    if not finished:
        raise ValueError(f"`search` must hold a trial that ends; all {len(trials)} failed, e.g. {trials[0].failure}.")
    best: dict[tuple[float, ...], Trial] = {}
    for trial in sorted(finished, key=lambda trial: trial.val_loss or 0):
        best.setdefault((trial.learning_rate, trial.momentum, trial.weight_decay), trial)
    return list(best.values())[:TABLED]


def hyperparameters_of(trial: Trial, optimizer: str) -> Hyperparameters:
    """Returns the configuration of a trial."""
    return Hyperparameters(optimizer, trial.learning_rate, trial.momentum, trial.weight_decay)
