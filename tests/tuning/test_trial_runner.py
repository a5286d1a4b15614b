"""One run after the other on one bench: kept, gone on with, isolated, and exact on a true network."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.weights import write_weights
from maskrcnn.project.config import Data, Hyperparameters, Model, Preprocess, Schedule
from maskrcnn.tuning.runs import Run, read_run
from maskrcnn.tuning.trial_runner import RANDOM, TrialRunner, set_up_runner
from tests.learning.scenes import SAMPLING, write_split
from tests.tiny import MINI_MASK_SHAPE, SHAPE, network
from tests.tuning.fakes import make_bench

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
MODEL = Model("resnet14", 8, 16, 16, 32, 8, (8.0, 16.0, 32.0, 48.0, 64.0), 24.0, 400)
GOOD = Hyperparameters("sgd", 1e-4, 0.9, 0.0)
BAD = Hyperparameters("sgd", 1e-2, 0.9, 0.0)
# |log10(rate / 1e-4)| + 1 / epoch
ROWS = [{"epoch": epoch, "loss": 1 / epoch - 0.1, "val_loss": 1 / epoch, "val_mask_loss": 0.5} for epoch in (1, 2, 3)]


def test_a_run_has_a_row_an_epoch(tmp_path: Path) -> None:
    assert make_bench().train(GOOD, 3, tmp_path) == Run(ROWS)


def test_a_run_goes_on_and_does_nothing_twice(tmp_path: Path) -> None:
    bench = make_bench()
    assert bench.train(GOOD, 1, tmp_path) == Run(ROWS[:1])
    bench.train(BAD, 1, tmp_path)
    assert bench.train(GOOD, 3, tmp_path) == Run(ROWS)
    assert bench.train(GOOD, 2, tmp_path) == Run(ROWS[:2])
    assert bench.trainer.learned == [(GOOD, 1), (BAD, 1), (GOOD, 2), (GOOD, 3)]


def test_another_process_goes_on_where_one_was_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_bench(stop_after=2).train(GOOD, 3, tmp_path)
    bench = make_bench()
    assert bench.train(GOOD, 3, tmp_path) == Run(ROWS)
    assert bench.trainer.learned == [(GOOD, 3)]


def test_divergence_is_a_result_and_leaves_the_next_run_alone(tmp_path: Path) -> None:
    bench = make_bench()
    run = bench.train(BAD, 4, tmp_path)
    assert len(run.rows) == 1
    assert run.diverged_at_step == 13  # ten of the first epoch and three
    assert bench.train(GOOD, 3, tmp_path) == Run(ROWS)
    learned = len(bench.trainer.learned)
    assert bench.train(BAD, 4, tmp_path) == run
    assert bench.train(BAD, 1, tmp_path).diverged_at_step is None
    assert len(bench.trainer.learned) == learned


def test_a_network_that_diverged_is_not_kept(tmp_path: Path) -> None:
    make_bench().train(BAD, 4, tmp_path)
    assert read_run(tmp_path, BAD)[1] == {}


@pytest.mark.parametrize("start", ["start.h5", RANDOM])
def test_a_bench_is_set_up_from_a_file_or_at_random(start: str, tmp_path: Path) -> None:
    write_split(tmp_path)
    (tmp_path / "data/processed").mkdir(parents=True)
    for split in ("training", "validation"):
        shutil.copy(tmp_path / "split.npz", tmp_path / f"data/processed/reduced_{split}.npz")
    given = build_mask_rcnn(image_shape=SHAPE, class_count=len(CLASS_NAMES), **vars(MODEL))
    write_weights(given, tmp_path / "start.h5")
    bench = set_up_runner(
        tmp_path,
        Data(".", SHAPE),
        Preprocess(SHAPE, MINI_MASK_SHAPE, instance_cap=4),
        replace(MODEL, backbone="resnet26"),
        SAMPLING,
        Schedule(seed=1, batch_size=2, epochs=1, steps=6, validation_steps=2),
        start=start,
        backbone="resnet14",
        layers="heads",
        optimizer="adam",
    )
    ours = bench.trainer.network
    pairs = zip(ours.variables, given.variables, strict=True)
    equal = [bool((np.asarray(a) == np.asarray(b)).all()) for a, b in pairs if a.name == "kernel"]
    assert all(equal) if start != RANDOM else not any(equal)
    assert bench.trainer.optimizer_name == "adam"
    assert not any("/backbone/" in variable.path for variable in ours.trainable_variables)
    assert (len(bench.training), bench.training.seed, len(bench.validation), bench.validation.seed) == (6, 1, 2, None)
    assert bench.training[0][0]["images"].shape == (2, *SHAPE, 3)


def test_a_rate_that_diverges_spoils_nothing_and_traces_nothing_anew(true_bench: TrialRunner, tmp_path: Path) -> None:
    bench, trainer = true_bench, true_bench.trainer
    good, fatal = Hyperparameters("sgd", 0.01, 0.9, 1e-3), Hyperparameters("sgd", 1e30, 0.9, 0.0)
    before = bench.train(good, 1, tmp_path / "before")
    step = trainer.loss_model.train_function
    assert bench.train(fatal, 1, tmp_path / "fatal").diverged_at_step in (1, 2, 3, 4)
    assert not all(np.isfinite(np.asarray(variable)).all() for variable in network().trainable_variables)
    assert bench.train(good, 1, tmp_path / "after") == before
    assert trainer.loss_model.train_function is step
    if hasattr(step, "experimental_get_tracing_count"):
        assert step.experimental_get_tracing_count() == 1


def test_epoch_by_epoch_is_the_same_as_in_one_go(true_bench: TrialRunner, tmp_path: Path) -> None:
    bench, hyperparameters = true_bench, Hyperparameters("sgd", 0.01, 0.9, 1e-3)
    bench.train(hyperparameters, 1, tmp_path)
    bench.train(Hyperparameters("sgd", 0.02, 0.5, 0.0), 1, tmp_path)
    run = bench.train(hyperparameters, 2, tmp_path)
    bench.trainer.reset(hyperparameters)
    rows = bench.trainer.learn(bench.training, bench.validation, epochs=2)
    assert run.rows == rows.to_dict("records")
