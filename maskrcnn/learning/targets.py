"""What the network should have said, for a random sample of its anchors and proposals.

All targets are constants: gradients stop here, so the box loss cannot reach the RPN through its own
targets as it does in Matterport's code.
"""

from typing import NamedTuple

import keras
from keras import ops

from maskrcnn.learning.matching import match_anchors, match_proposals
from maskrcnn.learning.sampling import sample_labels
from maskrcnn.network.ops.boxes import DELTA_STD, encode_deltas, normalize_boxes
from maskrcnn.network.ops.roi_align import crop_and_resize_flat
from maskrcnn.project.notation import Array, Boxes

MASK_THRESHOLD = 0.5


class Truth(NamedTuple):
    """The padded truth of a batch.

    boxes (B, G, 4) in pixels; class_ids (B, G), 0 on padding; is_crowd (B, G);
    mini_masks (B, G, h, w), each instance's mask cut at its box and resized.
    """

    boxes: Boxes
    class_ids: Array
    is_crowd: Array
    mini_masks: Array


class RpnTargets(NamedTuple):
    """A sample of S anchors: indices (B, S), labels (B, S) 1 or 0, deltas (B, S, 4), and which slots count.

    `valid` (B, S) marks filled slots, `positive` (B, S) those on an object.
    """

    indices: Array
    labels: Array
    deltas: Array
    valid: Array
    positive: Array


class RoiTargets(NamedTuple):
    """A sample of R proposals, positives in the first M slots.

    rois (B, R, 4) normalised; class_ids (B, R), 0 for background; deltas (B, M, 4); masks
    (B, M, 28, 28) of 0 and 1; valid (B, R) marks filled slots, positive (B, M) those on an object.
    """

    rois: Boxes
    class_ids: Array
    deltas: Array
    masks: Array
    valid: Array
    positive: Array


def rpn_targets(anchors: Boxes, truth: Truth, sample_count: int, seed: keras.random.SeedGenerator) -> RpnTargets:
    """Draws anchors, at most half of them on objects, and says what the RPN should say of them.

    Args:
        anchors: (A, 4) in pixels.
        truth: The batch's truth.
        sample_count: Anchors drawn from each image.
        seed: Source of randomness.
    Source:
        Faster R-CNN (arXiv:1506.01497), section 3.1.3; Matterport `build_rpn_targets`.
    """
    labels, matches = match_anchors(anchors, truth.boxes, truth.class_ids, truth.is_crowd)
    positive_slots = sample_count // 2
    indices, valid = sample_labels(labels, positive_slots, sample_count, None, seed)
    is_object = ops.cast(ops.arange(positive_slots + sample_count) < positive_slots, "int32")
    boxes = ops.take(anchors, indices, axis=0)
    gt_boxes = take_rows(truth.boxes, take_rows(matches, indices))
    deltas = encode_deltas(boxes, gt_boxes) / ops.array(DELTA_STD, dtype="float32")
    labels = ops.broadcast_to(is_object, ops.shape(indices))
    return RpnTargets(*map(ops.stop_gradient, (indices, labels, deltas, valid, valid & (labels > 0))))


def roi_targets(
    proposals: Boxes,
    truth: Truth,
    image_shape: tuple[int, int],
    sample_count: int,
    positive_fraction: float,
    mask_shape: tuple[int, int],
    seed: keras.random.SeedGenerator,
) -> RoiTargets:
    """Draws proposals and says what the heads should say of them.

    The share of positives is kept when positives are few, as Matterport does; an image without any
    fills its slots with background.

    Args:
        proposals: (B, P, 4) normalised, zeros as padding.
        truth: The batch's truth.
        image_shape: Height and width in pixels.
        sample_count: Proposals drawn from each image.
        positive_fraction: Largest share of them on objects.
        mask_shape: Height and width of the mask targets.
        seed: Source of randomness.
    Source:
        Mask R-CNN (arXiv:1703.06870), section 3.1; Matterport `detection_targets_graph`.
    """
    gt_boxes = normalize_boxes(truth.boxes, image_shape)
    proposals = ops.stop_gradient(proposals)
    labels, matches = match_proposals(proposals, gt_boxes, truth.class_ids, truth.is_crowd)
    slots = int(sample_count * positive_fraction)
    wanted = _negatives_wanted(labels, slots, sample_count, positive_fraction)
    indices, valid = sample_labels(labels, slots, sample_count - slots, wanted, seed)
    rois = take_rows(proposals, indices) * ops.cast(valid, "float32")[..., None]
    positive, matches = valid[:, :slots], take_rows(matches, indices[:, :slots])
    positive_ids = take_rows(truth.class_ids, matches) * ops.cast(positive, truth.class_ids.dtype)
    class_ids = ops.pad(positive_ids, [[0, 0], [0, sample_count - slots]])
    gt_boxes = take_rows(gt_boxes, matches)
    deltas = encode_deltas(rois[:, :slots], gt_boxes) / ops.array(DELTA_STD, dtype="float32")
    masks = _mask_targets(truth.mini_masks, matches, rois[:, :slots], gt_boxes, mask_shape)
    return RoiTargets(*map(ops.stop_gradient, (rois, class_ids, deltas, masks, valid, positive)))


def take_rows(values: Array, indices: Array) -> Array:
    """Takes rows (B, S, ...) of values (B, N, ...) by indices (B, S)."""
    count, rest = values.shape[1], values.shape[2:]
    indices = ops.cast(indices, "int32")
    starts = count * ops.arange(ops.shape(indices)[0], dtype="int32")
    return ops.take(ops.reshape(values, (-1, *rest)), indices + starts[:, None], axis=0)


def _negatives_wanted(labels: Array, slots: int, sample_count: int, positive_fraction: float) -> Array:
    """Returns how many negatives (B,) keep the share of positives, or fill an image that has none."""
    positives = ops.minimum(ops.sum(ops.cast(labels > 0, "int32"), axis=1), slots)
    kept_share = ops.cast(ops.cast(positives, "float32") / positive_fraction, "int32") - positives
    return ops.where(positives > 0, kept_share, sample_count)


def _mask_targets(
    mini_masks: Array, matches: Array, rois: Boxes, gt_boxes: Boxes, mask_shape: tuple[int, int]
) -> Array:
    """Cuts each region (B, M, 4) out of its truth's mini mask: (B, M, h, w) of 0 and 1."""
    count, (h, w) = matches.shape[1], mini_masks.shape[2:]
    corner, size = gt_boxes[..., :2], gt_boxes[..., 2:] - gt_boxes[..., :2]
    size = ops.where(size > 0, size, 1.0)
    inside = ops.concatenate([(rois[..., :2] - corner) / size, (rois[..., 2:] - corner) / size], axis=-1)
    masks = ops.reshape(take_rows(ops.cast(mini_masks, "float32"), matches), (-1, h, w, 1))
    slots = ops.arange(ops.shape(masks)[0], dtype="int32")
    crops = crop_and_resize_flat(masks, ops.reshape(inside, (-1, 4)), slots, mask_shape)
    return ops.cast(ops.reshape(crops, (-1, count, *mask_shape)) > MASK_THRESHOLD, "float32")
