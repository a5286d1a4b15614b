"""The hyperparameters of the final trainings: the best that were found, unless `select` overrules them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from maskrcnn.project.config import Hyperparameters, Select
from maskrcnn.project.errors import InputError
from maskrcnn.tuning.findings import format_losses, note_tie
from maskrcnn.tuning.trials import Search


@dataclass(frozen=True)
class Selection:
    """Where the selected hyperparameters come from, in words.

    Args:
        found: The search whose best trial is taken, with its figures and those of the others.
        overruled: By key, the value that was set and the found value that it replaces.
    """

    found: str
    overruled: dict[str, str]


def select(searches: Mapping[str, Search], overrule: Select) -> tuple[Hyperparameters, Selection]:
    """Returns the best trial's hyperparameters, with the values that overrule them, and why.

    Args:
        searches: By optimizer; of equally good ones the first is taken.
        overrule: None keeps the found value; another optimizer brings the values of its own search.
    Raises:
        InputError: if the optimizer that overrules has not been searched.
    """
    losses = {optimizer: search.best[0].loss for optimizer, search in searches.items()}
    best = min(losses, key=lambda name: losses[name])  # the first listed of equal ones
    optimizer = overrule.optimizer or best
    if optimizer not in searches:
        raise InputError(f"`select.optimizer` must be one of {', '.join(searches)}, or null; got {optimizer!r}.")
    shown = zip(losses, format_losses(list(losses.values())), strict=True)
    reached = "; ".join(f"{name} reached {loss}" for name, loss in shown)
    reached += note_tie(losses.values(), "the first listed wins")
    found = searches[optimizer].best[0].hyperparameters
    given = {key: value for key, value in asdict(overrule).items() if value is not None}
    overruled = {key: f"{value} instead of {getattr(found, key)}" for key, value in given.items() if key != "optimizer"}
    if overrule.optimizer:
        overruled["optimizer"] = f"{optimizer} by name"
    return replace(found, **given), Selection(f"the best trial of {optimizer}: {reached}", overruled)
