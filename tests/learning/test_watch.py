"""Watching a training without waiting for the device: how often losses are read, and what is found in them."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from maskrcnn.learning import watch as module
from maskrcnn.learning.watch import Watch


class Figure:
    """A loss on a device, which counts how often it is read."""

    reads = 0

    def __init__(self, value: float):
        self.value = value

    def __float__(self) -> float:
        Figure.reads += 1
        return self.value


class Clock:
    """A clock that only moves when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(Figure, "reads", 0)
    return clock


def make_watch(steps: int) -> Watch:
    """Returns a watch of batches of two images, at the beginning of its third epoch."""
    watch = Watch(4, steps, batch_size=2)
    watch.set_model(SimpleNamespace(stop_training=False))
    watch.on_epoch_begin(2)
    return watch


def take_steps(watch: Watch, clock: Clock, losses: list[float], seconds: float) -> int:
    """Takes steps of some duration until the training is stopped; returns how many there were."""
    for step, loss in enumerate(losses):
        clock.now += seconds
        watch.on_train_batch_end(step, {"loss": Figure(loss)})
        if watch.model.stop_training:
            return step + 1
    return len(losses)


def test_losses_are_read_once_a_second_and_a_second_late(clock: Clock) -> None:
    watch = make_watch(1000)
    take_steps(watch, clock, [1.0] * 1000, seconds=0.0625)  # 16 steps a second: 62.5 seconds
    assert Figure.reads == 61
    assert 16 <= len(watch.unread) <= 32
    watch.on_epoch_end(2, {"loss": 1.0, "val_loss": 3.0})
    assert Figure.reads == 62
    assert watch.rows == [{"epoch": 3, "loss": 1.0, "val_loss": 3.0}]
    assert watch.divergence is None


@pytest.mark.parametrize("first", [1, 7, 16, 17, 18, 33, 500])
def test_the_first_step_that_is_not_finite_is_found_within_seconds(first: int, clock: Clock) -> None:
    watch = make_watch(1000)
    taken = take_steps(watch, clock, [1.0] * (first - 1) + [np.nan] * (1001 - first), seconds=0.0625)
    assert taken <= first + 2 * 16
    assert (watch.divergence.epoch, watch.divergence.step) == (3, 2000 + first)
    watch.on_epoch_end(2, {"loss": np.nan})
    assert watch.divergence.step == 2000 + first
    assert watch.rows == []


@pytest.mark.parametrize("first", [1, 3, 5])
def test_it_is_found_at_the_end_of_an_epoch_at_the_latest(first: int, clock: Clock) -> None:
    watch = make_watch(5)
    assert take_steps(watch, clock, [1.0] * (first - 1) + [np.inf] * (6 - first), seconds=0.0625) == 5
    assert Figure.reads == 0
    watch.on_epoch_end(2, {"loss": np.inf, "val_loss": np.nan})
    assert watch.divergence.step == 10 + first
    assert watch.model.stop_training


def test_a_loss_of_the_validation_counts_for_the_last_step(clock: Clock) -> None:
    watch = make_watch(5)
    take_steps(watch, clock, [1.0] * 5, seconds=0.0625)
    watch.on_epoch_end(2, {"loss": 1.0, "val_loss": np.nan})
    assert watch.divergence.step == 15


def test_a_terminal_shows_step_rate_and_loss(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    watch = make_watch(1000)
    take_steps(watch, clock, [1.0] * 16 + [0.5] * 34, seconds=0.0625)
    # 16 steps of 2 images in a second; the loss is that of a second before
    lines = capsys.readouterr().out.split("\r\033[K")
    # left are this epoch's other steps and the 1000 of the fourth one
    assert lines == [
        "",
        "Epoch 3/4, step 32/1000: loss 1.0000, 32.0 images/s, 0:02:03 of training left",
        "Epoch 3/4, step 48/1000: loss 0.5000, 32.0 images/s, 0:02:02 of training left",
    ]


def test_a_log_has_a_line_for_each_epoch(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    watch = make_watch(50)
    take_steps(watch, clock, [1.0] * 50, seconds=0.0625)
    watch.on_test_begin()
    clock.now += 2  # of validation
    watch.on_epoch_end(2, {"loss": 1.0, "val_loss": 3.0, "mask_loss": 0.5})
    assert capsys.readouterr().out == "Epoch 3/4: loss 1.0000, val_loss 3.0000, 32.0 images/s, 5 s\n"


def test_the_rate_counts_until_the_device_has_done_the_last_step(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    class Slow(Figure):
        def __float__(self) -> float:
            clock.now += 3  # seconds that the device is behind
            return self.value

    watch = make_watch(10)
    take_steps(watch, clock, [1.0] * 9, seconds=0.0625)
    clock.now += 0.4375
    watch.on_train_batch_end(9, {"loss": Slow(1.0)})
    watch.on_epoch_end(2, {"loss": 1.0})
    assert capsys.readouterr().out == "Epoch 3/4: loss 1.0000, 5.0 images/s, 4 s\n"
