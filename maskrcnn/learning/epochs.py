"""The row of figures that each epoch of a training leaves, and how epochs compare."""

import math
from collections.abc import Mapping
from typing import Any

Row = dict[str, float]


def make_row(epoch: int, logs: Mapping[str, Any] | None) -> Row:
    """Returns the row of an epoch.

    Args:
        epoch: Counted from 0, as Keras does.
        logs: The figures that Keras hands to callbacks.
    Returns:
        `epoch`, counted from 1, then the losses and the counts of positives, and those of the validation as `val_...`.
    """
    return {"epoch": epoch + 1, **{name: float(figure) for name, figure in (logs or {}).items()}}


def is_finite(figures: Mapping[str, Any]) -> bool:
    """Returns whether no figure is NaN or infinite."""
    return all(math.isfinite(figure) for figure in figures.values())


def validation_loss(row: Row) -> float:
    """Returns the loss by which epochs compare, infinite if no region of the validation met an object.

    Without a positive region box and mask loss are 0, and a network that finds nothing would be the best.
    """
    return row["val_loss"] if row["val_positive_regions"] else math.inf
