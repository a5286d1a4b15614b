"""The head of the region proposal network."""

from pathlib import Path

import numpy as np

from maskrcnn.network.layers import RPNHead
from tests.backends import run
from tests.network.layers.contract import check_layer, wrap


def test_rpn_head_keeps_the_contract(tmp_path: Path):
    # 3 anchors in each of 4 x 6 + 2 x 3 cells
    check_layer(
        RPNHead(channels=5, anchors_per_cell=3),
        input_shapes=((4, 6, 4), (2, 3, 4)),
        output_shapes=((90, 2), (90, 4)),
        weights=[f"{layer}/{weight}" for layer in ("shared", "logits", "deltas") for weight in ("kernel", "bias")],
        folder=tmp_path,
    )


def test_anchors_are_listed_by_level_row_column_and_ratio():
    # The shared layer passes on what it sees; output i of the logits is x + i, of the deltas 10x + i.
    head = RPNHead(channels=1, anchors_per_cell=3)
    wrap(head, ((2, 2, 1), (1, 1, 1)))
    middle = np.zeros((3, 3, 1, 1), np.float32)
    middle[1, 1] = 1
    head.shared.kernel.assign(middle)
    head.logits.kernel.assign(np.ones((1, 1, 1, 6)))
    head.logits.bias.assign(np.arange(6))
    head.deltas.kernel.assign(np.full((1, 1, 1, 12), 10))
    head.deltas.bias.assign(np.arange(12))
    fine = np.array([100, 200, 300, 400], np.float32).reshape(1, 2, 2, 1)
    coarse = np.array([500], np.float32).reshape(1, 1, 1, 1)

    logits, deltas = run(head, (fine, coarse))
    cells = np.repeat([100, 200, 300, 400, 500], 3)[:, None]  # anchors of one cell stand together
    ratios = np.tile([0, 1, 2], 5)[:, None]
    np.testing.assert_allclose(logits[0], cells + 2 * ratios + np.arange(2), rtol=1e-6)
    np.testing.assert_allclose(deltas[0], 10 * cells + 4 * ratios + np.arange(4), rtol=1e-6)
