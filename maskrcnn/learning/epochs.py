"""Epochs of a training: a row of losses each, and how they compare."""

import math

Row = dict[str, float]  # `epoch`, counted from 1, the losses, and those of the validation as `val_...`


def rate_epoch(row: Row) -> float:
    """Returns the validation loss of an epoch, infinite where no region met an object.

    Without proposals on objects there is neither box nor mask loss, and a ruined network would be the best.
    """
    return row["val_loss"] if row["val_mask_loss"] else math.inf
