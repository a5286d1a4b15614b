"""The final training: when it ends, what it writes, and that it resumes exactly."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskrcnn.learning import fit as fit_module
from maskrcnn.learning import saver
from maskrcnn.learning.epochs import validation_loss
from maskrcnn.learning.fit import Progress, fit
from maskrcnn.learning.loss_model import COUNTED, DECAY_NAME, LOSS_NAMES, LossModel
from maskrcnn.learning.recipe import Assembly
from maskrcnn.learning.states import save_state
from maskrcnn.learning.trainer import Trainer
from maskrcnn.learning.watch import Divergence
from maskrcnn.project.config import Hyperparameters, Schedule
from maskrcnn.project.errors import InputError
from tests.learning.scenes import SEED, STEPS, Recorder, break_before_validation, make_trainer, read_split, write_split
from tests.tiny import network, read
from tests.two_devices import RECIPE

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
TOO_FAST = Hyperparameters("adam", 0.01, 0.9, 0.0)

SLOW = Hyperparameters("adam", 1e-3, 0.9, 0.0)
DIVERGING = Hyperparameters("adam", 1e30, 0.9, 0.0)
BLIND = {"loss": 0.1, "box_loss": 0.0, "positive_regions": 0.0}


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, Recorder]:
    return read_split(write_split(tmp_path_factory.mktemp("scenes")))


@pytest.fixture(scope="module")
def trainer(split: tuple[Recorder, Recorder]) -> Trainer:
    return make_trainer(split[0], "adam")


def train(trainer: Trainer, split: tuple, folder: Path, hyperparameters: Hyperparameters = TOO_FAST, **changes) -> dict:
    """Returns the best epoch and leaves everything else in the folder."""
    arguments = {"epochs": 9, "patience": 1, "cosine": True} | changes
    schedule = Schedule(seed=SEED, batch_size=1, steps=STEPS, validation_steps=2, **arguments)
    paths = {"history": folder / "history.csv", "checkpoints": folder / "checkpoints", "live": folder / "live"}
    return fit(trainer, *split, hyperparameters=hyperparameters, schedule=schedule, **paths)


def history(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


@pytest.fixture(scope="module")
def long(trainer: Trainer, split: tuple, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A training that ends by its patience: the best epoch, its folder and the weights left in the network."""
    folder = tmp_path_factory.mktemp("long")
    return train(trainer, split, folder), folder, read(network().variables)


def test_training_ends_an_epoch_after_the_best(long: tuple) -> None:
    best, folder, _ = long
    rows = [{name: float(figure) for name, figure in row.items()} for row in history(folder)]
    assert best["best_epoch"] == np.argmin([validation_loss(row) for row in rows]) + 1
    assert best["epochs"] == len(rows) == best["best_epoch"] + 1 < 9
    assert best["val_loss"] == rows[best["best_epoch"] - 1]["val_loss"]


def test_the_history_holds_every_figure_and_the_learning_rate_of_every_epoch(long: tuple) -> None:
    best, folder, _ = long
    names, rows = {"loss", *LOSS_NAMES, DECAY_NAME, *COUNTED}, history(folder)
    assert [row["epoch"] for row in rows] == [str(epoch + 1) for epoch in range(best["epochs"])]
    assert set(rows[0]) == {"epoch", "learning_rate", *names, *(f"val_{name}" for name in names)}
    rates = [TOO_FAST.learning_rate * (0.5 + 0.5 * np.cos(np.pi * epoch / 9)) for epoch in range(best["epochs"])]
    np.testing.assert_allclose([float(row["learning_rate"]) for row in rows], rates, rtol=1e-6)


def seen(folder: Path) -> dict[str, bytes]:
    """Returns the content of every file that DVCLive wrote."""
    live = folder / "live"
    return {path.relative_to(live).as_posix(): path.read_bytes() for path in live.rglob("*") if path.is_file()}


def test_dvclive_holds_the_last_epoch(long: tuple) -> None:
    _, folder, _ = long
    latest = json.loads((folder / "live/metrics.json").read_text())
    np.testing.assert_allclose(latest["val_loss"], float(history(folder)[-1]["val_loss"]))


def test_the_best_weights_are_left_in_the_network(long: tuple, trainer: Trainer, split: tuple, tmp_path: Path) -> None:
    best, folder, weights = long
    trainer.reset(TOO_FAST)
    rates = map(float, (row["learning_rate"] for row in history(folder)[: best["best_epoch"]]))
    for epoch, rate in enumerate(rates):
        trainer.loss_model.optimizer.learning_rate = rate
        trainer.learn(*split, epochs=epoch + 1, first_epoch=epoch)
    for by_hand, kept in zip(read(network().variables), weights, strict=True):
        np.testing.assert_array_equal(by_hand, kept)


class _Stopped(Exception):
    """Ends a training in a test, instead of a kill."""


def stop_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Makes a training end as soon as the state after some epochs is kept."""
    save = Progress.on_epoch_end

    def save_and_stop(self: Progress, epoch: int, logs: dict | None = None) -> None:
        save(self, epoch, logs)
        if epoch + 1 == epochs:
            raise _Stopped

    monkeypatch.setattr(Progress, "on_epoch_end", save_and_stop)


@pytest.mark.parametrize("stopped_after", [1, 2])
def test_a_stopped_training_resumes_exactly(
    stopped_after: int, trainer: Trainer, split: tuple, tmp_path: Path, long: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    best, folder, weights = long
    stop_after(monkeypatch, stopped_after)
    with pytest.raises(_Stopped):
        train(trainer, split, tmp_path)
    monkeypatch.undo()
    assert len(history(tmp_path)) == stopped_after
    assert train(trainer, split, tmp_path) == best
    assert history(tmp_path) == history(folder)
    assert seen(tmp_path) == seen(folder)
    for again, once in zip(read(network().variables), weights, strict=True):
        np.testing.assert_array_equal(again, once)


def stop_within(monkeypatch: pytest.MonkeyPatch, epochs: int, step: int) -> None:
    """Makes a training save after every step, and end after some steps of the epoch that follows some epochs."""
    save = Progress.save_within

    def save_and_stop(self: Progress, done: int) -> None:
        save(self, done)
        if (len(self.rows), done) == (epochs, step):
            raise _Stopped

    monkeypatch.setattr(saver, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(Progress, "save_within", save_and_stop)


@pytest.mark.parametrize(("epochs", "step"), [(0, 1), (1, 2), (1, 3)])
def test_a_training_that_is_stopped_within_an_epoch_resumes_exactly(
    epochs: int,
    step: int,
    trainer: Trainer,
    split: tuple,
    tmp_path: Path,
    long: tuple,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    best, folder, weights = long
    stop_within(monkeypatch, epochs, step)
    with pytest.raises(_Stopped):
        train(trainer, split, tmp_path)
    monkeypatch.undo()
    split[0].asked.clear()
    assert train(trainer, split, tmp_path) == best
    # Keras counts an epoch when it begins to fit, after a look at the first batches; what it learns from follows
    assert next(entry for entry in split[0].asked if entry[0] == epochs + 1) == (epochs + 1, step)
    assert (tmp_path / "history.csv").read_bytes() == (folder / "history.csv").read_bytes()
    assert seen(tmp_path) == seen(folder)
    for again, once in zip(read(network().variables), weights, strict=True):
        np.testing.assert_array_equal(again, once)


def test_a_state_that_is_not_finite_is_not_saved_within_an_epoch(
    trainer: Trainer, split: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver, "SAVE_SECONDS", 0.0)
    with pytest.raises(Divergence) as once:
        train(trainer, split, tmp_path, DIVERGING)
    with pytest.raises(Divergence) as again:
        train(trainer, split, tmp_path, DIVERGING)
    assert (again.value.epoch, again.value.step) == (once.value.epoch, once.value.step)


def test_a_training_without_an_epoch_to_keep_fails(
    trainer: Trainer, split: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LossModel, "evaluate", lambda *_, **__: BLIND)
    rule = r"history.csv` must have an epoch whose weights are worth keeping; got 1 epochs, but no region met an object"
    with pytest.raises(InputError, match=rule):
        train(trainer, split, tmp_path, SLOW, epochs=1)
    monkeypatch.setattr(LossModel, "evaluate", lambda *_, **__: BLIND | {"positive_regions": 9.0, "box_loss": 101.0})
    with pytest.raises(InputError, match=r"but a loss of the validation was above 100 in every epoch\. Lower"):
        train(trainer, split, tmp_path / "absurd", SLOW, epochs=1)


LIES: list[dict[str, Any]] = [
    {},
    {"rows": []},
    {"rows": [], "step": 0},
    {"rows": [], "step": STEPS},
    {"rows": [], "step": -1},
    {"rows": [], "step": 1.0},
    {"rows": [], "step": 1, "more": 1},
    {"rows": {}, "step": 1},
    {"rows": [{"epoch": 2, "val_loss": 1.0, "val_positive_regions": 1.0}], "step": 1},
    {"rows": [{"epoch": 1, "val_loss": float("nan"), "val_positive_regions": 1.0}], "step": 1},
    {"rows": [{"epoch": 1, "val_loss": "1", "val_positive_regions": 1.0}], "step": 1},
    {"rows": [{"epoch": 1, "val_loss": 1.0}], "step": 1},
    {"rows": [{"epoch": 1, "val_loss": 1.0, "val_positive_regions": 1.0}], "step": 1},  # without best weights
]


@pytest.mark.parametrize("progress", LIES)
def test_progress_that_no_training_writes_is_damage(
    progress: dict, trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Progress(trainer, tmp_path / "history.csv", tmp_path, patience=None, steps=STEPS)
    save_state(made.path, trainer.start, {"rows": [], "step": 1})
    made.resume()
    assert (made.rows, made.step) == ([], 1)
    made.path.unlink()
    dumps = json.dumps
    monkeypatch.setattr("maskrcnn.learning.states.json.dumps", lambda value, **_: dumps(value))  # NaN is written too
    save_state(made.path, trainer.start, progress)
    with pytest.raises(InputError, match=r"these files are damaged: `.*last\.npz` \(InputError: its "):
        made.resume()


def test_a_finished_training_is_not_trained_again(long: tuple, trainer: Trainer, split: tuple) -> None:
    best, folder, _ = long
    rows, live = history(folder), seen(folder)
    (folder / "history.csv").unlink()
    shutil.rmtree(folder / "live")
    split[0].asked.clear()
    assert train(trainer, split, folder) == best
    assert split[0].asked == []
    assert history(folder) == rows
    assert seen(folder) == live


def test_a_training_that_is_stopped_in_its_warm_up_resumes_exactly(
    trainer: Trainer, split: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"epochs": 3, "patience": None, "warmup_steps": 6, "base_batch_size": 2}
    expected = train(trainer, split, tmp_path / "whole", SLOW, **changes)
    weights, rows = read(network().variables), history(tmp_path / "whole")
    # 1e-3 * 1 / 2 along a cosine over three epochs; after 4, 8 and 12 steps the next is the 5th of 6, and none of them
    rates = [5e-4 * 5 / 6, 5e-4 * 0.75, 5e-4 * 0.25]
    np.testing.assert_allclose([float(row["learning_rate"]) for row in rows], rates, rtol=1e-6)
    stop_after(monkeypatch, 1)
    with pytest.raises(_Stopped):
        train(trainer, split, tmp_path / "stopped", SLOW, **changes)
    monkeypatch.undo()
    assert train(trainer, split, tmp_path / "stopped", SLOW, **changes) == expected
    assert history(tmp_path / "stopped") == rows
    for again, once in zip(read(network().variables), weights, strict=True):
        np.testing.assert_array_equal(again, once)


def test_an_epoch_that_is_not_finite_is_not_kept(
    trainer: Trainer, split: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_before_validation(monkeypatch)
    with pytest.raises(Divergence, match=f"it diverged in epoch 1, step {STEPS}"):
        train(trainer, split, tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.suffix in (".csv", ".npz", ".h5")] == []


def test_a_divergence_is_raised(trainer: Trainer, split: tuple, tmp_path: Path) -> None:
    with pytest.raises(Divergence, match="`learning_rate` must keep the loss finite"):
        train(trainer, split, tmp_path, DIVERGING)


def test_a_training_ends_its_threads_after_an_error(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data/processed").mkdir(parents=True)
    streams = read_split(write_split(tmp_path / "data/processed"))

    def stop(_: Trainer, *streams: Recorder, **__: Any) -> None:
        for stream in streams:
            stream[0]
        raise _Stopped

    monkeypatch.setattr(fit_module, "assemble", lambda *_: Assembly(trainer, *streams))
    monkeypatch.setattr(fit_module, "fit", stop)
    with pytest.raises(_Stopped):
        fit_module.train(RECIPE, inputs=tmp_path, root=tmp_path, stage="train", name="small")
    for stream in streams:
        with pytest.raises(RuntimeError, match="after shutdown"):
            stream[0]


def test_the_best_of_equal_epochs_is_the_first(trainer: Trainer, tmp_path: Path) -> None:
    progress = Progress(trainer, tmp_path / "history.csv", tmp_path, patience=2, steps=4)
    progress.rows = [
        {"epoch": i + 1, "val_loss": loss, "val_positive_regions": 9} for i, loss in enumerate([3.0, 2.0, 2.0, 4.0])
    ]
    assert progress.best() == {"best_epoch": 2, "epochs": 4, "val_loss": 2.0, "val_positive_regions": 9}
    assert progress.is_stuck()
    progress.rows.pop()
    assert not progress.is_stuck()


def test_an_epoch_without_positive_regions_is_never_the_best(trainer: Trainer, tmp_path: Path) -> None:
    progress = Progress(trainer, tmp_path / "history.csv", tmp_path, patience=None, steps=4)
    progress.rows = [
        {"epoch": 1, "val_loss": 0.1, "val_positive_regions": 0},
        {"epoch": 2, "val_loss": 3.0, "val_positive_regions": 1},
    ]
    assert progress.best()["best_epoch"] == 2
