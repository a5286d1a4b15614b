"""The box head."""

from pathlib import Path

import keras
import numpy as np

from maskrcnn.network.layers import BoxHead
from tests.backends import run
from tests.network.layers.contract import BATCH, NORM, check_layer, draw, scramble, wrap

LINEAR = ("kernel", "bias")


def test_box_head_keeps_the_contract(tmp_path: Path):
    check_layer(
        BoxHead(class_count=3, channels=6),
        input_shapes=(5, 7, 7, 3),
        output_shapes=((5, 3), (5, 3, 4)),
        weights=[
            *(f"dense{i}/{weight}" for i in (1, 2) for weight in LINEAR),
            *(f"norm{i}/{weight}" for i in (1, 2) for weight in NORM),
            *(f"{layer}/{weight}" for layer in ("logits", "deltas") for weight in LINEAR),
        ],
        folder=tmp_path,
    )


def test_its_first_layer_is_a_convolution_as_large_as_the_crop():
    head = BoxHead(class_count=4, channels=6)
    wrap(head, (5, 7, 7, 3))
    scramble(head)
    kernel = np.asarray(head.dense[0].kernel)
    convolution = keras.layers.Conv2D(6, 7)
    convolution.build((None, 7, 7, 3))
    convolution.set_weights([kernel.reshape(7, 7, 3, 6), np.asarray(head.dense[0].bias)])
    crops = draw((5, 7, 7, 3)).reshape(-1, 7, 7, 3)
    np.testing.assert_allclose(
        run(head.dense[0], crops.reshape(BATCH * 5, -1)), run(convolution, crops)[:, 0, 0], rtol=1e-4, atol=1e-5
    )


def test_deltas_are_listed_by_class_and_coordinate():
    head = BoxHead(class_count=3, channels=6)
    wrap(head, (5, 7, 7, 3))
    head.deltas.kernel.assign(np.zeros(head.deltas.kernel.shape))
    head.deltas.bias.assign(np.arange(12))
    _, deltas = run(head, draw((5, 7, 7, 3)))
    np.testing.assert_array_equal(deltas, np.broadcast_to(np.arange(12).reshape(3, 4), (BATCH, 5, 3, 4)))


def test_regions_do_not_see_each_other():
    head = BoxHead(class_count=4, channels=6)
    wrap(head, (5, 7, 7, 3))
    scramble(head)
    crops = draw((5, 7, 7, 3))
    for together, alone in zip(run(head, crops), run(head, crops[:1, 1:2]), strict=True):
        np.testing.assert_allclose(alone, together[:1, 1:2], rtol=1e-4, atol=1e-5)
