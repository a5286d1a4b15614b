"""Training runs: written, read back, and seen at an earlier epoch."""

from pathlib import Path

import numpy as np
import pytest

from maskrcnn.project.config import Hyperparameters
from maskrcnn.tuning.training_runs import TrainingRun, read_run, read_run_and_state, write_run

ROWS = [
    {"epoch": epoch, "val_loss": loss, "val_positive_regions": 20.0} for epoch, loss in ((1, 2.0), (2, 1.0), (3, 1.0))
]
BLIND = {"epoch": 4, "val_loss": 0.1, "val_positive_regions": 0.0}
SLOW = Hyperparameters("sgd", 1e-5, 0.9, 0.0)
FAST = Hyperparameters("sgd", 1e-4, 0.9, 0.0)


def accept(training_run: TrainingRun, state: dict[str, np.ndarray]) -> None:
    """Any state will do."""


def test_a_run_that_has_not_begun_is_empty(tmp_path: Path) -> None:
    assert read_run(tmp_path, SLOW) == TrainingRun()
    assert read_run_and_state(tmp_path, SLOW, accept) == (TrainingRun(), {})


@pytest.mark.parametrize(
    "run", [TrainingRun(ROWS), TrainingRun(ROWS[:1], diverged_at_step=17), TrainingRun(ROWS, step=3)]
)
def test_a_run_and_its_state_are_read_as_they_were_written(run: TrainingRun, tmp_path: Path) -> None:
    write_run(tmp_path, SLOW, run, {"0": np.arange(3.0), "1": np.array(7)})
    assert read_run(tmp_path, SLOW) == run
    again, state = read_run_and_state(tmp_path, SLOW, accept)
    assert again == run
    assert list(state) == ["0", "1"]
    np.testing.assert_array_equal(state["0"], [0, 1, 2])


@pytest.mark.parametrize("change", ["optimizer", "learning_rate", "momentum", "weight_decay"])
def test_every_configuration_has_its_own_run(change: str, tmp_path: Path) -> None:
    other = Hyperparameters(**{**vars(SLOW), change: "adam" if change == "optimizer" else 0.5})
    write_run(tmp_path, SLOW, TrainingRun(ROWS), {})
    assert read_run(tmp_path, other) == TrainingRun()


def test_an_earlier_epoch_knows_nothing_of_what_came_later() -> None:
    run = TrainingRun(ROWS, diverged_at_step=40)
    assert run.until(2) == TrainingRun(ROWS[:2])
    assert run.until(3) == TrainingRun(ROWS)
    assert run.until(4) == run


def test_the_best_of_equal_epochs_is_the_first() -> None:
    assert TrainingRun(ROWS).best() == ROWS[1]


def test_an_epoch_in_which_no_region_met_an_object_is_never_the_best() -> None:
    assert TrainingRun([*ROWS, BLIND]).best() == ROWS[1]
    assert TrainingRun([BLIND, BLIND]).best() is None


def test_a_run_that_failed_says_why_and_has_no_best_epoch() -> None:
    diverged = TrainingRun(ROWS, diverged_at_step=40)
    assert diverged.failure() == "diverged at step 40"
    assert diverged.best() is None
    assert TrainingRun([BLIND]).failure() == "no region met an object in any epoch"
    assert TrainingRun([*ROWS, BLIND]).failure() is None
