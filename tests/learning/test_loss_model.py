"""The loss model: losses that fall, what is reported of them, and which weights learn."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import keras
import numpy as np
import pytest

from maskrcnn.learning import sampling
from maskrcnn.learning.loss_model import (
    DECAY_NAME,
    LOSS_NAMES,
    LossModel,
    decayed_size,
    set_learning_layers,
)
from maskrcnn.learning.losses import MeanLoss
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.network.ops import proposals
from maskrcnn.project.config import Hyperparameters, Sampling
from tests.backends import weight_gradients
from tests.tiny import make_batch, network, read, reset, start, write

CAP = 128
SAMPLING = Sampling(num_proposals=300, num_anchors=1000, num_rois=24, positive_fraction=0.33)  # anchors of every level


@pytest.fixture(autouse=True)
def untrained() -> None:
    """Starts every test with the network as it was made."""
    reset()


def compile_model(batch: dict[str, np.ndarray], name: str, rate: float, momentum: float, **arguments) -> LossModel:
    """Returns a loss model that learns with an optimizer."""
    loss_model = LossModel(network(), **vars(SAMPLING), **arguments)
    loss_model.compile(make_optimizer(name))
    loss_model.optimizer.build(loss_model.trainable_variables)
    set_hyperparameters(loss_model.optimizer, Hyperparameters(name, rate, momentum, weight_decay=0.0))
    return loss_model


@cache
def scene() -> dict[str, np.ndarray]:
    return make_batch([1], CAP)


class CompiledModel:
    """A loss model, compiled once, whose state every test resets.

    Attributes:
        loss_weights: Weight of each loss, variables of the compiled step.
    """

    def __init__(self) -> None:
        self.loss_weights = {name: keras.Variable(1.0, trainable=False, name=name) for name in LOSS_NAMES}
        arguments = {"loss_weights": self.loss_weights, "live_batch_norm": True}
        self.loss_model = compile_model(scene(), "adam", 3e-3, 0.9, **arguments)
        self.variables = [*self.loss_model.variables, *self.loss_model.optimizer.variables]
        self.values = read(self.variables)

    def reset(self) -> None:
        write(self.variables, self.values)
        for weight in self.loss_weights.values():
            weight.assign(1.0)

    def losses(self, *batches: dict[str, np.ndarray], training: bool = True) -> list[tuple[dict[str, MeanLoss], float]]:
        """Returns what the model returns of each batch, and what a step would minimise; JAX compiles once a shape."""
        call = partial(self.loss_model.stateless_call, training=training, return_losses=True)
        if keras.backend.backend() == "jax":
            import jax

            call = jax.jit(call)
        variables = self.loss_model.trainable_variables, self.loss_model.non_trainable_variables
        values = [[variable.value for variable in group] for group in variables]
        found = [call(*values, batch) for batch in batches]
        return [(keras.tree.map_structure(np.asarray, parts), sum(map(np.asarray, terms))) for parts, _, terms in found]

    def step(self, batch: dict[str, np.ndarray]) -> dict[str, float]:
        """Takes a step and returns what is reported of it."""
        self.loss_model.reset_metrics()
        self.loss_model.train_on_batch(batch)
        # Not what the step returns: on JAX that is weighted by the values which the weights had while it was traced.
        return {name: float(figure) for name, figure in self.loss_model.get_metrics_result().items()}


@pytest.fixture(scope="module")
def compiled_once() -> CompiledModel:
    reset()
    return CompiledModel()


@pytest.fixture
def model(compiled_once: CompiledModel) -> CompiledModel:
    compiled_once.reset()
    return compiled_once


def test_one_scene_is_learned_by_heart(model: CompiledModel) -> None:
    losses = [model.step(scene())["loss"] for _ in range(90)]
    assert np.mean(losses[-5:]) < 0.2 * losses[0]


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_every_loss_falls_alone(name: str, model: CompiledModel) -> None:
    for other in LOSS_NAMES:
        model.loss_weights[other].assign(float(other == name))
    steps = [model.step(scene()) for _ in range(30)]
    np.testing.assert_allclose(steps[0]["loss"], steps[0][name], rtol=1e-6)
    assert np.mean([step[name] for step in steps[-5:]]) < 0.85 * steps[0][name]


def test_the_loss_is_the_weighted_sum_of_its_parts(model: CompiledModel) -> None:
    for weight, name in enumerate(LOSS_NAMES):
        model.loss_weights[name].assign(weight)
    step = model.step(scene())
    np.testing.assert_allclose(step["loss"], sum(i * step[name] for i, name in enumerate(LOSS_NAMES)), rtol=1e-5)


def test_a_step_minimises_the_weighted_sum_and_the_weight_decay(model: CompiledModel) -> None:
    for weight, name in enumerate(LOSS_NAMES):
        model.loss_weights[name].assign(weight)
    model.loss_model.weight_decay.assign(0.5)
    ((parts, minimised),) = model.losses(scene())
    weighted = sum(weight * parts[name].mean for weight, name in enumerate(LOSS_NAMES))
    np.testing.assert_allclose(parts[DECAY_NAME].mean, 0.5 * np.asarray(decayed_size(network())), rtol=1e-5)
    np.testing.assert_allclose(minimised, weighted + parts[DECAY_NAME].mean, rtol=1e-5)


def test_the_losses_of_a_batch_are_those_of_its_images(model: CompiledModel) -> None:
    batch = make_batch([1, 2, 3, 4], CAP)
    alone = [{key: value[i : i + 1] for key, value in batch.items()} for i in range(4)]
    whole, *images = (parts for parts, _ in model.losses(batch, *alone, training=False))  # batch norm would join them
    for name in LOSS_NAMES:
        totals = sum(image[name].mean * image[name].count for image in images)
        assert whole[name].count == sum(image[name].count for image in images)
        np.testing.assert_allclose(whole[name].mean * whole[name].count, totals, rtol=1e-5, err_msg=name)


def test_a_batch_in_parts_has_the_losses_and_the_gradient_of_the_batch() -> None:
    batch = make_batch([1, 2, 3, 4], CAP)

    def learn(parts: int) -> tuple[dict[str, float], list[np.ndarray]]:
        """Returns the losses, and what a step of SGD at rate 1, which is the gradient, subtracts from the weights."""
        reset()
        loss_model = compile_model(batch, "sgd", 1.0, 0.0, gradient_accumulation=parts, weight_decay=0.5)
        losses = loss_model.train_on_batch(batch, return_dict=True)
        return losses, [new - old for new, old in zip(read(network().variables), start(), strict=True)]

    (whole, gradients), (in_parts, sums) = learn(1), learn(2)
    assert in_parts == pytest.approx(whole, rel=1e-6)
    largest = max(np.abs(gradient).max() for gradient in gradients)
    for gradient, total in zip(gradients, sums, strict=True):
        np.testing.assert_allclose(total, gradient, atol=2e-6 * largest)  # float32 sums in another order


def batch_losses(rpn: tuple, rpn_box: tuple, classes: tuple, box: tuple, mask: tuple, decay: float) -> dict:
    """Returns what a batch leaves, from means and counts."""
    parts = dict(zip(LOSS_NAMES, (rpn, rpn_box, classes, box, mask), strict=True)) | {DECAY_NAME: (decay, 1)}
    return {name: MeanLoss(*np.float32(pair)) for name, pair in parts.items()}


def test_the_losses_of_an_epoch_are_means_over_its_entries(model: CompiledModel) -> None:
    for name, weight in zip(LOSS_NAMES, (2, 1, 0, 3, 1), strict=True):
        model.loss_weights[name].assign(weight)
    loss_model = model.loss_model
    loss_model.reset_metrics()
    loss_model.compute_metrics(None, None, batch_losses((0.5, 10), (1, 3), (2, 6), (4, 1), (0.5, 3), decay=0.125))
    reported = loss_model.compute_metrics(None, None, batch_losses((1, 30), (0, 0), (1, 2), (8, 3), (0.1, 1), 0.375))
    expected = {
        "rpn_class_loss": 0.875,  # (0.5 * 10 + 1 * 30) / 40
        "rpn_box_loss": 1,  # that of the first batch; the second has no positive anchor
        "class_loss": 1.75,  # (2 * 6 + 1 * 2) / 8
        "box_loss": 7,  # (4 * 1 + 8 * 3) / 4
        "mask_loss": 0.4,  # (0.5 * 3 + 0.1 * 1) / 4
        "weight_decay_loss": 0.25,  # the mean over the batches
        "loss": 24.4,  # 2 * 0.875 + 1 * 1 + 0 * 1.75 + 3 * 7 + 1 * 0.4 + 0.25
        "positive_anchors": 3,
        "positive_regions": 4,
    }
    assert reported.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(np.asarray(reported[name]), value, rtol=1e-6, err_msg=name)


def test_losses_without_entries_are_zero_and_count_zero(model: CompiledModel) -> None:
    model.loss_model.reset_metrics()
    nothing = (0, 0)
    parts = batch_losses(nothing, nothing, nothing, nothing, nothing, decay=0)
    reported = model.loss_model.compute_metrics(None, None, parts)
    assert {name: float(value) for name, value in reported.items()} == dict.fromkeys(reported, 0.0)


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
def test_a_step_stays_finite_whatever_the_truth(change: Callable, model: CompiledModel) -> None:
    batch = {key: values.copy() for key, values in scene().items()}
    change(batch)
    assert_finite_step(model, batch)


def test_a_step_stays_finite_when_deltas_would_overflow(model: CompiledModel) -> None:
    for head in (network().rpn_head, network().box_head):
        head.deltas.bias.assign(np.full(head.deltas.bias.shape, 1e4))
    assert_finite_step(model, scene())


def test_the_loss_of_a_network_that_diverged_is_no_number(model: CompiledModel) -> None:
    for head in (network().rpn_head, network().box_head):
        head.deltas.bias.assign(np.full(head.deltas.bias.shape, np.nan))
    assert np.isnan(model.step(scene())["loss"])


def assert_finite_step(model: CompiledModel, batch: dict[str, np.ndarray]) -> None:
    assert all(np.isfinite(value) for value in model.step(batch).values())
    assert all(np.isfinite(values).all() for values in read(network().variables))


def test_live_batch_norm_moves_its_statistics(model: CompiledModel) -> None:
    before = read(network().non_trainable_variables)
    model.step(scene())
    assert all((new != old).any() for new, old in zip(read(network().non_trainable_variables), before, strict=True))


@pytest.fixture(scope="module")
def step() -> dict:
    """One step of SGD at rate 1 for the group `5+`, batch norm frozen: what it reported and what it changed."""
    reset()
    set_learning_layers(network(), "5+")
    loss_model = compile_model(scene(), "sgd", 1.0, 0.0, weight_decay=0.5)
    size = float(decayed_size(network()))
    reported = loss_model.train_on_batch(scene(), return_dict=True)
    changes = [new - old for new, old in zip(read(network().variables), start(), strict=True)]
    return {
        "reported": reported,
        "changes": dict(zip((variable.path for variable in network().variables), changes, strict=True)),
        "size": size,
        "learning": {variable.path for variable in network().trainable_variables},
    }


def test_a_step_changes_all_that_learns_and_nothing_else(step: dict) -> None:
    assert {path for path, change in step["changes"].items() if change.any()} == step["learning"]


def test_frozen_batch_norm_keeps_its_statistics_and_learns_scale_and_shift(step: dict) -> None:
    changed = {path.split("/")[-1] for path, change in step["changes"].items() if change.any()}
    assert changed == {"kernel", "bias", "gamma", "beta"}


def test_gradients_are_clipped_to_a_global_norm_of_five(step: dict) -> None:
    # at rate 1 the step is the clipped gradient
    norm = np.sqrt(sum(np.square(change).sum() for change in step["changes"].values()))
    np.testing.assert_allclose(norm, 5, rtol=1e-3)


def test_weight_decay_adds_to_the_loss_in_its_unit(step: dict) -> None:
    parts = sum(step["reported"][name] for name in LOSS_NAMES)
    np.testing.assert_allclose(step["reported"]["loss"], parts + 0.5 * step["size"], rtol=1e-5)


def test_the_decayed_size_is_the_sum_of_mean_squares_of_learning_kernels_and_biases() -> None:
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
def test_a_group_names_the_stages_that_learn(group: str, parts: tuple[str, ...]) -> None:
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


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`layers` must be one of heads, 5\+, 4\+, 3\+, all; got '2\+'"):
        set_learning_layers(network(), "2+")


def test_frozen_parts_do_not_learn() -> None:
    set_learning_layers(network(), "5+", frozen=["fpn", "rpn_head"])
    parts = {variable.path.split("/")[1] for variable in network().trainable_variables}
    assert parts == {"backbone", "box_head", "mask_head"}
    set_learning_layers(network(), "all", frozen=["backbone"])
    parts = {variable.path.split("/")[1] for variable in network().trainable_variables}
    assert parts == {"fpn", "rpn_head", "box_head", "mask_head"}


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`frozen` must name parts of backbone, fpn, .*; got rpn"):
        set_learning_layers(network(), "heads", frozen=["rpn"])


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="reads the program of JAX")
def test_the_host_waits_for_an_accelerator_in_one_loop_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # A loop of computed length is a `while`, one of fixed length a `scan`. The one `while` is that of suppression.
    import jax

    for module in (proposals, sampling):
        monkeypatch.setattr(module, "runs_on_cpu", lambda: False)
    loss_model = LossModel(network(), **vars(SAMPLING))

    def losses(values: list, batch: dict) -> dict:
        with keras.StatelessScope(state_mapping=list(zip(loss_model.variables, values, strict=True))):
            return loss_model(batch, training=True)

    program = jax.make_jaxpr(losses)([variable.value for variable in loss_model.variables], scene())
    assert list(find_operations(program.jaxpr)).count("while") == 1


def find_operations(program: Any) -> Iterator[str]:
    """Yields the names of all operations of a program of JAX, those inside of others too."""
    for equation in program.eqns:
        yield equation.primitive.name
        for value in keras.tree.flatten(list(equation.params.values())):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from find_operations(inner)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`loss_weights` must name losses of rpn_class_loss, .*; got rpn_loss"):
        LossModel(network(), loss_weights={"rpn_loss": 0.0})


def test_gradients_reach_every_weight(model: CompiledModel) -> None:
    def loss():
        return sum(loss.mean for loss in model.loss_model(scene()).values())

    variables = network().trainable_variables
    for variable, gradient in zip(variables, weight_gradients(loss, variables), strict=True):
        assert np.isfinite(gradient).all(), variable.path
        assert gradient.any(), variable.path


def test_the_box_loss_does_not_reach_the_rpn_through_its_targets(model: CompiledModel) -> None:
    variables = [*network().rpn_head.variables, *network().box_head.deltas.variables]
    gradients = weight_gradients(lambda: model.loss_model(scene())["box_loss"].mean, variables)
    assert len(gradients) == 6 + 2
    assert not any(gradient.any() for gradient in gradients[:6])
    assert all(gradient.any() for gradient in gradients[6:])
