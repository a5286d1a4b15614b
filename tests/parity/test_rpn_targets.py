"""The targets of 32736 anchors against those recorded from Matterport's code.

`data/rpn_targets.npz` was recorded for 256x512 images with a TensorFlow 2 port of matterport/Mask_RCNN
(z-mahmud22/Mask-RCNN_TF2.14.0 @ fec97db, MIT): `match_full` before, `match` and `bbox` after subsampling.
"""

from pathlib import Path

import numpy as np
import pytest

from maskrcnn.learning.sampling import match_anchors
from maskrcnn.network.ops.boxes import DELTA_STD, encode_deltas, make_anchors
from tests.backends import run

ANCHORS = make_anchors((256, 512), (32, 64, 128, 256, 512))
CASES = range(5)  # 1, 5, 20 and 50 truths; 12 of which two are crowds
CAP = 50


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "data" / "rpn_targets.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("case", CASES)
def test_every_anchor_gets_its_label(case: int, recorded: dict[str, np.ndarray]) -> None:
    # Of anchors that overlap a truth equally well, rounding chose theirs; ours are all of them.
    labels, _ = match(recorded, case)
    expected = recorded[f"match_full{case}"].copy()
    expected[ties(recorded[f"boxes{case}"][recorded[f"cls{case}"] > 0])] = 1
    np.testing.assert_array_equal(labels, expected)
    assert (labels[recorded[f"match_full{case}"] == 1] == 1).all()


@pytest.mark.parametrize("case", CASES)
def test_every_sampled_object_gets_its_truth(case: int, recorded: dict[str, np.ndarray]) -> None:
    _, matches = match(recorded, case)
    drawn = np.flatnonzero(recorded[f"match{case}"] == 1)
    deltas = run(encode_deltas, ANCHORS[drawn], recorded[f"boxes{case}"][matches[drawn]]) / np.float32(DELTA_STD)
    np.testing.assert_allclose(deltas, recorded[f"bbox{case}"][: len(drawn)], rtol=1e-4, atol=1e-4)


def ties(boxes: np.ndarray) -> np.ndarray:
    """Returns which anchors overlap a truth as well as the best anchor does."""
    anchors, boxes = ANCHORS[:, None].astype(np.float64), boxes[None].astype(np.float64)
    sides = np.minimum(anchors[..., 2:], boxes[..., 2:]) - np.maximum(anchors[..., :2], boxes[..., :2])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    iou = shared / (area(anchors) + area(boxes) - shared)
    return (iou > (1 - 1e-6) * iou.max(axis=0)).any(axis=1)


def area(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)


def match(recorded: dict[str, np.ndarray], case: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels and matches; they mark a crowd by a negative class."""
    boxes, class_ids = recorded[f"boxes{case}"], recorded[f"cls{case}"]
    padding = CAP - len(boxes)
    boxes = np.pad(boxes, [(0, padding), (0, 0)]).astype(np.float32)
    class_ids = np.pad(class_ids, (0, padding))
    labels, matches = run(match_anchors, ANCHORS, boxes[None], abs(class_ids)[None], (class_ids < 0)[None])
    return labels[0], matches[0]
