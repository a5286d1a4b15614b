"""The mask head and its upsampling."""

from pathlib import Path

import keras
import numpy as np

from maskrcnn.network.layers import MaskHead, Upsampling
from tests.backends import run, weight_gradients
from tests.network.layers.contract import NORM, check_layer, draw, scramble, wrap

LINEAR = ("kernel", "bias")


def test_mask_head_keeps_the_contract(tmp_path: Path):
    # four times a 3x3 convolution keeps 14x14, upsampling doubles it
    check_layer(
        MaskHead(class_count=3, channels=5),
        input_shapes=(2, 14, 14, 4),
        output_shapes=(2, 28, 28, 3),
        weights=[
            *(f"conv{i}/conv/{weight}" for i in (1, 2, 3, 4) for weight in LINEAR),
            *(f"conv{i}/norm/{weight}" for i in (1, 2, 3, 4) for weight in NORM),
            *(f"{layer}/{weight}" for layer in ("upsampling", "logits") for weight in LINEAR),
        ],
        folder=tmp_path,
    )


def test_upsampling_keeps_the_contract(tmp_path: Path):
    check_layer(
        Upsampling(channels=3),
        input_shapes=(3, 5, 4),
        output_shapes=(6, 10, 3),
        weights=list(LINEAR),
        folder=tmp_path,
    )


def test_every_pixel_becomes_two_by_two():
    # kernel (in, row, column, out) = 1 2 / 3 4, bias 10, pixels 1 and 5
    layer = Upsampling(channels=1)
    wrap(layer, (1, 2, 1))
    layer.kernel.assign(np.array([1, 2, 3, 4]).reshape(1, 2, 2, 1))
    layer.bias.assign([10])
    upsampled = run(layer, np.array([1, 5], np.float32).reshape(1, 1, 2, 1))
    np.testing.assert_allclose(upsampled[0, ..., 0], [[11, 12, 15, 20], [13, 14, 25, 30]], rtol=1e-6)


def test_upsampling_is_a_transposed_convolution_in_values_and_gradients():
    ours, theirs = Upsampling(channels=3), keras.layers.Conv2DTranspose(3, 2, 2)
    shape = (3, 5, 4)
    wrap(ours, shape)
    wrap(theirs, shape)
    scramble(ours)
    theirs.kernel.assign(np.transpose(np.asarray(ours.kernel), (1, 2, 3, 0)))
    theirs.bias.assign(np.asarray(ours.bias))
    x, weights = draw(shape), draw((6, 10, 3))
    np.testing.assert_allclose(run(ours, x), run(theirs, x), rtol=1e-5, atol=1e-6)

    kernel, bias = weight_gradients(lambda: keras.ops.sum(ours(x) * weights), [ours.kernel, ours.bias])
    their_kernel, their_bias = weight_gradients(
        lambda: keras.ops.sum(theirs(x) * weights), [theirs.kernel, theirs.bias]
    )
    np.testing.assert_allclose(np.transpose(kernel, (1, 2, 3, 0)), their_kernel, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bias, their_bias, rtol=1e-4, atol=1e-5)
