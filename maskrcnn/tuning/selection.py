"""The hyperparameters of the final trainings: the best that was found, unless a person says otherwise."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from maskrcnn.project.config import Hyperparameters, Select
from maskrcnn.tuning.trials import Search, hyperparameters_of


@dataclass(frozen=True)
class Selection:
    """Where the selected hyperparameters come from, in words.

    Args:
        found: The search whose best trial is taken, with its figures and those of the others.
        overruled: What a person set, key by key, in the place of which found value.
    """

    found: str
    overruled: dict[str, str]


def select(searches: Mapping[str, Search], overrule: Select) -> tuple[Hyperparameters, Selection]:
    """Returns the best trial's hyperparameters, with the values that overrule them, and why.

    Args:
        searches: By optimizer.
        overrule: None leaves what was found; another optimizer brings the values of its own search.
    Raises:
        ValueError: if the optimizer that overrules has not been searched.
    """
    losses = {optimizer: search.best[0].val_loss or 0.0 for optimizer, search in searches.items()}
    optimizer = overrule.optimizer or min(losses, key=lambda name: losses[name])
    if optimizer not in searches:
        raise ValueError(f"`select.optimizer` must be one of {', '.join(searches)}, or null; got {optimizer!r}.")
    found = hyperparameters_of(searches[optimizer].best[0], optimizer)
    given = {key: value for key, value in asdict(overrule).items() if value is not None}
    reached = "; ".join(f"{name} reached {loss:g}" for name, loss in losses.items())
    overruled = {
        key: f"{value} in the place of {getattr(found, key)}" for key, value in given.items() if key != "optimizer"
    }
    if overrule.optimizer:
        overruled["optimizer"] = f"{optimizer} by name"
    return replace(found, **given), Selection(f"the best trial of {optimizer}: {reached}", overruled)
