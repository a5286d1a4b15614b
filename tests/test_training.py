"""Learning: losses that fall, gradients that go where they should, and epochs that can be done again."""

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from maskrcnn.config import Sampling, Schedule
from maskrcnn.data.batches import Batches
from maskrcnn.data.records import read_records, write_records
from maskrcnn.model import MaskRCNN
from maskrcnn.training import (
    LOSS_NAMES,
    EpochLog,
    Trainee,
    build_trainee,
    decayed_size,
    fit,
    fix_randomness,
    make_optimizer,
    set_learning_layers,
)
from tests.backends import weight_gradients
from tests.tiny import MINI_MASK_SHAPE, SHAPE, build_network, draw_scene, make_batch

# Keras' own use of NumPy
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

CAP = 128
SAMPLING = Sampling(num_proposals=300, num_anchors=64, num_rois=24, positive_fraction=0.33)
network = cache(build_network)


@cache
def start() -> list[np.ndarray]:
    """The values of the network's variables before anything was learned; proposals are anchors, nearly."""
    kernel = network().rpn_head.deltas.kernel
    kernel.assign(0.01 * kernel)
    return read(network().variables)


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Gives every test the network as it was made, all of it learning."""
    write(network().variables, start())
    set_learning_layers(network(), "all")


def read(variables) -> list[np.ndarray]:
    return [np.array(np.asarray(variable)) for variable in variables]


def write(variables, values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def compiled(batch: dict[str, np.ndarray], optimizer: keras.optimizers.Optimizer, **arguments) -> Trainee:
    trainee = build_trainee(network(), [(batch,)], **vars(SAMPLING), **arguments)
    trainee.compile(optimizer)
    optimizer.build(trainee.trainable_variables)
    return trainee


@cache
def scene() -> dict[str, np.ndarray]:
    return make_batch([1], CAP)


class Learner:
    """A trainee, compiled once, that every test starts from its first state.

    Attributes:
        loss_weights: Weight of each loss, variables of the compiled step.
    """

    def __init__(self) -> None:
        self.loss_weights = {name: keras.Variable(1.0, trainable=False, name=name) for name in LOSS_NAMES}
        arguments = {"loss_weights": self.loss_weights, "live_batch_norm": True}
        self.trainee = compiled(scene(), make_optimizer("adam", 3e-3, 0.9), **arguments)
        self.variables = [*self.trainee.variables, *self.trainee.optimizer.variables]
        self.values = read(self.variables)

    def reset(self) -> None:
        write(self.variables, self.values)
        for weight in self.loss_weights.values():
            weight.assign(1.0)

    def step(self, batch: dict[str, np.ndarray]) -> dict[str, float]:
        self.trainee.reset_metrics()
        return self.trainee.train_on_batch(batch, return_dict=True)


@pytest.fixture(scope="module")
def only_learner() -> Learner:
    write(network().variables, start())
    return Learner()


@pytest.fixture
def learner(fresh: None, only_learner: Learner) -> Learner:
    only_learner.reset()
    return only_learner


def test_one_scene_is_learned_by_heart(learner: Learner):
    losses = [learner.step(scene())["loss"] for _ in range(90)]
    assert np.mean(losses[-5:]) < 0.2 * losses[0]


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_every_loss_falls_alone(name: str, learner: Learner):
    for other in LOSS_NAMES:
        learner.loss_weights[other].assign(float(other == name))
    steps = [learner.step(scene()) for _ in range(40)]
    np.testing.assert_allclose(steps[0]["loss"], steps[0][name], rtol=1e-6)
    assert np.mean([step[name] for step in steps[-5:]]) < 0.75 * steps[0][name]


def test_the_loss_is_the_weighted_sum_of_its_parts(learner: Learner):
    for weight, name in enumerate(LOSS_NAMES):
        learner.loss_weights[name].assign(weight)
    step = learner.step(scene())
    np.testing.assert_allclose(step["loss"], sum(i * step[name] for i, name in enumerate(LOSS_NAMES)), rtol=1e-5)


def nothing(batch: dict[str, np.ndarray]) -> None:
    for key in ("boxes", "class_ids", "mini_masks"):
        batch[key][:] = 0


def no_area(batch: dict[str, np.ndarray]) -> None:
    batch["boxes"][0, :3] = [[5, 5, 5, 20], [20, 20, 8, 30], [7, 7, 7, 7]]


def crowd(batch: dict[str, np.ndarray]) -> None:
    batch["is_crowd"][0, :3] = True


def crowded(batch: dict[str, np.ndarray]) -> None:
    corners = np.random.default_rng(0).integers(0, 56, (120, 2))
    batch["boxes"][0, :120] = np.concatenate([corners, corners + 8], axis=1)
    batch["class_ids"][0, :120] = 1
    batch["mini_masks"][0, :120] = 1


@pytest.mark.parametrize("change", [nothing, no_area, crowd, crowded])
def test_a_step_stays_finite_whatever_the_truth(change, learner: Learner):
    batch = {key: values.copy() for key, values in scene().items()}
    change(batch)
    assert_finite_step(learner, batch)


def test_a_step_stays_finite_when_deltas_would_overflow(learner: Learner):
    for head in (network().rpn_head, network().box_head):
        head.deltas.bias.assign(np.full(head.deltas.bias.shape, 1e4))
    assert_finite_step(learner, scene())


def assert_finite_step(learner: Learner, batch: dict[str, np.ndarray]) -> None:
    assert all(np.isfinite(value) for value in learner.step(batch).values())
    assert all(np.isfinite(values).all() for values in read(network().variables))


def test_live_batch_norm_moves_its_statistics(learner: Learner):
    before = read(network().non_trainable_variables)
    learner.step(scene())
    assert all((new != old).any() for new, old in zip(read(network().non_trainable_variables), before, strict=True))


@pytest.fixture(scope="module")
def step() -> Iterator[dict]:
    """One step of SGD at rate 1 for the group `5+`, batch norm frozen: what it said and what it changed."""
    write(network().variables, start())
    set_learning_layers(network(), "5+")
    trainee = compiled(scene(), make_optimizer("sgd", 1.0, 0.0), weight_decay=0.5)
    size = float(decayed_size(network()))
    said = trainee.train_on_batch(scene(), return_dict=True)
    changes = {v.path: new - old for v, new, old in zip(network().variables, read(network().variables), start(), strict=True)}
    return {"said": said, "changes": changes, "size": size, "learning": {v.path for v in network().trainable_variables}}


def test_a_step_changes_what_learns_and_nothing_else(step: dict):
    assert {path for path, change in step["changes"].items() if change.any()} == step["learning"]


def test_frozen_batch_norm_keeps_its_statistics_and_learns_scale_and_shift(step: dict):
    changed = {path.split("/")[-1] for path, change in step["changes"].items() if change.any()}
    assert changed == {"kernel", "bias", "gamma", "beta"}


def test_gradients_are_clipped_to_a_global_norm_of_five(step: dict):
    # at rate 1 the step is the clipped gradient
    norm = np.sqrt(sum(np.square(change).sum() for change in step["changes"].values()))
    np.testing.assert_allclose(norm, 5, rtol=1e-3)


def test_weight_decay_adds_to_the_loss_in_its_unit(step: dict):
    parts = sum(step["said"][name] for name in LOSS_NAMES)
    np.testing.assert_allclose(step["said"]["loss"], parts + 0.5 * step["size"], rtol=1e-5)


def test_the_decayed_size_is_the_sum_of_mean_squares_of_learning_kernels_and_biases():
    model: MaskRCNN = network()
    for variable in model.variables:
        variable.assign(np.full(variable.shape, 3))
    # each tensor counts 3**2 however large it is; of 17 + 4 convolutions of backbone and mask head, 8 of the pyramid,
    # 3 of the RPN, 4 of the box head, upsampling and mask logits, kernel and bias each
    np.testing.assert_allclose(decayed_size(model), 9 * 2 * (17 + 4 + 8 + 3 + 4 + 2), rtol=1e-6)
    set_learning_layers(model, "heads")
    np.testing.assert_allclose(decayed_size(model), 9 * 2 * (4 + 8 + 3 + 4 + 2), rtol=1e-6)


@pytest.mark.parametrize(
    ("group", "parts"),
    [("heads", ()), ("5+", ("stage5",)), ("4+", ("stage4", "stage5")), ("3+", ("stage3", "stage4", "stage5"))],
)
def test_a_group_names_the_stages_that_learn(group: str, parts: tuple[str, ...]):
    set_learning_layers(network(), group)
    expected = {
        variable.path
        for variable in network().variables
        if variable.name not in ("moving_mean", "moving_variance")
        and ("/backbone/" not in variable.path or any(f"/{part}_" in variable.path for part in parts))
    }
    assert {variable.path for variable in network().trainable_variables} == expected
    set_learning_layers(network(), "all")
    assert len(network().trainable_variables) > len(expected)


def test_an_unknown_group_is_refused():
    with pytest.raises(ValueError, match=r"`layers` must be one of heads, 5\+, 4\+, 3\+, all; got '2\+'"):
        set_learning_layers(network(), "2+")


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="`optimizer` must be sgd or adam; got 'rmsprop'"):
        make_optimizer("rmsprop", 0.1, 0.9)


@pytest.mark.parametrize(("name", "momentum"), [("sgd", "momentum"), ("adam", "beta_1")])
def test_momentum_is_what_the_optimizer_calls_it(name: str, momentum: str):
    optimizer = make_optimizer(name, 0.125, 0.75)
    assert getattr(optimizer, momentum) == 0.75
    assert float(optimizer.learning_rate) == 0.125


def test_gradients_reach_every_weight(learner: Learner):
    def loss():
        return sum(learner.trainee(scene()).values())

    variables = network().trainable_variables
    for variable, gradient in zip(variables, weight_gradients(loss, variables), strict=True):
        assert np.isfinite(gradient).all(), variable.path
        assert gradient.any(), variable.path


def test_the_box_loss_does_not_reach_the_rpn_through_its_targets(learner: Learner):
    variables = [*network().rpn_head.variables, *network().box_head.deltas.variables]
    gradients = weight_gradients(lambda: learner.trainee(scene())["box_loss"], variables)
    assert len(gradients) == 6 + 2
    assert not any(gradient.any() for gradient in gradients[:6])
    assert all(gradient.any() for gradient in gradients[6:])


SCHEDULE = {
    "seed": 3,
    "batch_size": 1,
    "epochs": 3,
    "steps": 4,
    "validation_steps": 2,
    "optimizer": "adam",
    "learning_rate": 0.05,
    "cosine": False,
    "momentum": 0.9,
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
    write(network().variables, start())
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
def short(split: Path, tmp_path_factory: pytest.TempPathFactory):
    return train(split, tmp_path_factory.mktemp("short"), epochs=1)


def test_training_ends_when_the_validation_loss_rises(long):
    best, rows, _, _ = long
    assert best["best_epoch"] == 1
    assert best["epochs"] == len(rows) == 2
    assert float(rows[1]["val_loss"]) > float(rows[0]["val_loss"]) == pytest.approx(best["val_loss"])


def test_the_history_holds_every_loss_of_every_epoch(long):
    _, rows, _, _ = long
    names = {"loss", *LOSS_NAMES}
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert set(rows[0]) == {"epoch", *names, *(f"val_{name}" for name in names)}


def test_the_same_seed_trains_the_same_and_the_best_epoch_comes_back(long, short):
    # one epoch trained alone: what the longer run had after its best epoch, the first, to the last bit
    _, long_rows, long_weights, _ = long
    _, short_rows, short_weights, _ = short
    assert short_rows == long_rows[:1]
    for once, again, before in zip(short_weights, long_weights, start(), strict=True):
        np.testing.assert_array_equal(once, again)
    assert any((after != before).any() for after, before in zip(long_weights, start(), strict=True))


def test_batches_come_in_the_order_of_their_stream(long):
    _, _, _, asked = long
    print(asked)
    in_order = [(epoch, index) for epoch in (0, 1) for index in range(4)]
    assert asked[-8:] == in_order  # Keras looks at the first ones beforehand


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_training(value: float, tmp_path: Path):
    log = EpochLog(tmp_path / "history.csv")
    log.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})
    with pytest.raises(FloatingPointError, match=r"`learning_rate` must keep the loss finite; got .* in epoch 2; lower it"):
        log.on_epoch_end(1, {"loss": 1.0, "val_loss": value})
    assert (tmp_path / "history.csv").read_text().splitlines() == ["epoch,loss,val_loss", "1,1.0,2.0"]


def test_the_best_of_equal_epochs_is_the_first(tmp_path: Path):
    log = EpochLog(tmp_path / "history.csv")
    for epoch, loss in enumerate([3.0, 2.0, 2.0, 4.0]):
        log.on_epoch_end(epoch, {"val_loss": loss})
    assert log.best() == {"best_epoch": 2, "epochs": 4, "val_loss": 2.0}
