"""Minibatches of anchors and of proposals: the truth that each belongs to, and a random sample of them.

Truths are padded; an entry with class id 0 or without area is no truth and matches nothing. Crowds are regions whose
instances are not separated: nothing is learned inside them. S is the number of slots of a sample, filled or not; all
shapes are static.
"""

import keras
from jaxtyping import Bool, Float, Int, Num, Shaped
from keras import ops

from maskrcnn.network.ops import runs_on_cpu
from maskrcnn.network.ops.boxes import areas, pairwise_ioa, pairwise_iou
from maskrcnn.project.notation import Array

TRUTHS_A_ROUND = 8  # that an accelerator compares with the anchors in one round of `match_anchors`

# Of every anchor: its highest IoU with a truth, that truth, whether it is the best of some truth, highest crowd IoU
_Overlaps = tuple[Float[Array, "B A"], Int[Array, "B A"], Bool[Array, "B A"], Float[Array, "B A"]]


def match_anchors(
    anchors: Num[Array, "A 4"],
    gt_boxes: Num[Array, "B G 4"],
    gt_class_ids: Int[Array, "B G"],
    gt_is_crowd: Bool[Array, "B G"],
    *,
    positive_iou: float = 0.7,
    negative_iou: float = 0.3,
    crowd_iou: float = 1e-3,
    tie: float = 1 - 1e-4,
) -> tuple[Int[Array, "B A"], Int[Array, "B A"]]:
    """Labels every anchor as object, background or neither.

    An anchor is an object if its IoU with a truth is at least `positive_iou`, or the highest of all anchors for
    that truth. It is background if its IoU is below `negative_iou` with every truth and below `crowd_iou` with
    every crowd.

    Args:
        anchors: In pixels.
        gt_boxes: In pixels.
        gt_class_ids: 0 on padding.
        gt_is_crowd: Whether a truth is a crowd.
        positive_iou: Smallest IoU of an object.
        negative_iou: IoU with a truth that background stays below.
        crowd_iou: IoU with a crowd that background stays below.
        tie: Share of a truth's highest IoU from which an anchor counts as equally good; not quite 1, because
            equal overlaps differ by rounding.
    Returns:
        The labels: 1 object, -1 background, 0 neither; and the index of the truth of highest IoU.
    Source:
        Faster R-CNN (arXiv:1506.01497), section 3.1.2; Matterport `build_rpn_targets`, where a truth
        without area makes every anchor an object, and where rounding in float64 decides which of several
        equally good anchors is the best; here all of them are.
    """
    is_truth, is_crowd = truth_kinds(gt_boxes, gt_class_ids, gt_is_crowd)
    anchors = ops.expand_dims(anchors, 0)

    def add_truth(index: int | Int[Array, ""], state: _Overlaps) -> _Overlaps:
        best, matches, is_best, best_crowd = state
        iou = pairwise_iou(anchors, _column(gt_boxes, index))[..., 0]
        best_crowd = ops.maximum(best_crowd, ops.where(_column(is_crowd, index), iou, 0.0))
        iou = ops.where(_column(is_truth, index), iou, 0.0)
        best_of_truth = ops.max(iou, axis=1, keepdims=True)
        is_best = is_best | ((iou >= tie * best_of_truth) & (best_of_truth > 0))
        matches = ops.where(iou > best, index, matches)
        return ops.maximum(best, iou), matches, is_best, best_crowd

    def add_truths(number: int | Int[Array, ""], state: _Overlaps) -> _Overlaps:
        for offset in range(TRUTHS_A_ROUND):
            state = add_truth(number * TRUTHS_A_ROUND + offset, state)
        return state

    # One truth at a time: half a million anchors times all truths would take gigabytes.
    nothing = ops.zeros_like(gt_boxes[:, :1, 0]) + ops.zeros(anchors.shape[1])
    start = (nothing, ops.cast(nothing, "int32"), nothing > 0, nothing)
    if runs_on_cpu():
        places = ops.arange(1, gt_boxes.shape[1] + 1, dtype="int32")
        truth_count = ops.max(ops.where(is_truth | is_crowd, places, 0))
        best, matches, is_best, best_crowd = ops.fori_loop(0, truth_count, add_truth, start)
    else:
        # A loop that ends with the last truth would make the host wait for the device in every round.
        gt_boxes, is_truth, is_crowd = (_fill_up(values) for values in (gt_boxes, is_truth, is_crowd))
        rounds = gt_boxes.shape[1] // TRUTHS_A_ROUND
        best, matches, is_best, best_crowd = ops.fori_loop(0, rounds, add_truths, start)
    positive = (best >= positive_iou) | is_best
    negative = (best < negative_iou) & (best_crowd < crowd_iou) & ~positive
    return ops.cast(positive, "int32") - ops.cast(negative, "int32"), matches


def match_proposals(
    proposals: Num[Array, "B P 4"],
    gt_boxes: Num[Array, "B G 4"],
    gt_class_ids: Int[Array, "B G"],
    gt_is_crowd: Bool[Array, "B G"],
    *,
    positive_iou: float = 0.5,
    crowd_ioa: float = 0.5,
) -> tuple[Int[Array, "B P"], Int[Array, "B P"]]:
    """Labels every proposal as object, background or neither.

    A proposal is an object if its IoU with a truth is at least `positive_iou`. Otherwise it is background, unless
    a crowd covers `crowd_ioa` of its area. Proposals without area are padding and are neither.

    Args:
        proposals: In the frame of the truths.
        gt_boxes: In either frame.
        gt_class_ids: 0 on padding.
        gt_is_crowd: Whether a truth is a crowd.
        positive_iou: Smallest IoU of an object.
        crowd_ioa: Share of a proposal's area inside a crowd from which it is not background.
    Returns:
        The labels: 1 object, -1 background, 0 neither; and the index of the truth of highest IoU.
    Source:
        Mask R-CNN (arXiv:1703.06870), section 3.1; Matterport `detection_targets_graph`, where an IoU
        of 0.001 with a crowd's box, a mere touch, already keeps a proposal from being background.
    """
    is_truth, is_crowd = truth_kinds(gt_boxes, gt_class_ids, gt_is_crowd)
    iou = _only(pairwise_iou(proposals, gt_boxes), is_truth)
    in_crowd = ops.max(_only(pairwise_ioa(proposals, gt_boxes), is_crowd), axis=2) >= crowd_ioa
    best = ops.max(iou, axis=2)
    is_proposal = areas(proposals) > 0
    positive = is_proposal & (best >= positive_iou)
    negative = is_proposal & (best < positive_iou) & ~in_crowd
    labels = ops.cast(positive, "int32") - ops.cast(negative, "int32")
    return labels, ops.argmax(iou, axis=2)


def truth_kinds(
    gt_boxes: Num[Array, "B G 4"], gt_class_ids: Int[Array, "B G"], gt_is_crowd: Bool[Array, "B G"]
) -> tuple[Bool[Array, "B G"], Bool[Array, "B G"]]:
    """Returns which entries are single instances and which are crowds; padding is neither."""
    exists = (gt_class_ids > 0) & (areas(gt_boxes) > 0)
    gt_is_crowd = ops.cast(gt_is_crowd, "bool")
    return exists & ~gt_is_crowd, exists & gt_is_crowd


def _column(values: Shaped[Array, "B G *rest"], index: int | Int[Array, ""]) -> Shaped[Array, "B 1 *rest"]:
    """Takes one column of some values."""
    return ops.expand_dims(ops.take(values, index, axis=1), 1)


def _fill_up(values: Shaped[Array, "B G *rest"]) -> Shaped[Array, "B _ *rest"]:
    """Pads the truths with zeros to a multiple of `TRUTHS_A_ROUND`."""
    padding = -values.shape[1] % TRUTHS_A_ROUND
    return ops.pad(values, [[0, 0], [0, padding]] + [[0, 0]] * (len(values.shape) - 2))


def _only(values: Float[Array, "B N G"], kept: Bool[Array, "B G"]) -> Float[Array, "B N G"]:
    """Zeroes the columns of the truths that are not kept."""
    return values * ops.cast(ops.expand_dims(kept, 1), values.dtype)


def sample_labels(
    labels: Int[Array, "B N"],
    positive_slots: int,
    negative_slots: int,
    negative_counts: Int[Array, "B"] | None,
    seeds: Int[Array, "B 2"],
    *,
    draw: int,
) -> tuple[Int[Array, "B S"], Bool[Array, "B S"]]:
    """Draws positives and negatives without replacement.

    Args:
        labels: 1 positive, -1 negative, 0 never drawn.
        positive_slots: Most positives drawn of an image.
        negative_slots: Most negatives drawn of an image.
        negative_counts: Negatives wanted of each image; None: `negative_slots` minus the positives drawn.
        seeds: Two numbers for each image, from 0 to 2**31 - 1; they alone decide what is drawn of it.
        draw: Number of this draw; draws of other numbers are independent.
    Returns:
        Indices of the drawn, in `positive_slots` slots for positives and `negative_slots` slots for negatives
        after them; and whether each slot is filled. The index of an empty slot has no meaning.
    """
    keys = _uniform(seeds, labels.shape[1], draw)
    positives, is_positive = _draw(keys, labels > 0, positive_slots)
    negatives, is_negative = _draw(keys, labels < 0, negative_slots)
    if negative_counts is None:
        negative_counts = negative_slots - ops.sum(ops.cast(is_positive, "int32"), axis=1)
    rank = ops.arange(negative_slots, dtype="int32")
    is_negative = is_negative & (ops.expand_dims(rank, 0) < ops.expand_dims(negative_counts, 1))
    indices = ops.concatenate([positives, negatives], axis=1)
    return indices, ops.concatenate([is_positive, is_negative], axis=1)


def take_rows(values: Shaped[Array, "B N *rest"], indices: Int[Array, "B S"]) -> Shaped[Array, "B S *rest"]:
    """Takes rows of each image's values by their indices."""
    count, rest = values.shape[1], values.shape[2:]
    indices = ops.cast(indices, "int32")
    starts = count * ops.arange(ops.shape(indices)[0], dtype="int32")
    return ops.take(ops.reshape(values, (-1, *rest)), indices + starts[:, None], axis=0)


def _draw(
    keys: Float[Array, "B N"], allowed: Bool[Array, "B N"], slots: int
) -> tuple[Int[Array, "B S"], Bool[Array, "B S"]]:
    """Returns the indices of the `slots` largest keys among the allowed, and which slots are filled."""
    drawn = min(slots, keys.shape[1])
    values, indices = ops.top_k(ops.where(allowed, keys, -1.0), drawn)
    padding = ((0, 0), (0, slots - drawn))
    return ops.pad(indices, padding), ops.pad(values >= 0, padding)


def _uniform(seeds: Int[Array, "B 2"], count: int, draw: int) -> Float[Array, "B N"]:
    """Returns `count` random numbers from 0 to 1 for each image.

    The random numbers of `keras.random` follow from one seed for the whole batch: those of an image would change with
    the size of the batch that it is in.
    """
    if keras.backend.backend() == "jax":
        import jax

        def draw_image(seeds: Int[Array, "2"]) -> Float[Array, "N"]:
            key = jax.random.wrap_key_data(seeds.astype("uint32"), impl="threefry2x32")
            return jax.random.uniform(jax.random.fold_in(key, draw), (count,), "float32")

        return jax.vmap(draw_image)(seeds)
    import tensorflow as tf

    return tf.map_fn(
        lambda seeds: tf.random.stateless_uniform((count,), tf.random.fold_in(seeds, draw)),
        seeds,
        fn_output_signature=tf.TensorSpec((count,), tf.float32),
    )
