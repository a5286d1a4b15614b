"""The five losses against recorded values of Matterport's code.

`data/losses.npz` was recorded with a TensorFlow 2 port of matterport/Mask_RCNN (z-mahmud22/Mask-RCNN_TF2.14.0 @
fec97db, MIT). Of the masks it holds those of the true classes, all that the loss looks at.
"""

from pathlib import Path

import numpy as np
import pytest

from maskrcnn.learning import losses
from tests.backends import run

# Keras' bounds for probabilities, which the recording holds instead of logits
LOWEST, HIGHEST = np.float32([1e-7, 1 - 1e-7])
EXACT = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "data" / "losses.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_smooth_l1(recorded: dict[str, np.ndarray]) -> None:
    values = run(losses.smooth_l1, recorded["sl1_p"], recorded["sl1_t"])
    np.testing.assert_allclose(values, recorded["out_smooth_l1"], **EXACT)


def test_rpn_class_loss(recorded: dict[str, np.ndarray]) -> None:
    match = recorded["rpn_match"][..., 0]
    total, count = run(losses.rpn_class_loss, recorded["rpn_logits"], (match == 1).astype(np.int32), match != 0)
    assert count == np.count_nonzero(match)
    np.testing.assert_allclose(total / count, recorded["out_rpn_class"], **EXACT)


def test_rpn_box_loss(recorded: dict[str, np.ndarray]) -> None:
    # Their targets stand in the first rows, ours in the rows of the anchors.
    positive = recorded["rpn_match"][..., 0] == 1
    targets = np.zeros_like(recorded["rpn_bbox"])
    for target, rows, packed in zip(targets, positive, recorded["rpn_bbox_t"], strict=True):
        target[rows] = packed[: rows.sum()]
    total, count = run(losses.rpn_box_loss, recorded["rpn_bbox"], targets, positive)
    np.testing.assert_allclose(total / count, recorded["out_rpn_bbox"], **EXACT)


def test_class_loss(recorded: dict[str, np.ndarray]) -> None:
    class_ids = recorded["cls_t"]
    total, count = run(losses.class_loss, recorded["cls_logits"], class_ids, np.ones_like(class_ids, bool))
    np.testing.assert_allclose(total / count, recorded["out_cls"], **EXACT)


def test_box_loss(recorded: dict[str, np.ndarray]) -> None:
    class_ids = recorded["cls_t"]
    total, count = run(losses.box_loss, recorded["bb_p"], recorded["bb_t"], class_ids, class_ids > 0)
    np.testing.assert_allclose(total / count, recorded["out_bbox"], **EXACT)


def test_mask_loss(recorded: dict[str, np.ndarray]) -> None:
    class_ids = recorded["cls_t"]
    positive = class_ids > 0
    probabilities = np.clip(recorded["mk_p"], LOWEST, HIGHEST).astype(np.float64)
    logits = np.full((*class_ids.shape, 28, 28, 11), 3, np.float32)
    logits[(*positive.nonzero(), slice(None), slice(None), class_ids[positive])] = np.log(
        probabilities / (1 - probabilities)
    )
    targets = np.zeros(logits.shape[:-1], np.float32)
    targets[positive] = np.unpackbits(recorded["mk_t"]).reshape(-1, 28, 28)
    total, count = run(losses.mask_loss, logits, targets, class_ids, positive)
    np.testing.assert_allclose(total / count, recorded["out_mask"], rtol=1e-4)  # Keras adds 1e-7 inside of logarithms


def test_nothing_to_learn_costs_nothing(recorded: dict[str, np.ndarray]) -> None:
    class_ids, no_region = 0 * recorded["cls_t"], recorded["cls_t"] < 0
    labels = 0 * recorded["rpn_match"][..., 0].astype(np.int32)
    no_anchor = labels > 0
    boxes = run(losses.box_loss, recorded["bb_p"], recorded["bb_t"], class_ids, no_region)
    assert boxes == (recorded["out_bbox_nopos"], 0)
    rpn_classes = run(losses.rpn_class_loss, recorded["rpn_logits"], labels, no_anchor)
    assert rpn_classes == (recorded["out_rpn_class_none"], 0)
    rpn_boxes = run(losses.rpn_box_loss, recorded["rpn_bbox"], 0 * recorded["rpn_bbox"], no_anchor)
    assert rpn_boxes == (recorded["out_rpn_bbox_none"], 0)
    # Theirs is NaN.
    assert np.isnan(recorded["out_cls_noneactive"])
    assert run(losses.class_loss, recorded["cls_logits"], class_ids, no_region) == (0, 0)
