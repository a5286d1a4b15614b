"""Activations that are computed again: the same step, with less kept for the backward pass."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

from maskrcnn.learning.loss_model import LossModel
from maskrcnn.network.model import build_mask_rcnn
from tests.backends import run, weight_gradients
from tests.tiny import make_batch, network, read, reset

CONVOLUTIONS = 16  # of the blocks of the tests' ResNet14: four blocks of three and a shortcut


@pytest.fixture(autouse=True)
def plain_again() -> Iterator[None]:
    """Leaves the network of all tests as it was."""
    reset()
    yield
    network().backbone.remat = False
    reset()


@pytest.mark.parametrize("live", [False, True])
def test_the_gradient_of_the_backbone_is_the_plain_one(live: bool) -> None:
    variables = network().backbone.trainable_variables
    images = make_batch([1, 2], 6)["images"]

    def energy() -> Any:
        return sum(keras.ops.mean(values**2) for values in network().encode(images, training=live))

    plain = weight_gradients(energy, variables)
    network().backbone.remat = True
    assert_close(weight_gradients(energy, variables), plain)


def test_moving_statistics_are_those_of_the_plain_step() -> None:
    images = make_batch([1, 2], 6)["images"]
    statistics = network().backbone.non_trainable_variables

    def move(images: Any) -> Any:
        with keras.StatelessScope() as scope:
            network().encode(images, training=True)
        return [scope.get_current_value(variable) for variable in statistics]

    plain = run(lambda images: move(images), images)
    network().backbone.remat = True
    moved = run(lambda images: move(images), images)
    assert all((new != old).any() for new, old in zip(moved, read(statistics), strict=True))
    assert_close(moved, plain)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="takes minutes to compile")
def test_a_step_with_live_batch_norm_ends_where_the_plain_step_ends() -> None:
    # At a learning rate of 1 the weights move by their gradients; the blocks also assign their moving statistics.
    start, plain_losses = read(network().variables), take_step(run_eagerly=True)  # compiling takes longer
    plain = read(network().variables)
    reset()
    network().backbone.remat = True
    assert take_step(jit_compile=False) == pytest.approx(plain_losses, rel=1e-6)
    moves = [[new - old for new, old in zip(end, start, strict=True)] for end in (read(network().variables), plain)]
    assert_close(*moves)


def take_step(**arguments: Any) -> dict[str, float]:
    batch = make_batch([1, 2], 6)
    model = LossModel(network(), num_proposals=40, num_anchors=64, num_rois=20, live_batch_norm=True)
    model.compile(keras.optimizers.SGD(1.0), **arguments)
    return model.train_on_batch(batch, return_dict=True)


def assert_close(values: list[np.ndarray], expected: list[np.ndarray]) -> None:
    """Compares up to rounding of the largest value: a bias before a live norm has no gradient but rounding."""
    limit = 1e-6 * max(np.abs(array).max() for array in expected)
    for mine, plain in zip(values, expected, strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-6, atol=limit)


def test_the_backward_pass_runs_the_blocks_again() -> None:
    images = make_batch([1], 6)["images"]
    plain = count_convolutions(images)
    network().backbone.remat = True
    assert count_convolutions(images) == plain + CONVOLUTIONS


def count_convolutions(images: np.ndarray) -> int:
    """Returns the convolutions of the backbone and of its gradient, those of the gradient by name left out."""
    variables = network().backbone.trainable_variables

    def energy() -> Any:
        return sum(keras.ops.mean(values) for values in network().encode(images))

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def gradients() -> Any:
            with tf.GradientTape() as tape:
                value = energy()
            return tape.gradient(value, [variable.value for variable in variables])

        graph = tf.function(gradients, autograph=False).get_concrete_function().graph
        return sum(operation.type == "Conv2D" for operation in graph.get_operations())
    import jax

    def at(values: list[Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return energy()

    return str(jax.make_jaxpr(jax.grad(at))([variable.value for variable in variables])).count("conv_general_dilated[")


def test_the_builder_passes_it_on_and_finds_the_same() -> None:
    model = build_mask_rcnn(
        backbone="resnet14", image_shape=(64, 64), class_count=3, backbone_width=4, fpn_channels=4, rpn_channels=4,
        box_channels=4, mask_channels=4, remat=True,
    )  # fmt: skip
    assert model.backbone.remat
    assert model.backbone.get_config()["remat"]
    images = make_batch([1], 6)["images"]
    recomputed = run(lambda images: model.encode(images), images)
    model.backbone.remat = False
    for values, plain in zip(recomputed, run(lambda images: model.encode(images), images), strict=True):
        np.testing.assert_allclose(values, plain, rtol=1e-6, atol=1e-6)
