"""Training in bfloat16: what stays float32, what stays as it was, and how near it comes to float32."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from maskrcnn.learning.loss_model import LOSS_NAMES, LossModel, set_learning_layers
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.project.config import Hyperparameters
from tests.backends import run
from tests.tiny import make_batch, make_network, read, write

LAYERS = "heads"  # the backbone is frozen: no step may change it


def make_loss_model(start: list[np.ndarray], **arguments: Any) -> LossModel:
    """Returns the loss model of a new network with the given weights, of which the heads learn."""
    model = make_network(**arguments)
    write(model.variables, start)
    set_learning_layers(model, LAYERS)
    return LossModel(model, num_proposals=40, num_anchors=2000, num_rois=20)


@cache
def batch() -> dict[str, np.ndarray]:
    return make_batch([1, 2], instance_cap=6)


def compute_losses(loss_model: LossModel) -> dict[str, float]:
    """Returns the losses that a step would report, without taking it."""
    parts = run(lambda batch: loss_model(batch, training=True), batch())
    return {name: float(parts[name].mean) for name in LOSS_NAMES}


@pytest.fixture(scope="module")
def start() -> list[np.ndarray]:
    return read(make_network().variables)


@pytest.fixture(scope="module")
def plain(start: list[np.ndarray]) -> dict[str, float]:
    """The losses in float32."""
    return compute_losses(make_loss_model(start))


def near(losses: dict[str, float]) -> Any:
    """Allows for 8 bits of mantissa: an activation is off by up to 0.4 %, and other proposals may be chosen."""
    return pytest.approx(losses, rel=0.05)


def test_losses_in_bfloat16_are_near_those_in_float32(start: list[np.ndarray], plain: dict[str, float]) -> None:
    losses = compute_losses(make_loss_model(start, precision="mixed_bfloat16"))
    assert losses == near(plain)
    assert losses != plain


def test_a_step_in_bfloat16_moves_what_learns_in_float32(start: list[np.ndarray], plain: dict[str, float]) -> None:
    loss_model = make_loss_model(start, precision="mixed_bfloat16", remat=True)
    loss_model.compile(make_optimizer("sgd"))
    loss_model.optimizer.build(loss_model.trainable_variables)
    set_hyperparameters(loss_model.optimizer, Hyperparameters("sgd", 0.01, 0.9, weight_decay=0.0))
    assert {str(variable.dtype) for variable in loss_model.optimizer.momentums} == {"float32"}
    losses, model = loss_model.train_on_batch(batch(), return_dict=True), loss_model.network
    assert {name: losses[name] for name in LOSS_NAMES} == near(plain)
    assert {variable.dtype for variable in model.variables} == {"float32"}
    learning = {id(variable) for variable in model.trainable_variables}
    moved = [not np.array_equal(np.asarray(v), old) for v, old in zip(model.variables, start, strict=True)]
    assert not any(has for v, has in zip(model.variables, moved, strict=True) if id(v) not in learning)
    assert sum(moved) > len(learning) / 2


def test_activations_are_bfloat16_and_all_that_leaves_a_head_is_float32() -> None:
    model = make_network(precision="mixed_bfloat16")

    def heads(images: Any, rois: Any) -> tuple[Any, ...]:
        pyramid = model.extract_features(images)
        return pyramid[0], *model.rpn_head(pyramid), *model.classify(pyramid, rois), model.segment(pyramid, rois)

    level, *found = run(heads, make_batch([1], 6)["images"], np.float32([[[0.1, 0.1, 0.9, 0.9]]]))
    assert level.dtype.name == "bfloat16"
    assert {values.dtype.name for values in found} == {"float32"}


def test_the_configuration_of_keras_changes_no_network() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make_network()
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    assert {layer.compute_dtype for layer in [model, *model.layers]} == {"float32"}
