"""Learning: losses that fall and gradients that go where they should."""

from collections.abc import Callable
from functools import cache

import keras
import numpy as np
import pytest

from maskrcnn.learning.loss_model import LOSS_NAMES, LossModel, build_loss_model, decayed_size, set_learning_layers
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.project.config import Hyperparameters, Sampling
from tests.backends import weight_gradients
from tests.tiny import make_batch, network, read, reset, start, write

CAP = 128
SAMPLING = Sampling(num_proposals=300, num_anchors=1000, num_rois=24, positive_fraction=0.33)  # anchors of every level


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Starts every test with the network as it was made.

    Nothing else is random here; and TensorFlow's global seed would make it optimise the step's graph once more.
    """
    reset()


def compiled(batch: dict[str, np.ndarray], name: str, rate: float, momentum: float, **arguments) -> LossModel:
    loss_model = build_loss_model(network(), [(batch,)], **vars(SAMPLING), **arguments)
    loss_model.compile(make_optimizer(name))
    loss_model.optimizer.build(loss_model.trainable_variables)
    set_hyperparameters(loss_model.optimizer, Hyperparameters(name, rate, momentum, weight_decay=0.0))
    return loss_model


@cache
def scene() -> dict[str, np.ndarray]:
    return make_batch([1], CAP)


class Trainer:
    """A loss_model, compiled once, that every test starts from its first state.

    Attributes:
        loss_weights: Weight of each loss, variables of the compiled step.
    """

    def __init__(self) -> None:
        self.loss_weights = {name: keras.Variable(1.0, trainable=False, name=name) for name in LOSS_NAMES}
        arguments = {"loss_weights": self.loss_weights, "live_batch_norm": True}
        self.loss_model = compiled(scene(), "adam", 3e-3, 0.9, **arguments)
        self.variables = [*self.loss_model.variables, *self.loss_model.optimizer.variables]
        self.values = read(self.variables)

    def reset(self) -> None:
        write(self.variables, self.values)
        for weight in self.loss_weights.values():
            weight.assign(1.0)

    def step(self, batch: dict[str, np.ndarray]) -> dict[str, float]:
        self.loss_model.reset_metrics()
        return self.loss_model.train_on_batch(batch, return_dict=True)


@pytest.fixture(scope="module")
def only_learner() -> Trainer:
    reset()
    return Trainer()


@pytest.fixture
def trainer(only_learner: Trainer) -> Trainer:
    only_learner.reset()
    return only_learner


def test_one_scene_is_learned_by_heart(trainer: Trainer):
    losses = [trainer.step(scene())["loss"] for _ in range(90)]
    assert np.mean(losses[-5:]) < 0.2 * losses[0]


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_every_loss_falls_alone(name: str, trainer: Trainer):
    for other in LOSS_NAMES:
        trainer.loss_weights[other].assign(float(other == name))
    steps = [trainer.step(scene()) for _ in range(25)]
    np.testing.assert_allclose(steps[0]["loss"], steps[0][name], rtol=1e-6)
    assert np.mean([step[name] for step in steps[-5:]]) < 0.85 * steps[0][name]


def test_the_loss_is_the_weighted_sum_of_its_parts(trainer: Trainer):
    for weight, name in enumerate(LOSS_NAMES):
        trainer.loss_weights[name].assign(weight)
    step = trainer.step(scene())
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
def test_a_step_stays_finite_whatever_the_truth(change: Callable, trainer: Trainer):
    batch = {key: values.copy() for key, values in scene().items()}
    change(batch)
    assert_finite_step(trainer, batch)


def test_a_step_stays_finite_when_deltas_would_overflow(trainer: Trainer):
    for head in (network().rpn_head, network().box_head):
        head.deltas.bias.assign(np.full(head.deltas.bias.shape, 1e4))
    assert_finite_step(trainer, scene())


def test_a_network_that_diverged_says_so_by_its_loss(trainer: Trainer):
    for head in (network().rpn_head, network().box_head):
        head.deltas.bias.assign(np.full(head.deltas.bias.shape, np.nan))
    assert np.isnan(trainer.step(scene())["loss"])


def assert_finite_step(trainer: Trainer, batch: dict[str, np.ndarray]) -> None:
    assert all(np.isfinite(value) for value in trainer.step(batch).values())
    assert all(np.isfinite(values).all() for values in read(network().variables))


def test_live_batch_norm_moves_its_statistics(trainer: Trainer):
    before = read(network().non_trainable_variables)
    trainer.step(scene())
    assert all((new != old).any() for new, old in zip(read(network().non_trainable_variables), before, strict=True))


@pytest.fixture(scope="module")
def step() -> dict:
    """One step of SGD at rate 1 for the group `5+`, batch norm frozen: what it said and what it changed."""
    reset()
    set_learning_layers(network(), "5+")
    loss_model = compiled(scene(), "sgd", 1.0, 0.0, weight_decay=0.5)
    size = float(decayed_size(network()))
    said = loss_model.train_on_batch(scene(), return_dict=True)
    changes = [new - old for new, old in zip(read(network().variables), start(), strict=True)]
    return {
        "said": said,
        "changes": dict(zip((variable.path for variable in network().variables), changes, strict=True)),
        "size": size,
        "learning": {variable.path for variable in network().trainable_variables},
    }


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
    model = network()
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


def test_frozen_parts_do_not_learn():
    set_learning_layers(network(), "5+", frozen=["fpn", "rpn_head"])
    parts = {variable.path.split("/")[1] for variable in network().trainable_variables}
    assert parts == {"backbone", "box_head", "mask_head"}
    set_learning_layers(network(), "all", frozen=["backbone"])
    parts = {variable.path.split("/")[1] for variable in network().trainable_variables}
    assert parts == {"fpn", "rpn_head", "box_head", "mask_head"}


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match=r"`frozen` must name parts of backbone, fpn, .*; got rpn"):
        set_learning_layers(network(), "heads", frozen=["rpn"])


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match=r"`loss_weights` must name losses of rpn_class_loss, .*; got rpn_loss"):
        LossModel(network(), loss_weights={"rpn_loss": 0.0})


def test_gradients_reach_every_weight(trainer: Trainer):
    def loss():
        return sum(trainer.loss_model(scene()).values())

    variables = network().trainable_variables
    for variable, gradient in zip(variables, weight_gradients(loss, variables), strict=True):
        assert np.isfinite(gradient).all(), variable.path
        assert gradient.any(), variable.path


def test_the_box_loss_does_not_reach_the_rpn_through_its_targets(trainer: Trainer):
    variables = [*network().rpn_head.variables, *network().box_head.deltas.variables]
    gradients = weight_gradients(lambda: trainer.loss_model(scene())["box_loss"], variables)
    assert len(gradients) == 6 + 2
    assert not any(gradient.any() for gradient in gradients[:6])
    assert all(gradient.any() for gradient in gradients[6:])
