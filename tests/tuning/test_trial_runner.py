"""One run after the other: kept, continued, independent of each other, and exact on a real network."""

from pathlib import Path

import numpy as np
import pytest

from maskrcnn.project.config import Hyperparameters
from maskrcnn.tuning.training_runs import TrainingRun, read_run_and_state
from maskrcnn.tuning.trial_runner import TrialRunner
from tests.tiny import network
from tests.tuning.fakes import make_runner

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
GOOD = Hyperparameters("sgd", 1e-4, 0.9, 0.0)
BAD = Hyperparameters("sgd", 1e-2, 0.9, 0.0)
# |log10(rate / 1e-4)| + 1 / epoch
ROWS = [
    {"epoch": epoch, "loss": 1 / epoch - 0.1, "val_loss": 1 / epoch, "val_positive_regions": 20.0}
    for epoch in (1, 2, 3)
]


def test_a_run_has_a_row_an_epoch(tmp_path: Path) -> None:
    assert make_runner().train(GOOD, 3, tmp_path) == TrainingRun(ROWS)


def test_a_run_goes_on_and_does_nothing_twice(tmp_path: Path) -> None:
    runner = make_runner()
    assert runner.train(GOOD, 1, tmp_path) == TrainingRun(ROWS[:1])
    runner.train(BAD, 1, tmp_path)
    assert runner.train(GOOD, 3, tmp_path) == TrainingRun(ROWS)
    assert runner.train(GOOD, 2, tmp_path) == TrainingRun(ROWS[:2])
    assert runner.trainer.learned == [(GOOD, 1), (BAD, 1), (GOOD, 2), (GOOD, 3)]


def test_each_epoch_is_counted_in_all_of_its_trial(tmp_path: Path) -> None:
    runner = make_runner()
    runner.train(GOOD, 3, tmp_path)
    assert runner.trainer.told == [(1, 3), (2, 3), (3, 3)]


def test_another_process_goes_on_where_one_was_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_runner(stop_after=2).train(GOOD, 3, tmp_path)
    runner = make_runner()
    assert runner.train(GOOD, 3, tmp_path) == TrainingRun(ROWS)
    assert runner.trainer.learned == [(GOOD, 3)]


def test_a_damaged_state_costs_one_epoch(tmp_path: Path) -> None:
    make_runner().train(GOOD, 2, tmp_path)
    (newest,) = set(tmp_path.iterdir()) - set(tmp_path.glob("*.before.npz"))
    content = bytearray(newest.read_bytes())
    content[content.index(np.array(2).tobytes(), content.index(b"epochs.npy"))] = 3  # the state, not its progress
    newest.write_bytes(content)
    runner = make_runner()
    with pytest.warns(UserWarning, match=r"npz` \(BadZipFile: .* is damaged; the training resumes from .*before.npz`"):
        assert runner.train(GOOD, 3, tmp_path) == TrainingRun(ROWS)
    assert runner.trainer.learned == [(GOOD, 2), (GOOD, 3)]


def test_divergence_is_a_result_and_leaves_the_next_run_alone(tmp_path: Path) -> None:
    runner = make_runner()
    run = runner.train(BAD, 4, tmp_path)
    assert len(run.rows) == 1
    assert run.diverged_at_step == 13  # ten of the first epoch and three
    assert runner.train(GOOD, 3, tmp_path) == TrainingRun(ROWS)
    learned = len(runner.trainer.learned)
    assert runner.train(BAD, 4, tmp_path) == run
    assert runner.train(BAD, 1, tmp_path).diverged_at_step is None
    assert len(runner.trainer.learned) == learned


def test_a_network_that_diverged_is_not_kept(tmp_path: Path) -> None:
    make_runner().train(BAD, 4, tmp_path)
    assert read_run_and_state(tmp_path, BAD, lambda *_: None)[1] == {}


def test_a_rate_that_diverges_spoils_nothing_and_traces_nothing_anew(real_runner: TrialRunner, tmp_path: Path) -> None:
    runner, trainer = real_runner, real_runner.trainer
    good, fatal = Hyperparameters("sgd", 0.01, 0.9, 1e-3), Hyperparameters("sgd", 1e30, 0.9, 0.0)
    before = runner.train(good, 1, tmp_path / "before")
    step = trainer.loss_model.train_function
    assert runner.train(fatal, 1, tmp_path / "fatal").diverged_at_step in (1, 2, 3, 4)
    assert not all(np.isfinite(np.asarray(variable)).all() for variable in network().trainable_variables)
    assert runner.train(good, 1, tmp_path / "after") == before
    assert trainer.loss_model.train_function is step
    if hasattr(step, "experimental_get_tracing_count"):
        assert step.experimental_get_tracing_count() == 1


def test_epoch_by_epoch_is_the_same_as_in_one_go(real_runner: TrialRunner, tmp_path: Path) -> None:
    runner, hyperparameters = real_runner, Hyperparameters("sgd", 0.01, 0.9, 1e-3)
    runner.train(hyperparameters, 1, tmp_path)
    runner.train(Hyperparameters("sgd", 0.02, 0.5, 0.0), 1, tmp_path)
    run = runner.train(hyperparameters, 2, tmp_path)
    runner.trainer.reset(hyperparameters)
    rows = runner.trainer.learn(runner.training, runner.validation, epochs=2)
    assert run.rows == rows.to_dict("records")
