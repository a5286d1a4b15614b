"""Sweeps: the best epoch of every rate, and the best rate."""

from pathlib import Path

import pytest

from maskrcnn.project.config import Candidate
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.sweeps import Sweep, SweptRate, read_sweep, summarize
from maskrcnn.tuning.training_runs import TrainingRun

CANDIDATE = Candidate("coco.h5", "resnet50", "sgd")


def test_a_run_is_summed_up_by_its_best_epoch() -> None:
    losses = enumerate([2.0, 1.23456, 1.5], start=1)
    run = TrainingRun([{"epoch": epoch, "val_loss": loss, "val_positive_regions": 20.0} for epoch, loss in losses])
    assert summarize(1e-3, run) == SweptRate(1e-3, 1.23456, 2, None)


def test_a_run_that_lost_all_objects_has_no_loss() -> None:
    run = TrainingRun([{"epoch": 1, "val_loss": 0.1, "val_positive_regions": 0.0}])
    assert summarize(1e-3, run) == SweptRate(1e-3, None, None, None)


def test_a_run_that_diverged_counts_for_nothing_however_well_it_began() -> None:
    assert summarize(1e-3, TrainingRun([{"epoch": 1, "val_loss": 0.1}], diverged_at_step=12)) == SweptRate(
        1e-3, None, None, 12
    )


def test_the_best_rate_is_that_of_the_lowest_loss_and_of_equal_ones_the_lower() -> None:
    rates = [SweptRate(rate, loss, 1, None) for rate, loss in ((0.1, 1.0), (0.01, 1.0), (0.001, 1.0 + 1e-7))]
    assert Sweep(CANDIDATE, rates).best() == rates[1]
    assert Sweep(CANDIDATE, [SweptRate(0.1, None, None, 3)]).best() is None


def test_a_sweep_is_read_unrounded_and_a_missing_one_names_its_stage(tmp_path: Path) -> None:
    sweep = Sweep(CANDIDATE, [SweptRate(0.1, 1.0 + 2**-52, 1, None)])
    write_finding(tmp_path / "tuning/coarse/reference/sweep.yaml", sweep)
    assert read_sweep(tmp_path, "reference") == sweep
    with pytest.raises(FileNotFoundError, match=r"other/sweep\.yaml` must exist; `dvc repro coarse@other` makes it"):
        read_sweep(tmp_path, "other")
