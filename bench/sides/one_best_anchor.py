"""The training stage, with one best anchor for each truth: `one_best_anchor.py VARIANT`, see bench/anchor_ties.py.

Of the anchors whose IoU with a truth is within `tie` of its highest, the one whose centre is nearest to the truth's is
the best; `match_anchors` takes all of them.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from maskrcnn.project.runtime import prepare_runtime

if __name__ == "__main__":
    prepare_runtime()

from keras import ops

from maskrcnn.learning import targets
from maskrcnn.learning.sampling import truth_kinds
from maskrcnn.network.ops.boxes import pairwise_iou
from stages.train import main

TIE = 1 - 1e-4


def match_nearest(anchors: Any, gt_boxes: Any, gt_class_ids: Any, gt_is_crowd: Any) -> tuple[Any, Any]:
    """Labels anchors as `match_anchors` does, with one best anchor for each truth."""
    is_truth, is_crowd = truth_kinds(gt_boxes, gt_class_ids, gt_is_crowd)
    anchors, gt_boxes = ops.cast(anchors, "float32"), ops.cast(gt_boxes, "float32")
    iou = pairwise_iou(anchors[None], gt_boxes)
    crowd_iou = ops.max(ops.where(is_crowd[:, None], iou, 0.0), axis=2)
    iou = ops.where(is_truth[:, None], iou, 0.0)
    best_of_truth = ops.max(iou, axis=1, keepdims=True)
    tied = (iou >= TIE * best_of_truth) & (best_of_truth > 0)
    distances = ops.sum(ops.square(centers(anchors)[None, :, None] - centers(gt_boxes)[:, None]), axis=-1)
    nearest = ops.argmin(ops.where(tied, distances, 1e12), axis=1)
    chosen = ops.transpose(ops.one_hot(nearest, anchors.shape[0], dtype="bool"), (0, 2, 1)) & tied
    positive = (ops.max(iou, axis=2) >= 0.7) | ops.any(chosen, axis=2)
    negative = (ops.max(iou, axis=2) < 0.3) & (crowd_iou < 1e-3) & ~positive
    return ops.cast(positive, "int32") - ops.cast(negative, "int32"), ops.cast(ops.argmax(iou, axis=2), "int32")


def centers(boxes: Any) -> Any:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


if __name__ == "__main__":
    targets.match_anchors = match_nearest
    main(sys.argv[1])
