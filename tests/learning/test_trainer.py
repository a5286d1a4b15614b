"""Learning again and again with one traced step, and going on where a stopped run ended."""

import keras
import numpy as np
import pytest

from maskrcnn.learning.epochs import rate_epoch
from maskrcnn.learning.loss_model import LOSS_NAMES
from maskrcnn.learning.trainer import Divergence, Trainer
from maskrcnn.project.config import Hyperparameters
from tests.learning.scenes import STEPS, Recorder, make_trainer, read_split, write_split
from tests.tiny import make_batch, network, read, start

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
    """Three epochs in one go: their losses and all that is left."""
    trainer.reset(SLOW)
    rows = trainer.learn(*split, epochs=3)
    return rows, trainer.read_state()


def test_every_epoch_has_its_losses(uninterrupted: tuple):
    rows, _ = uninterrupted
    assert rows["epoch"].tolist() == [1, 2, 3]
    assert {"loss", "mask_loss", "val_loss", "val_rpn_box_loss"} < set(rows.columns)


def test_going_on_from_a_state_is_exact(trainer: Trainer, split: tuple, uninterrupted: tuple):
    rows, end = uninterrupted
    trainer.reset(SLOW)
    trainer.learn(*split, epochs=1)
    state = trainer.read_state()
    trainer.reset(FAST)  # something else in between, other hyperparameters and weights
    trainer.learn(*split, epochs=1)
    trainer.write_state(state)
    later = trainer.learn(*split, epochs=3, first_epoch=1)
    assert later.to_dict("records") == rows[1:].to_dict("records")
    for key, values in trainer.read_state().items():
        np.testing.assert_array_equal(values, end[key], err_msg=key)


def test_reset_starts_anew_without_another_trace(trainer: Trainer, split: tuple, uninterrupted: tuple):
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


def test_an_epoch_is_judged_by_the_same_minibatches(trainer: Trainer, split: tuple):
    trainer.reset(SLOW)
    assert trainer.evaluate(split[1]) == trainer.evaluate(split[1])


class Given(keras.utils.PyDataset):
    """Batches that are there already."""

    def __init__(self, *batches: dict[str, np.ndarray]):
        super().__init__()
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray]]:
        return (self.batches[index],)


def test_a_batch_without_objects_says_nothing_of_their_losses(trainer: Trainer, split: tuple):
    trainer.reset(Hyperparameters("sgd", 0.001, 0.9, weight_decay=0.0))
    trainer.learn(*split, epochs=3)
    full, empty = make_batch([2], 4), make_batch([2], 4)
    empty |= {key: np.zeros_like(empty[key]) for key in ("boxes", "class_ids", "mini_masks")}
    alone, both = trainer.evaluate(Given(full)), trainer.evaluate(Given(full, empty))
    for name in ("rpn_box_loss", "class_loss", "box_loss", "mask_loss"):
        np.testing.assert_allclose(both[name], alone[name], rtol=1e-5)
    assert both["rpn_class_loss"] != alone["rpn_class_loss"]
    np.testing.assert_allclose(both["loss"], sum(both[name] for name in LOSS_NAMES), rtol=1e-5)
    assert rate_epoch({f"val_{name}": loss for name, loss in both.items()}) == both["loss"]
    nothing = trainer.evaluate(Given(empty))
    assert rate_epoch({f"val_{name}": loss for name, loss in nothing.items()}) == np.inf


def test_the_stream_goes_on_at_the_first_epoch(trainer: Trainer, split: tuple, uninterrupted: tuple):
    training, _ = split
    trainer.reset(SLOW)
    training.asked.clear()
    trainer.learn(*split, epochs=3)
    whole = training.asked.copy()
    trainer.reset(SLOW)
    training.asked.clear()
    trainer.learn(*split, epochs=3, first_epoch=2)
    # every fit looks at the first batches beforehand; the epoch's own come last
    last = max(whole)[0]
    assert [entry for entry in training.asked if entry[0] == last] == [entry for entry in whole if entry[0] == last]
    assert [index for _, index in whole[-STEPS:]] == list(range(STEPS))


@pytest.mark.parametrize("rate", [1e12])
def test_a_loss_that_is_no_number_ends_learning_and_reset_heals(trainer: Trainer, split: tuple, rate: float):
    trainer.reset(Hyperparameters("sgd", rate, 0.9, 0.0))
    with pytest.raises(Divergence, match="`learning_rate` must keep the loss finite; it diverged in epoch 1") as error:
        trainer.learn(*split, epochs=2)
    assert error.value.epoch == 1
    assert 2 <= error.value.step <= STEPS
    trainer.reset(SLOW)
    for values, first in zip(read(network().variables), start(), strict=True):
        np.testing.assert_array_equal(values, first)
    assert np.isfinite(trainer.learn(*split, epochs=1)["loss"]).all()


def test_hyperparameters_of_another_optimizer_are_refused(trainer: Trainer):
    with pytest.raises(ValueError, match="`optimizer` must be sgd; got adam"):
        trainer.reset(Hyperparameters("adam", 0.1, 0.9, 0.0))


def test_a_state_of_another_learner_is_refused(trainer: Trainer):
    with pytest.raises(ValueError, match=r"`state` must hold the .* variables of this trainer; got 1 others"):
        trainer.write_state({"0": np.zeros(3)})
