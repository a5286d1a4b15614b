"""The trials of a search: their hyperparameters, what each reached or why it failed, and which are the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskrcnn.project.config import Hyperparameters, SearchSpace
from maskrcnn.project.errors import InputError
from maskrcnn.tuning.findings import read_finding

BEST_COUNT = 2
SEARCH_FILE = "search.yaml"  # below the folder of the optimizer


@dataclass(frozen=True)
class Trial:
    """One row of a search's table.

    Args:
        trial: Its number, in the order in which trials began.
        bracket, round: Hyperband's; from round 1 on a trial continues a run of the round before.
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
    hyperparameters: Hyperparameters
    val_loss: float | None
    failure: str | None

    @property
    def loss(self) -> float:
        """The validation loss of a trial that has one."""
        assert self.val_loss is not None
        return self.val_loss


@dataclass(frozen=True)
class Search:
    """The result of a search.

    Args:
        space: The ranges that it drew from.
        best: The two best configurations, best first.
        trials: All of them.
    """

    space: SearchSpace
    best: list[Trial]
    trials: list[Trial]


def find_best(trials: Sequence[Trial]) -> list[Trial]:
    """Returns the best trial of each of the two best configurations; of equal ones, the trial that began first.

    A promoted trial and its parent are one configuration.

    Raises:
        InputError: if all trials failed.
    """
    finished = [trial for trial in trials if trial.val_loss is not None]
    if not finished:
        raise InputError(f"`search` must hold a trial that ends; all {len(trials)} failed, e.g. {trials[0].failure}.")
    best: dict[Hyperparameters, Trial] = {}
    for trial in sorted(finished, key=lambda trial: trial.loss):
        best.setdefault(trial.hyperparameters, trial)
    return list(best.values())[:BEST_COUNT]


def search_folder(root: Path, optimizer: str) -> Path:
    """Returns the folder of what was found for an optimizer."""
    return root / "tuning/hyperband" / optimizer


def read_search(root: Path, optimizer: str) -> Search:
    """Reads the search of an optimizer.

    Raises:
        FileNotFoundError: if it has not been made; names the stage.
    """
    return read_finding(Search, search_folder(root, optimizer) / SEARCH_FILE, f"hyperband@{optimizer}")
