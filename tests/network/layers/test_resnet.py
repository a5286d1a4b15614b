"""The bottom-up pathway."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from maskrcnn.network.layers import BLOCK_COUNTS, ConvNorm, ResNet
from tests.backends import run, weight_gradients
from tests.network.layers.contract import NORM, check_layer, names, wrap

CONV = ("conv/kernel", "conv/bias", *(f"norm/{name}" for name in NORM))


def expected_names(block_counts: tuple[int, ...]) -> list[str]:
    parts = [
        f"stage{stage}_block{block + 1}/{part}"
        for stage, count in enumerate(block_counts, start=2)
        for block in range(count)
        for part in ("reduce", "spatial", "expand", *(["shortcut"] if block == 0 else []))
    ]
    return [f"{part}/{weight}" for part in ["stem", *parts] for weight in CONV]


def test_resnet_keeps_the_contract(tmp_path: Path):
    # strides 4, 8, 16, 32 of 64x96; depth 4 x width, doubled at every stage
    check_layer(
        ResNet((1, 2, 1, 1), width=4),
        input_shapes=(64, 96, 3),
        output_shapes=((16, 24, 16), (8, 12, 32), (4, 6, 64), (2, 3, 128)),
        weights=expected_names((1, 2, 1, 1)),
        folder=tmp_path,
    )


@pytest.mark.parametrize(("name", "depth"), [("resnet14", 14), ("resnet26", 26), ("resnet50", 50), ("resnet101", 101)])
def test_the_number_in_the_name_counts_the_layers(name: str, depth: int):
    # three convolutions a block, the stem, and the classifier that the paper also counts
    assert 3 * sum(BLOCK_COUNTS[name]) + 2 == depth


def test_frozen_statistics_normalise_by_the_moving_average():
    # (2x + 1 - 3) / sqrt(3.999 + 0.001) * 5 + 7 = 5x + 2
    layer = ConvNorm(1, 1)
    wrap(layer, (1, 1, 1))
    for name, value in zip(names(layer), (2, 1, 5, 7, 3, 3.999), strict=True):
        variable = layer.weights[names(layer).index(name)]
        variable.assign(np.full(variable.shape, value))
    x = np.array([0, 1, -2], np.float32).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(run(layer, x).ravel(), [2, 7, -8], rtol=1e-5)


def test_folding_changes_no_gradient():
    layer, rng = ConvNorm(3, 3), np.random.default_rng(0)
    layer.build((1, 6, 6, 2))
    for variable in layer.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    x = keras.ops.convert_to_tensor(rng.normal(size=(1, 6, 6, 2)).astype(np.float32))

    def gradients(call: Callable[[], Any]) -> list[np.ndarray]:
        return weight_gradients(lambda: keras.ops.sum(keras.ops.sin(call())), layer.trainable_variables)

    plain = gradients(lambda: layer.norm(layer.conv(x), training=False))
    for folded, expected in zip(gradients(lambda: layer(x)), plain, strict=True):
        np.testing.assert_allclose(folded, expected, rtol=1e-4, atol=1e-5)


def test_live_statistics_normalise_by_the_batch():
    layer = ConvNorm(1, 1)
    wrap(layer, (1, 1, 1))
    x = np.array([-1, 1, 3], np.float32).reshape(3, 1, 1, 1)
    y = run(lambda x: layer(x, training=True), x).ravel()
    np.testing.assert_allclose(y, -y[::-1], atol=1e-5)  # the middle is the mean
    np.testing.assert_allclose(np.abs(y[0]), np.sqrt(3 / 2), rtol=1e-2)  # variance 8/3 of steps of 2


def test_the_stride_sits_on_the_first_convolution_of_a_stage():
    block = ResNet((1, 1, 1, 1), width=4).stages[1][0]
    assert [getattr(block, part).conv.strides[0] for part in ("reduce", "spatial", "expand", "shortcut")] == [
        2,
        1,
        1,
        2,
    ]
