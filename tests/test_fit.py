"""Training through epochs: when it ends, what it leaves, and that it can be done again."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskrcnn.config import Sampling, Schedule
from maskrcnn.data.batches import Batches
from maskrcnn.data.records import read_records, write_records
from maskrcnn.training import LOSS_NAMES, BestEpoch, EpochLog, fit, fix_randomness
from maskrcnn.weights import read_weights
from tests.tiny import MINI_MASK_SHAPE, SHAPE, draw_scene, network, read, reset, start

# Keras' own use of NumPy
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

SAMPLING = Sampling(num_proposals=100, num_anchors=64, num_rois=24, positive_fraction=0.33)
SCHEDULE = {
    "seed": 3,
    "batch_size": 1,
    "epochs": 9,
    "steps": 4,
    "validation_steps": 2,
    "optimizer": "sgd",
    "learning_rate": 0.3,  # far too much
    "cosine": False,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "live_batch_norm": False,
    "patience": 1,
}


class Recorder(Batches):
    """Batches that note in which order they are asked for."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.asked: list[tuple[int, int]] = []

    def __getitem__(self, index: int):
        self.asked.append((self.epoch, index))
        return super().__getitem__(index)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    scenes = [draw_scene(seed) for seed in range(4)]
    for image, record in scenes:
        cv2.imwrite(str(folder / record.image_path), image[..., ::-1])
    write_records(folder / "split.npz", [record for _, record in scenes], SHAPE, MINI_MASK_SHAPE)
    return folder


def train(split: Path, folder: Path, **changes) -> tuple[dict, list[dict[str, str]], list[np.ndarray], list]:
    """Returns the best epoch, the history, the weights, and which batches were asked for."""
    schedule = Schedule(**SCHEDULE | changes)
    reset()
    fix_randomness(schedule.seed)
    training, validation = (
        Recorder(read_records(split / "split.npz"), split, batch_size=1, instance_cap=4, steps=steps, seed=seed)
        for steps, seed in ((schedule.steps, schedule.seed), (schedule.validation_steps, None))
    )
    history, checkpoint = folder / "plots" / "history.csv", folder / "checkpoints" / "best.h5"
    best = fit(
        network(),
        training,
        validation,
        layers="all",
        sampling=SAMPLING,
        schedule=schedule,
        history=history,
        checkpoint=checkpoint,
    )
    assert not checkpoint.exists()
    rows = list(csv.DictReader(history.read_text().splitlines()))
    return best, rows, read(network().variables), training.asked


@pytest.fixture(scope="module")
def long(split: Path, tmp_path_factory: pytest.TempPathFactory):
    return train(split, tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="module")
def short(split: Path, tmp_path_factory: pytest.TempPathFactory, long):
    """The same training, ended after the best epoch of the long one."""
    return train(split, tmp_path_factory.mktemp("short"), epochs=long[0]["best_epoch"])


def test_training_ends_an_epoch_after_the_best(long):
    best, rows, _, _ = long
    losses = [float(row["val_loss"]) for row in rows]
    assert best["best_epoch"] == np.argmin(losses) + 1
    assert best["epochs"] == len(rows) == best["best_epoch"] + 1 < SCHEDULE["epochs"]
    assert best["val_loss"] == min(losses)


def test_the_history_holds_every_loss_of_every_epoch(long):
    best, rows, _, _ = long
    names = {"loss", *LOSS_NAMES}
    assert [row["epoch"] for row in rows] == [str(epoch + 1) for epoch in range(best["epochs"])]
    assert set(rows[0]) == {"epoch", *names, *(f"val_{name}" for name in names)}


def test_the_same_seed_trains_the_same_and_the_best_epoch_comes_back(long, short):
    # to the last bit
    best, long_rows, long_weights, _ = long
    _, short_rows, short_weights, _ = short
    assert short_rows == long_rows[: best["best_epoch"]]
    for once, again in zip(short_weights, long_weights, strict=True):
        np.testing.assert_array_equal(once, again)
    assert any((after != before).any() for after, before in zip(long_weights, start(), strict=True))


def test_every_epoch_takes_the_next_part_of_the_stream_in_its_order(long):
    best, _, _, asked = long
    asked = [entry for entry in asked if entry[0] > 0]  # Keras looks at the first ones beforehand
    steps = 4 * best["epochs"]
    assert asked[:steps] == [(1 + step // 4, step % 4) for step in range(steps)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_training(value: float, tmp_path: Path):
    log = EpochLog(tmp_path / "history.csv")
    log.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})
    with pytest.raises(FloatingPointError, match=r"`learning_rate` must keep the loss finite; got .* in epoch 2;"):
        log.on_epoch_end(1, {"loss": 1.0, "val_loss": value})
    assert (tmp_path / "history.csv").read_text().splitlines() == ["epoch,loss,val_loss", "1,1.0,2.0"]


def test_the_best_epoch_is_kept_on_disk(tmp_path: Path):
    reset()
    keeper = BestEpoch(network(), tmp_path / "checkpoints" / "best.h5")
    bias = network().backbone.stem.conv.bias
    for epoch, loss in enumerate([3.0, 2.0, 2.0, 4.0]):
        bias.assign(np.full(bias.shape, epoch))
        keeper.on_epoch_end(epoch, {"val_loss": loss})
    read_weights(network(), tmp_path / "checkpoints" / "best.h5")
    np.testing.assert_array_equal(np.asarray(bias), np.ones(bias.shape))


def test_the_best_of_equal_epochs_is_the_first(tmp_path: Path):
    log = EpochLog(tmp_path / "history.csv")
    for epoch, loss in enumerate([3.0, 2.0, 2.0, 4.0]):
        log.on_epoch_end(epoch, {"val_loss": loss})
    assert log.best() == {"best_epoch": 2, "epochs": 4, "val_loss": 2.0}
