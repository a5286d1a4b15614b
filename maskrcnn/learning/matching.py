"""Which truth each anchor and each proposal belongs to.

Truths are padded; an entry with class id 0 or without area is no truth and matches nothing. Crowds are
regions where instances were not told apart: nothing is learned inside them.
"""

from keras import ops

from maskrcnn.network.ops.boxes import areas, pairwise_ioa, pairwise_iou
from maskrcnn.project.notation import Array, Boxes

ANCHOR_POSITIVE_IOU = 0.7
ANCHOR_NEGATIVE_IOU = 0.3
ANCHOR_CROWD_IOU = 1e-3
ANCHOR_TIE = 1 - 1e-4  # overlaps as close as this are equal but for rounding
ROI_POSITIVE_IOU = 0.5
ROI_CROWD_IOA = 0.5


def match_anchors(anchors: Boxes, gt_boxes: Boxes, gt_class_ids: Array, gt_is_crowd: Array) -> tuple[Array, Array]:
    """Labels every anchor as object, background or neither.

    An anchor is an object when its IoU with a truth is at least 0.7 or the best of all anchors for that
    truth, background when its IoU with every truth is below 0.3 and it touches no crowd.

    Args:
        anchors: (A, 4) in pixels.
        gt_boxes: (B, G, 4) in pixels.
        gt_class_ids: (B, G), 0 on padding.
        gt_is_crowd: (B, G).
    Returns:
        Labels (B, A): 1 object, -1 background, 0 neither; and the index (B, A) of the best truth.
    Source:
        Faster R-CNN (arXiv:1506.01497), section 3.1.2; Matterport `build_rpn_targets`, where a truth
        without area makes every anchor an object, and where rounding in float64 says which of several
        equally good anchors is the best; here all of them are.
    """
    is_truth, is_crowd = truth_kinds(gt_boxes, gt_class_ids, gt_is_crowd)
    anchors = ops.expand_dims(anchors, 0)

    def add_truth(index: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        best, matches, is_best, crowd_iou = state
        iou = pairwise_iou(anchors, _column(gt_boxes, index))[..., 0]
        crowd_iou = ops.maximum(crowd_iou, ops.where(_column(is_crowd, index), iou, 0.0))
        iou = ops.where(_column(is_truth, index), iou, 0.0)
        best_of_truth = ops.max(iou, axis=1, keepdims=True)
        is_best = is_best | ((iou >= ANCHOR_TIE * best_of_truth) & (best_of_truth > 0))
        matches = ops.where(iou > best, index, matches)
        return ops.maximum(best, iou), matches, is_best, crowd_iou

    # One truth at a time, up to the last: half a million anchors times all truths would take gigabytes.
    places = ops.arange(1, gt_boxes.shape[1] + 1, dtype="int32")
    truth_count = ops.max(ops.where(is_truth | is_crowd, places, 0))
    nothing = ops.zeros_like(gt_boxes[:, :1, 0]) + ops.zeros(anchors.shape[1])
    start = (nothing, ops.cast(nothing, "int32"), nothing > 0, nothing)
    best, matches, is_best, crowd_iou = ops.fori_loop(0, truth_count, add_truth, start)
    positive = (best >= ANCHOR_POSITIVE_IOU) | is_best
    negative = (best < ANCHOR_NEGATIVE_IOU) & (crowd_iou < ANCHOR_CROWD_IOU) & ~positive
    return ops.cast(positive, "int32") - ops.cast(negative, "int32"), matches


def match_proposals(proposals: Boxes, gt_boxes: Boxes, gt_class_ids: Array, gt_is_crowd: Array) -> tuple[Array, Array]:
    """Labels every proposal as object, background or neither.

    A proposal is an object when its IoU with a truth is at least 0.5; it is background otherwise, unless
    half of it lies in a crowd. Proposals without area are padding and are neither.

    Args:
        proposals: (B, P, 4), in the frame of the truths.
        gt_boxes: (B, G, 4).
        gt_class_ids: (B, G), 0 on padding.
        gt_is_crowd: (B, G).
    Returns:
        Labels (B, P): 1 object, -1 background, 0 neither; and the index (B, P) of the best truth.
    Source:
        Mask R-CNN (arXiv:1703.06870), section 3.1; Matterport `detection_targets_graph`, where an IoU
        of 0.001 with a crowd's box, a mere touch, already keeps a proposal from being background.
    """
    is_truth, is_crowd = truth_kinds(gt_boxes, gt_class_ids, gt_is_crowd)
    iou = _only(pairwise_iou(proposals, gt_boxes), is_truth)
    in_crowd = ops.max(_only(pairwise_ioa(proposals, gt_boxes), is_crowd), axis=2) >= ROI_CROWD_IOA
    best = ops.max(iou, axis=2)
    is_proposal = areas(proposals) > 0
    positive = is_proposal & (best >= ROI_POSITIVE_IOU)
    negative = is_proposal & (best < ROI_POSITIVE_IOU) & ~in_crowd
    labels = ops.cast(positive, "int32") - ops.cast(negative, "int32")
    return labels, ops.argmax(iou, axis=2)


def truth_kinds(gt_boxes: Boxes, gt_class_ids: Array, gt_is_crowd: Array) -> tuple[Array, Array]:
    """Returns which entries (B, G) are single instances and which are crowds; padding is neither."""
    exists = (gt_class_ids > 0) & (areas(gt_boxes) > 0)
    gt_is_crowd = ops.cast(gt_is_crowd, "bool")
    return exists & ~gt_is_crowd, exists & gt_is_crowd


def _column(values: Array, index: Array) -> Array:
    """Takes one column (B, 1, ...) of values (B, G, ...)."""
    return ops.expand_dims(ops.take(values, index, axis=1), 1)


def _only(values: Array, kept: Array) -> Array:
    """Zeroes the columns (B, N, G) of the truths (B, G) that are not kept."""
    return values * ops.cast(ops.expand_dims(kept, 1), values.dtype)
