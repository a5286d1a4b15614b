"""Rows of epochs and how they compare."""

import math

import numpy as np
import pytest

from maskrcnn.learning.epochs import is_finite, make_row, validation_loss

pytestmark = pytest.mark.one_backend


def test_a_row_counts_epochs_from_one() -> None:
    assert make_row(0, {"loss": np.float32(0.5), "val_positive_regions": 3}) == {
        "epoch": 1,
        "loss": 0.5,
        "val_positive_regions": 3.0,
    }
    assert make_row(4, None) == {"epoch": 5}


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
def test_one_figure_that_is_not_finite_is_enough(figure: float) -> None:
    assert is_finite({"loss": 0.5, "val_loss": 1e30})
    assert not is_finite({"loss": 0.5, "val_loss": figure})


def test_a_validation_without_positive_regions_is_worse_than_any_other() -> None:
    assert validation_loss({"val_loss": 2.0, "val_positive_regions": 1}) == 2
    assert validation_loss({"val_loss": 0.1, "val_positive_regions": 0}) == math.inf
    # a loss of 0 over some regions is a loss
    assert validation_loss({"val_loss": 0.1, "val_mask_loss": 0.0, "val_positive_regions": 1}) == 0.1
