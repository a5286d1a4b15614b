"""Repeated training on one traced step, resuming, divergence."""

from pathlib import Path

import keras
import numpy as np
import pytest

from maskrcnn.learning.loss_model import COUNTED, DECAY_NAME, LOSS_NAMES
from maskrcnn.learning.trainer import Trainer
from maskrcnn.learning.watch import Divergence
from maskrcnn.project.config import Hyperparameters
from tests.learning.scenes import (
    STEPS,
    Given,
    Recorder,
    break_before_validation,
    empty_batch,
    make_trainer,
    read_split,
    write_split,
)
from tests.tiny import CLASS_COUNT, make_batch, network, read, start

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
SLOW, FAST = Hyperparameters("sgd", 0.01, 0.9, 1e-3), Hyperparameters("sgd", 0.02, 0.5, 0.0)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, Recorder]:
    return read_split(write_split(tmp_path_factory.mktemp("scenes")))


@pytest.fixture(scope="module")
def trainer(split: tuple[Recorder, Recorder]) -> Trainer:
    return make_trainer(split[0], "sgd")


@pytest.fixture(scope="module")
def uninterrupted(trainer: Trainer, split: tuple[Recorder, Recorder]) -> tuple:
    """Three epochs without a stop: their rows and the state after them."""
    trainer.reset(SLOW)
    rows = trainer.learn(*split, epochs=3)
    return rows, trainer.read_state()


def test_every_epoch_has_its_losses(uninterrupted: tuple) -> None:
    rows, _ = uninterrupted
    assert rows["epoch"].tolist() == [1, 2, 3]
    names = {"loss", *LOSS_NAMES, DECAY_NAME, *COUNTED}
    assert set(rows.columns) == {"epoch", *names, *(f"val_{name}" for name in names)}
    for prefix in ("", "val_"):
        parts = rows[[f"{prefix}{name}" for name in (*LOSS_NAMES, DECAY_NAME)]].sum(axis=1)
        np.testing.assert_allclose(rows[f"{prefix}loss"], parts, rtol=1e-6)
        assert (rows[f"{prefix}{DECAY_NAME}"] > 0).all()


def test_callbacks_get_the_losses_of_a_step_unread(trainer: Trainer, split: tuple) -> None:
    got: dict[str, list] = {"train": [], "test": []}
    keep = keras.callbacks.LambdaCallback()
    keep.on_train_batch_end = lambda batch, logs: got["train"].append(logs)
    keep.on_test_batch_end = lambda batch, logs: got["test"].append(logs)
    trainer.reset(SLOW)
    trainer.learn(*split, epochs=1, callbacks=[keep])
    assert [len(got["train"]), len(got["test"])] == [STEPS, len(split[1])]
    for logs in got["train"] + got["test"]:
        assert logs and all(keras.ops.is_tensor(figure) for figure in logs.values())


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="a step of TensorFlow returns when it is done")
def test_the_device_is_one_step_behind_at_most(trainer: Trainer, split: tuple) -> None:
    done, last = [], []

    def look(batch: int, logs: dict) -> None:
        done.append(all(figure.is_ready() for figure in last))
        last[:] = logs.values()

    watcher = keras.callbacks.LambdaCallback()
    watcher.on_train_batch_end = look
    trainer.reset(SLOW)
    trainer.learn(*split, epochs=4, callbacks=[watcher])
    assert done == [True] * 4 * STEPS


def test_resuming_from_a_state_is_exact(
    trainer: Trainer, split: tuple, uninterrupted: tuple, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, end = uninterrupted
    trainer.reset(SLOW)
    trainer.learn(*split, epochs=1, last_epoch=3)
    assert capsys.readouterr().out.startswith("Epoch 1/3: ")
    state = trainer.read_state()
    trainer.reset(FAST)  # another training in between
    trainer.learn(*split, epochs=1)
    trainer.write_state(state)
    later = trainer.learn(*split, epochs=3, first_epoch=1)
    assert later.to_dict("records") == rows[1:].to_dict("records")
    for key, values in trainer.read_state().items():
        np.testing.assert_array_equal(values, end[key], err_msg=key)


def test_reset_starts_again_without_another_trace(trainer: Trainer, split: tuple, uninterrupted: tuple) -> None:
    step = trainer.loss_model.train_function
    trainer.reset(FAST)
    other = trainer.learn(*split, epochs=1)
    trainer.reset(SLOW)
    again = trainer.learn(*split, epochs=1)
    rows, _ = uninterrupted
    assert again.to_dict("records") == rows[:1].to_dict("records")
    assert other["loss"][0] != again["loss"][0]
    assert trainer.loss_model.train_function is step
    if hasattr(step, "experimental_get_tracing_count"):
        assert step.experimental_get_tracing_count() == 1


def test_every_evaluation_uses_the_same_minibatches(trainer: Trainer, split: tuple) -> None:
    trainer.reset(SLOW)
    assert trainer.evaluate(split[1]) == trainer.evaluate(split[1])


def test_a_batch_without_objects_does_not_change_what_it_has_none_of(trainer: Trainer, split: tuple) -> None:
    trainer.reset(Hyperparameters("sgd", 0.001, 0.9, weight_decay=0.0))
    trainer.learn(*split, epochs=3)
    full, empty = make_batch([2], 4), empty_batch()

    def figures(*batches: dict[str, np.ndarray]) -> dict[str, float]:
        return trainer.loss_model.evaluate(Given(*batches), return_dict=True, verbose=0)

    alone, both = figures(full), figures(full, empty)
    assert alone["positive_regions"] > 0
    for name in ("rpn_box_loss", "box_loss", "mask_loss", "positive_anchors", "positive_regions"):
        np.testing.assert_allclose(both[name], alone[name], rtol=1e-6)
    assert both["rpn_class_loss"] != alone["rpn_class_loss"]
    assert both["class_loss"] != alone["class_loss"]
    nothing = figures(empty)
    for name in ("rpn_box_loss", "box_loss", "mask_loss", "positive_anchors", "positive_regions"):
        assert nothing[name] == 0
    assert nothing["class_loss"] > 0


def test_an_evaluation_returns_the_losses_alone(trainer: Trainer, split: tuple) -> None:
    trainer.reset(SLOW)
    assert set(trainer.evaluate(split[1])) == {"loss", *LOSS_NAMES}


def test_the_counts_of_training_and_validation_are_their_own(trainer: Trainer, split: tuple) -> None:
    trainer.reset(SLOW)
    rows = trainer.learn(split[0], Given(empty_batch()), epochs=1)
    assert rows["positive_anchors"][0] >= STEPS * (CLASS_COUNT - 1)  # an object of every class, an anchor or more each
    assert rows["val_positive_anchors"][0] == rows["val_positive_regions"][0] == 0


def test_the_stream_continues_at_the_first_epoch(trainer: Trainer, split: tuple, uninterrupted: tuple) -> None:
    training, _ = split
    trainer.reset(SLOW)
    training.asked.clear()
    trainer.learn(*split, epochs=3)
    whole = training.asked.copy()
    trainer.reset(SLOW)
    training.asked.clear()
    trainer.learn(*split, epochs=3, first_epoch=2)
    # Keras reads the first batches once more before it trains; the epoch's own come last
    last = max(whole)[0]
    assert [entry for entry in training.asked if entry[0] == last] == [entry for entry in whole if entry[0] == last]
    assert [index for _, index in whole[-STEPS:]] == list(range(STEPS))


@pytest.mark.parametrize("rate", [1e12])
def test_a_loss_that_is_no_number_ends_learning_and_reset_heals(trainer: Trainer, split: tuple, rate: float) -> None:
    trainer.reset(Hyperparameters("sgd", rate, 0.9, 0.0))
    with pytest.raises(Divergence, match="`learning_rate` must keep the loss finite; it diverged in epoch 1") as error:
        trainer.learn(*split, epochs=2)
    assert error.value.epoch == 1
    assert 2 <= error.value.step <= STEPS
    trainer.reset(SLOW)
    for values, first in zip(read(network().variables), start(), strict=True):
        np.testing.assert_array_equal(values, first)
    assert np.isfinite(trainer.learn(*split, epochs=1)["loss"]).all()


def test_a_loss_of_the_validation_that_is_no_number_ends_learning(
    trainer: Trainer, split: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_before_validation(monkeypatch)
    trainer.reset(SLOW)
    with pytest.raises(Divergence) as error:
        trainer.learn(*split, epochs=3)
    assert (error.value.epoch, error.value.step) == (1, STEPS)


@pytest.mark.parametrize("stream", [0, 1])
def test_an_image_that_is_lost_during_a_training_is_named(trainer: Trainer, tmp_path: Path, stream: int) -> None:
    streams = []
    for name in ("training", "validation"):
        (tmp_path / name).mkdir()
        streams.append(read_split(write_split(tmp_path / name))[len(streams)])
    images = [*streams[stream].root.glob("*.png")]
    lose = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: [path.unlink(True) for path in images])
    trainer.reset(SLOW)
    with pytest.raises(FileNotFoundError, match=r"^`\S*scene_\d\.png` must exist; see `data\.root`\.$"):
        trainer.learn(*streams, epochs=9, callbacks=[lose])


def test_hyperparameters_of_another_optimizer_are_refused(trainer: Trainer) -> None:
    with pytest.raises(ValueError, match="`optimizer` must be sgd; got adam"):
        trainer.reset(Hyperparameters("adam", 0.1, 0.9, 0.0))


def test_parts_must_divide_a_batch(split: tuple) -> None:
    with pytest.raises(
        ValueError, match=r"`schedule.gradient_accumulation` must divide `schedule.batch_size`, 1; got 2"
    ):
        make_trainer(split[0], "sgd", gradient_accumulation=2)


def test_a_state_of_another_trainer_is_refused(trainer: Trainer) -> None:
    with pytest.raises(ValueError, match=r"its 1 arrays are not the .* of this training"):
        trainer.check_state({"0": np.zeros(3)})


def test_a_state_of_another_number_of_devices_is_accepted_with_the_sum_of_its_means(trainer: Trainer) -> None:
    state = trainer.start | {"means/0": np.array([1, 2], np.float32)}
    trainer.check_state(state)
    trainer.write_state(state)
    assert trainer.read_state()["means/0"].tolist() == [3]
    with pytest.raises(ValueError, match="are not the"):
        trainer.check_state(trainer.start | {"means/0": np.array([[1, 2]], np.float32)})
