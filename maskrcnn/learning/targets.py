"""What the network should predict for a random sample of its anchors and proposals.

    S sampled anchors    R sampled proposals    M slots of positives, the first of either    P proposals

All targets are constants: gradients stop here, so the box loss cannot reach the RPN through its own
targets as it does in Matterport's code.
"""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int, Num
from keras import ops

from maskrcnn.learning.sampling import match_anchors, match_proposals, sample_labels, take_rows
from maskrcnn.network.ops.boxes import DELTA_STD, encode_deltas, normalize_boxes
from maskrcnn.network.ops.roi_align import crop_and_resize_flat
from maskrcnn.project.notation import Array

ANCHORS, REGIONS = 0, 1  # numbers of the two draws that are made from an image's seeds
ROUNDING = 1e-6  # of a quotient in float64, many times its error


class Truth(NamedTuple):
    """The padded truth of a batch; its fields are keys of `maskrcnn.data.batches.Batches`.

    Args:
        boxes: In pixels.
        class_ids: 0 on padding.
        is_crowd: Whether an entry is a crowd.
        mini_masks: The mask of each instance, cut out at its box and resized.
    """

    boxes: Num[Array, "B G 4"]
    class_ids: Int[Array, "B G"]
    is_crowd: Bool[Array, "B G"]
    mini_masks: Num[Array, "B G h w"]


class RpnTargets(NamedTuple):
    """A sample of anchors and what the RPN should predict for them.

    Args:
        indices: Which anchors.
        labels: 1 for an object, 0 for background.
        deltas: From each anchor to its truth, in units of the box standard deviation.
        valid: Which slots are filled.
        positive: Which slots of positives are filled.
    """

    indices: Int[Array, "B S"]
    labels: Int[Array, "B S"]
    deltas: Float[Array, "B M 4"]
    valid: Bool[Array, "B S"]
    positive: Bool[Array, "B M"]


class RoiTargets(NamedTuple):
    """A sample of proposals and what the heads should predict for them.

    Args:
        rois: The proposals, normalised; zeros in empty slots.
        class_ids: 0 for background.
        deltas: From each proposal to its truth, in units of the box standard deviation.
        masks: The part of the truth's mask inside the proposal, of 0 and 1.
        valid: Which slots are filled.
        positive: Which slots of positives are filled.
    """

    rois: Float[Array, "B R 4"]
    class_ids: Int[Array, "B R"]
    deltas: Float[Array, "B M 4"]
    masks: Float[Array, "B M h w"]
    valid: Bool[Array, "B R"]
    positive: Bool[Array, "B M"]


def rpn_targets(anchors_px: Num[Array, "A 4"], truth: Truth, sample_count: int, seeds: Int[Array, "B 2"]) -> RpnTargets:
    """Draws anchors, at most half of them on objects, and returns what the RPN should predict for them.

    Args:
        anchors_px: All anchors of an image.
        truth: The batch's truth.
        sample_count: Anchors drawn from each image.
        seeds: Two numbers for each image, see `sample_labels`.
    Source:
        Faster R-CNN (arXiv:1506.01497), section 3.1.3; Matterport `build_rpn_targets`.
    """
    labels, matches = match_anchors(anchors_px, truth.boxes, truth.class_ids, truth.is_crowd)
    slots = sample_count // 2
    indices, valid = sample_labels(labels, slots, sample_count, None, seeds, draw=ANCHORS)
    is_object = ops.cast(ops.arange(slots + sample_count) < slots, "int32")
    labels = ops.broadcast_to(is_object, ops.shape(indices))
    gt_boxes_px = take_rows(truth.boxes, take_rows(matches, indices[:, :slots]))
    deltas = _scaled_deltas(ops.take(anchors_px, indices[:, :slots], axis=0), gt_boxes_px)
    return RpnTargets(*map(ops.stop_gradient, (indices, labels, deltas, valid, valid[:, :slots])))


def roi_targets(
    proposals: Float[Array, "B P 4"],
    truth: Truth,
    image_shape: tuple[int, int],
    sample_count: int,
    positive_fraction: float,
    mask_shape: tuple[int, int],
    seeds: Int[Array, "B 2"],
    *,
    mask_threshold: float = 0.5,
) -> RoiTargets:
    """Draws proposals and returns what the heads should predict for them.

    The share of positives is kept if there are few of them, as in Matterport. An image without positives gets as
    many negatives as there are slots for negatives; the slots of positives stay empty.

    Args:
        proposals: Normalised, zeros as padding.
        truth: The batch's truth.
        image_shape: Height and width in pixels.
        sample_count: Proposals drawn from each image.
        positive_fraction: Largest share of them on objects.
        mask_shape: Height and width of the mask targets.
        seeds: Two numbers for each image, see `sample_labels`.
        mask_threshold: A resized mask is 1 where it is above this.
    Source:
        Mask R-CNN (arXiv:1703.06870), section 3.1; Matterport `detection_targets_graph`.
    """
    gt_boxes_norm = normalize_boxes(truth.boxes, image_shape)
    proposals = ops.stop_gradient(proposals)
    labels, matches = match_proposals(proposals, gt_boxes_norm, truth.class_ids, truth.is_crowd)
    slots = int(sample_count * positive_fraction)
    wanted = negatives_wanted(labels, slots, sample_count, positive_fraction)
    indices, valid = sample_labels(labels, slots, sample_count - slots, wanted, seeds, draw=REGIONS)
    rois = take_rows(proposals, indices) * ops.cast(valid, "float32")[..., None]
    positive, matches = valid[:, :slots], take_rows(matches, indices[:, :slots])
    positive_ids = take_rows(truth.class_ids, matches) * ops.cast(positive, truth.class_ids.dtype)
    class_ids = ops.pad(positive_ids, [[0, 0], [0, sample_count - slots]])
    gt_boxes_norm = take_rows(gt_boxes_norm, matches)
    deltas = _scaled_deltas(rois[:, :slots], gt_boxes_norm)
    masks = _crop_masks(take_rows(truth.mini_masks, matches), rois[:, :slots], gt_boxes_norm, mask_shape)
    masks = ops.cast(masks > mask_threshold, "float32")
    return RoiTargets(*map(ops.stop_gradient, (rois, class_ids, deltas, masks, valid, positive)))


def _scaled_deltas(boxes: Num[Array, "B M 4"], gt_boxes: Num[Array, "B M 4"]) -> Float[Array, "B M 4"]:
    """Returns deltas from boxes to truths in units of the box standard deviation; both in the same frame."""
    return encode_deltas(boxes, gt_boxes) / ops.array(DELTA_STD, dtype="float32")


def negatives_wanted(
    labels: Int[Array, "B P"], slots: int, sample_count: int, positive_fraction: float
) -> Int[Array, "B"]:
    """Returns how many negatives keep the share of positives, or fill an image that has none.

    The whole part of `positives / positive_fraction` is looked up, because float32 loses one where the quotient is a
    whole number: 66 / 0.33 is 199.99998 there.

    Args:
        labels: 1 where a proposal is an object.
        slots: Most positives drawn of an image.
        sample_count: Proposals drawn from each image.
        positive_fraction: Share of the positives among them.
    """
    kept_share = [int(count / positive_fraction + ROUNDING) - count for count in range(slots + 1)]
    positives = ops.minimum(ops.sum(ops.cast(labels > 0, "int32"), axis=1), slots)
    return ops.take(ops.array([sample_count, *kept_share[1:]], dtype="int32"), positives)


def _crop_masks(
    mini_masks: Num[Array, "B M _ _"],
    rois: Float[Array, "B M 4"],
    gt_boxes: Float[Array, "B M 4"],
    mask_shape: tuple[int, int],
) -> Float[Array, "B M h w"]:
    """Resizes the part of each mini-mask that its region shows; zeros where the region leaves the truth's box."""
    count, (h, w) = mini_masks.shape[1], mini_masks.shape[2:]
    corner, size = gt_boxes[..., :2], gt_boxes[..., 2:] - gt_boxes[..., :2]
    size = ops.where(size > 0, size, 1.0)
    inside = ops.concatenate([(rois[..., :2] - corner) / size, (rois[..., 2:] - corner) / size], axis=-1)
    masks = ops.reshape(ops.cast(mini_masks, "float32"), (-1, h, w, 1))
    slots = ops.arange(ops.shape(masks)[0], dtype="int32")
    crops = crop_and_resize_flat(masks, ops.reshape(inside, (-1, 4)), slots, mask_shape)
    return ops.reshape(crops, (-1, count, *mask_shape))
