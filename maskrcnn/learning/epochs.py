"""The row of figures that each epoch of a training leaves, and how epochs compare."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from maskrcnn.project.errors import InputError

Row = dict[str, float]

# A network that guesses has losses of ln 2 (anchors, masks), ln of the number of classes, and a few of its boxes.
ABSURD = 100.0
SINGLE_LOSS = re.compile(r"val_(rpn_)?(class|box|mask)_loss")  # not their sum, nor the decay: their weights are free


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
    """Returns the loss by which epochs compare, infinite if it says nothing.

    It says nothing if no region of the validation met an object: box and mask loss are then 0, and a network that finds
    nothing would be the best. Nor if a single loss is above `ABSURD`.
    """
    return row["val_loss"] if row["val_positive_regions"] and not _is_absurd(row) else math.inf


def find_failure(rows: Sequence[Row]) -> str | None:
    """Returns why no epoch has a validation loss to compare; None if one has."""
    if any(math.isfinite(validation_loss(row)) for row in rows):
        return None
    if any(row["val_positive_regions"] for row in rows):
        return f"a loss of the validation was above {ABSURD:g} in every epoch"
    return "no region met an object in any epoch"


def check_rows(rows: Any) -> list[Row]:
    """Returns rows that were read from a file.

    Raises:
        InputError: if they are not the rows of the epochs 1, 2, ..., all figures finite.
    """
    if not isinstance(rows, list) or not all(_is_row(row, epoch) for epoch, row in enumerate(rows, start=1)):
        raise InputError("its rows must be those of the epochs from 1 on, with finite figures")
    return rows


def check_count(value: Any, name: str) -> int:
    """Returns a count that was read from a file.

    Raises:
        InputError: if it is not a number from 0 on.
    """
    if type(value) is not int or value < 0:
        raise InputError(f"its {name} must be a number from 0 on; got {str(value)[:20]}")
    return value


def _is_absurd(row: Row) -> bool:
    return any(figure > ABSURD for name, figure in row.items() if SINGLE_LOSS.fullmatch(name))


def _is_row(row: Any, epoch: int) -> bool:
    if not isinstance(row, dict) or not all(type(figure) in (int, float) for figure in row.values()):
        return False
    return is_finite(row) and row.get("epoch") == epoch and {"val_loss", "val_positive_regions"} <= row.keys()
