"""The feature pyramid."""

from pathlib import Path

import numpy as np

from maskrcnn.network.layers import FPN
from tests.backends import run
from tests.network.layers.contract import check_layer, wrap

LEVELS = (2, 3, 4, 5)


def test_fpn_keeps_the_contract(tmp_path: Path):
    # P6 is a quarter of P5
    layers = [f"{kind}{level}" for kind in ("lateral", "smoothing") for level in LEVELS]
    check_layer(
        FPN(channels=6),
        input_shapes=((16, 32, 3), (8, 16, 5), (4, 8, 7), (2, 4, 9)),
        output_shapes=((16, 32, 6), (8, 16, 6), (4, 8, 6), (2, 4, 6), (1, 2, 6)),
        weights=[f"{layer}/{weight}" for layer in layers for weight in ("kernel", "bias")],
        folder=tmp_path,
    )


def test_every_level_adds_all_that_is_coarser():
    # Laterals of 1 and smoothings that pass the middle: P5 = C5 and P4 = C4 + C5, repeated twice a side.
    fpn = FPN(channels=1)
    wrap(fpn, ((16, 16, 1), (8, 8, 1), (4, 4, 1), (2, 2, 1)))
    middle = np.zeros((3, 3, 1, 1), np.float32)
    middle[1, 1] = 1
    for lateral, smoothing in zip(fpn.laterals, fpn.smoothings, strict=True):
        lateral.kernel.assign(np.ones((1, 1, 1, 1)))
        smoothing.kernel.assign(middle)
    rng = np.random.default_rng(0)
    c2, c3, c4, c5 = (rng.normal(size=(1, side, side, 1)).astype(np.float32) for side in (16, 8, 4, 2))

    p2, p3, p4, p5, p6 = run(fpn, (c2, c3, c4, c5))
    twice = np.ones((1, 2, 2, 1))
    np.testing.assert_allclose(p5, c5, atol=1e-6)
    np.testing.assert_allclose(p4, c4 + np.kron(c5, twice), atol=1e-6)
    np.testing.assert_allclose(p3, c3 + np.kron(p4, twice), atol=1e-5)
    np.testing.assert_allclose(p2, c2 + np.kron(p3, twice), atol=1e-5)
    np.testing.assert_array_equal(p6, p5[:, ::2, ::2])
