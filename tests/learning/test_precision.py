"""Training in bfloat16: what stays float32, what stays as it was, and how near it comes to float32."""

from typing import Any

import keras
import numpy as np
import pytest

from maskrcnn.learning.loss_model import LOSS_NAMES, LossModel, set_learning_layers
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.network.model import MaskRCNN
from maskrcnn.project.config import Hyperparameters
from tests.backends import run
from tests.tiny import make_batch, make_network, read, write

LAYERS = "heads"  # the backbone is frozen: no step may change it


def take_step(precision: str, remat: bool, start: list[np.ndarray]) -> tuple[MaskRCNN, dict[str, float]]:
    """Returns a network after one step of its heads, and the losses of the step."""
    model = make_network(precision=precision, remat=remat)
    write(model.variables, start)
    set_learning_layers(model, LAYERS)
    batch = make_batch([1, 2], instance_cap=6)
    loss_model = LossModel(model, num_proposals=40, num_anchors=2000, num_rois=20)
    loss_model.compile(make_optimizer("sgd"))
    loss_model.optimizer.build(loss_model.trainable_variables)
    set_hyperparameters(loss_model.optimizer, Hyperparameters("sgd", 0.01, 0.9, weight_decay=0.0))
    assert {str(variable.dtype) for variable in loss_model.optimizer.momentums} == {"float32"}
    return model, loss_model.train_on_batch(batch, return_dict=True)


@pytest.fixture(scope="module")
def start() -> list[np.ndarray]:
    return read(make_network().variables)


@pytest.fixture(scope="module")
def plain(start: list[np.ndarray]) -> dict[str, float]:
    return take_step("float32", False, start)[1]


@pytest.mark.parametrize("remat", [False, True], ids=["plain", "remat"])
def test_a_step_in_bfloat16_is_near_that_in_float32(
    remat: bool, start: list[np.ndarray], plain: dict[str, float]
) -> None:
    model, losses = take_step("mixed_bfloat16", remat, start)
    # 8 bits of mantissa: an activation is off by up to 0.4 %, and other proposals may be chosen.
    assert {name: losses[name] for name in LOSS_NAMES} == pytest.approx({n: plain[n] for n in LOSS_NAMES}, rel=0.05)
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
