"""The five losses of Mask R-CNN: each a sum over the entries that count, and how many those are.

Sums can be added over the parts of a batch before `mean_loss` divides them.

M regions of interest are those with a slot for a positive. Targets are constants: no gradient flows through them.
"""

from typing import NamedTuple

import keras
from jaxtyping import Bool, Float, Int, Num, Shaped
from keras import ops

from maskrcnn.network.devices import mean_over_devices
from maskrcnn.project.notation import Array


class LossSum(NamedTuple):
    """A sum over `count` entries."""

    total: Float[Array, ""]
    count: Float[Array, ""]


class MeanLoss(NamedTuple):
    """A mean over `count` entries, 0 if there are none.

    Where TensorFlow spreads a batch over several devices, each has a MeanLoss of its own. The mean of their means is
    the one over all entries, and the sum of their counts is the number of all entries.
    """

    mean: Float[Array, ""]
    count: Float[Array, ""]


def rpn_class_loss(logits: Float[Array, "B S 2"], labels: Int[Array, "B S"], valid: Bool[Array, "B S"]) -> LossSum:
    """Returns the summed cross-entropy of object against background over the sampled anchors.

    Args:
        logits: Of the S sampled anchors, background first.
        labels: 1 for an object, 0 for background.
        valid: 0 on padding.
    Source:
        Faster R-CNN (arXiv:1506.01497), equation 1; Matterport `rpn_class_loss_graph`.
    """
    return masked_sum(_sparse_cross_entropy(logits, labels), valid)


def rpn_box_loss(
    deltas: Float[Array, "B N 4"], target_deltas: Float[Array, "B N 4"], valid: Bool[Array, "B N"]
) -> LossSum:
    """Returns the summed smooth L1 distance over the sampled positive anchors.

    Args:
        deltas: Predicted, in units of the box standard deviation.
        target_deltas: In the same units.
        valid: 0 on anchors that are not positive, and on padding.
    Source:
        Faster R-CNN (arXiv:1506.01497), equation 1; Matterport `rpn_bbox_loss_graph`.
    """
    return masked_sum(ops.mean(smooth_l1(deltas, target_deltas), axis=-1), valid)


def class_loss(logits: Float[Array, "B R K"], class_ids: Int[Array, "B R"], valid: Bool[Array, "B R"]) -> LossSum:
    """Returns the summed cross-entropy of the classes over the sampled regions.

    Args:
        logits: Of every class, background first.
        class_ids: 0 for background.
        valid: 0 on padding.
    Source:
        Fast R-CNN (arXiv:1504.08083), section 2.3; Matterport `mrcnn_class_loss_graph`, whose mean is
        0 / 0 when nothing counts and whose padding counts as background.
    """
    return masked_sum(_sparse_cross_entropy(logits, class_ids), valid)


def box_loss(
    deltas: Float[Array, "B M K 4"],
    target_deltas: Float[Array, "B M 4"],
    class_ids: Int[Array, "B M"],
    valid: Bool[Array, "B M"],
) -> LossSum:
    """Returns the summed smooth L1 distance of the true class's box over the positive regions.

    Args:
        deltas: Predicted for every class, in units of the box standard deviation.
        target_deltas: In the same units.
        class_ids: The true classes.
        valid: 0 on padding.
    Source:
        Fast R-CNN (arXiv:1504.08083), equation 2; Matterport `mrcnn_bbox_loss_graph`.
    """
    of_class = _select_class(deltas, class_ids, axis=2)
    return masked_sum(ops.mean(smooth_l1(of_class, target_deltas), axis=-1), valid)


def mask_loss(
    logits: Float[Array, "B M h w K"],
    target_masks: Float[Array, "B M h w"],
    class_ids: Int[Array, "B M"],
    valid: Bool[Array, "B M"],
) -> LossSum:
    """Returns the summed binary cross-entropy of the true class's mask over the positive regions.

    Args:
        logits: Predicted for every class.
        target_masks: Of 0 and 1.
        class_ids: The true classes.
        valid: 0 on padding.
    Source:
        Mask R-CNN (arXiv:1703.06870), section 3, "Mask Representation": no competition among classes.
    """
    of_class = _select_class(logits, class_ids, axis=4)
    entropy = ops.relu(of_class) - of_class * target_masks + ops.log1p(ops.exp(-ops.abs(of_class)))
    return masked_sum(ops.mean(entropy, axis=(-2, -1)), valid)


def smooth_l1(
    values: Float[Array, "*shape"], targets: Float[Array, "*shape"], *, beta: float = 1.0
) -> Float[Array, "*shape"]:
    """Returns the distance of every entry, quadratic below `beta` and linear above.

    Source:
        Fast R-CNN (arXiv:1504.08083), equation 3.
    """
    distance = ops.abs(values - targets)
    quadratic = 0.5 * ops.square(distance) / beta
    return ops.where(distance < beta, quadratic, distance - 0.5 * beta)


def masked_sum(values: Float[Array, "*shape"], weights: Shaped[Array, "*shape"]) -> LossSum:
    """Returns the weighted sum of all entries and the sum of the weights."""
    weights = ops.cast(weights, values.dtype)
    return LossSum(ops.sum(values * weights), ops.sum(weights))


def mean_loss(loss: LossSum) -> MeanLoss:
    """Returns a sum divided by its count, 0 with a gradient of 0 if nothing counts; of all devices, see `MeanLoss`."""
    count = mean_over_devices(loss.count)
    return MeanLoss(loss.total / ops.maximum(count, keras.config.epsilon()), count)


def _sparse_cross_entropy(logits: Float[Array, "*shape K"], class_ids: Int[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns minus the log probability of each entry's class."""
    one_hot = ops.one_hot(class_ids, logits.shape[-1], dtype=logits.dtype)
    return ops.logsumexp(logits, axis=-1) - ops.sum(logits * one_hot, axis=-1)


def _select_class(values: Num[Array, "B M ..."], class_ids: Int[Array, "B M"], axis: int) -> Num[Array, "B M ..."]:
    """Takes the entry of each region's class along one axis, which vanishes.

    A product with the one-hot class: its gradient is a product too, where that of a gather is a scatter.
    """
    one_hot = ops.one_hot(class_ids, values.shape[axis], dtype=values.dtype)
    spread = [-1, class_ids.shape[1]] + [1] * (len(values.shape) - 2)
    spread[axis] = values.shape[axis]
    return ops.sum(values * ops.reshape(one_hot, spread), axis=axis)
