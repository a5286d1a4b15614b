"""The five losses of Mask R-CNN, each a mean over the entries that count and 0 when none does.

Targets are constants: no gradient flows through them.
"""

import keras
from keras import ops

from maskrcnn.project.notation import Array

SMOOTH_L1_BETA = 1.0


def rpn_class_loss(logits: Array, labels: Array, valid: Array) -> Array:
    """Returns the cross-entropy of object against background over the sampled anchors.

    Args:
        logits: (B, S, 2) of the sampled anchors, background first.
        labels: (B, S), 1 on an object, 0 on background.
        valid: (B, S), 0 on padding.
    Source:
        Faster R-CNN (arXiv:1506.01497), equation 1; Matterport `rpn_class_loss_graph`.
    """
    return masked_mean(_sparse_cross_entropy(logits, labels), valid)


def rpn_box_loss(deltas: Array, target_deltas: Array, valid: Array) -> Array:
    """Returns the smooth L1 distance over the sampled positive anchors.

    Args:
        deltas: (B, S, 4), in units of the box standard deviation.
        target_deltas: (B, S, 4), likewise.
        valid: (B, S), 0 on padding.
    Source:
        Faster R-CNN (arXiv:1506.01497), equation 1; Matterport `rpn_bbox_loss_graph`.
    """
    return masked_mean(ops.mean(smooth_l1(deltas, target_deltas), axis=-1), valid)


def class_loss(logits: Array, class_ids: Array, weights: Array) -> Array:
    """Returns the cross-entropy of the classes over the regions that count.

    Args:
        logits: (B, R, K).
        class_ids: (B, R), 0 for background.
        weights: (B, R), 0 on padding.
    Source:
        Fast R-CNN (arXiv:1504.08083), section 2.3; Matterport `mrcnn_class_loss_graph`, whose mean is
        0 / 0 when nothing counts and whose padding counts as background.
    """
    return masked_mean(_sparse_cross_entropy(logits, class_ids), weights)


def box_loss(deltas: Array, target_deltas: Array, class_ids: Array, valid: Array) -> Array:
    """Returns the smooth L1 distance of the true class's box over the positive regions.

    Args:
        deltas: (B, R, K, 4), in units of the box standard deviation.
        target_deltas: (B, R, 4), likewise.
        class_ids: (B, R).
        valid: (B, R), 0 on padding.
    Source:
        Fast R-CNN (arXiv:1504.08083), equation 2; Matterport `mrcnn_bbox_loss_graph`.
    """
    of_class = _select_class(deltas, class_ids, axis=2)
    return masked_mean(ops.mean(smooth_l1(of_class, target_deltas), axis=-1), valid)


def mask_loss(logits: Array, target_masks: Array, class_ids: Array, valid: Array) -> Array:
    """Returns the binary cross-entropy of the true class's mask over the positive regions.

    Args:
        logits: (B, R, 28, 28, K).
        target_masks: (B, R, 28, 28) of 0 and 1.
        class_ids: (B, R).
        valid: (B, R), 0 on padding.
    Source:
        Mask R-CNN (arXiv:1703.06870), section 3, "Mask Representation": no competition among classes.
    """
    of_class = _select_class(logits, class_ids, axis=4)
    entropy = ops.relu(of_class) - of_class * target_masks + ops.log1p(ops.exp(-ops.abs(of_class)))
    return masked_mean(ops.mean(entropy, axis=(-2, -1)), valid)


def smooth_l1(values: Array, targets: Array) -> Array:
    """Returns the distance, quadratic below 1 and linear above, entry by entry.

    Source:
        Fast R-CNN (arXiv:1504.08083), equation 3.
    """
    distance = ops.abs(values - targets)
    quadratic = 0.5 * ops.square(distance) / SMOOTH_L1_BETA
    return ops.where(distance < SMOOTH_L1_BETA, quadratic, distance - 0.5 * SMOOTH_L1_BETA)


def masked_mean(values: Array, weights: Array) -> Array:
    """Returns the weighted mean of all entries, 0 when no weight is positive."""
    weights = ops.cast(weights, values.dtype)
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), keras.config.epsilon())


def _sparse_cross_entropy(logits: Array, class_ids: Array) -> Array:
    """Returns minus the log probability of each entry's class: (..., K), (...) -> (...)."""
    one_hot = ops.one_hot(class_ids, logits.shape[-1], dtype=logits.dtype)
    return ops.logsumexp(logits, axis=-1) - ops.sum(logits * one_hot, axis=-1)


def _select_class(values: Array, class_ids: Array, axis: int) -> Array:
    """Takes the entry of each region's class along one axis, which vanishes.

    A product with the one-hot class: its gradient is a product too, where that of a gather is a scatter.
    """
    one_hot = ops.one_hot(class_ids, values.shape[axis], dtype=values.dtype)
    spread = [-1, class_ids.shape[1]] + [1] * (len(values.shape) - 2)
    spread[axis] = values.shape[axis]
    return ops.sum(values * ops.reshape(one_hot, spread), axis=axis)
