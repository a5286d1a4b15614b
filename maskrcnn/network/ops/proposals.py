"""From the outputs of the heads to proposals and objects, through non-maximum suppression with static shapes.

Suppression is greedy: the box with the best score is kept, and every later box that overlaps a kept one too much is
removed. All backends and devices return the same boxes. TensorFlow on a CPU runs its native kernel, which is the
fastest there; otherwise boxes are compared block by block, in memory that does not grow with their number.
"""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int, Int32, Shaped
from keras import ops

from maskrcnn.network.ops import runs_on_cpu, uses_native_kernels
from maskrcnn.network.ops.boxes import IMAGE_WINDOW, clip_boxes, decode_deltas, pairwise_iou
from maskrcnn.project.notation import Array

# Boxes that the portable suppression compares with each other at once. On an accelerator few large blocks are best: the
# host waits for the device wherever a loop ends by a computed condition.
CPU_BLOCK, ACCELERATOR_BLOCK = 512, 2048
ROUNDS = 16  # of suppression in a block before a loop checks that nothing changes any more; more than usually needed
GRID_COLUMNS = 9  # of the grid that classes are shifted to: the 81 classes of COCO fill a square


def batched_nms(
    boxes: Float[Array, "B N 4"],
    scores: Float[Array, "B N"],
    max_count: int,
    iou_threshold: float,
    score_threshold: float = float("-inf"),
) -> tuple[Int32[Array, "B {max_count}"], Bool[Array, "B {max_count}"]]:
    """Chooses the best boxes of every image.

    Args:
        boxes: in any frame.
        scores: boxes are chosen in descending order; of equal scores the lower index comes first.
        max_count: most boxes chosen of an image (k).
        iou_threshold: a box is removed if its IoU with a kept one is above this.
        score_threshold: boxes at or below it are never chosen. Give padding such a score.
    Returns:
        Indices of the chosen boxes in descending order of score, padded with 0; and which of them are real.
    Raises:
        ValueError: if `max_count` is not positive or `iou_threshold` not within [0, 1].
    """
    if max_count < 1:
        raise ValueError(f"`max_count` must be positive; got {max_count}.")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"`iou_threshold` must lie within [0, 1]; got {iou_threshold}.")
    choose = _native_nms if uses_native_kernels() else _portable_nms
    # A choice has no gradient, and asking TensorFlow's kernel for one raises.
    return choose(ops.stop_gradient(boxes), ops.stop_gradient(scores), max_count, iou_threshold, score_threshold)


def separate_classes(boxes: Float[Array, "*n 4"], class_ids: Int[Array, "*n"]) -> Float[Array, "*n 4"]:
    """Offsets boxes by class so that one NMS call treats every class separately.

    Boxes of different classes no longer overlap. Those of one class keep their IoU up to rounding: with the 81 classes
    of COCO a coordinate moves by at most 0.001 pixels in an image 2048 wide.

    Args:
        boxes: in any frame.
        class_ids: from 0 upwards.
    """
    spread = ops.max(boxes) - ops.min(boxes)
    cell = ops.stack([class_ids // GRID_COLUMNS, class_ids % GRID_COLUMNS], axis=-1)
    shift = ops.cast(cell, boxes.dtype) * spread
    return boxes + ops.concatenate([shift, shift], axis=-1)


def _native_nms(
    boxes: Float[Array, "B N 4"],
    scores: Float[Array, "B N"],
    max_count: int,
    iou_threshold: float,
    score_threshold: float,
) -> tuple[Int32[Array, "B {max_count}"], Bool[Array, "B {max_count}"]]:
    import tensorflow as tf

    def choose(image: tuple[Array, Array]) -> tuple[Array, Array]:
        indices, count = tf.raw_ops.NonMaxSuppressionV4(
            boxes=image[0],
            scores=image[1],
            max_output_size=max_count,
            iou_threshold=iou_threshold,
            score_threshold=score_threshold,
            pad_to_max_output_size=True,
        )
        return indices, tf.range(max_count) < count

    signature = (tf.TensorSpec((max_count,), tf.int32), tf.TensorSpec((max_count,), tf.bool))
    return tf.map_fn(choose, (boxes, scores), fn_output_signature=signature)


def _portable_nms(
    boxes: Float[Array, "B N 4"],
    scores: Float[Array, "B N"],
    max_count: int,
    iou_threshold: float,
    score_threshold: float,
    block_size: int | None = None,
) -> tuple[Int32[Array, "B {max_count}"], Bool[Array, "B {max_count}"]]:
    """Chooses among the boxes in descending order of score, one block at a time, until `max_count` are chosen.

    In each block, boxes that overlap a box chosen from an earlier block are removed first, then those that overlap a
    better one of the same block. Arrays that compare boxes have at most `block_size * max(block_size, max_count)`
    elements for each image; all others grow linearly with the number of boxes.
    """
    num_boxes, on_cpu = boxes.shape[-2], runs_on_cpu()
    block_size = block_size or (CPU_BLOCK if on_cpu else ACCELERATOR_BLOCK)
    size, num_chosen = min(block_size, num_boxes), min(max_count, num_boxes)
    order = ops.cast(ops.argsort(-scores, axis=-1), "int32")
    boxes = ops.take_along_axis(boxes, order[..., None], axis=-2)
    alive = ops.take_along_axis(scores, order, axis=-1) > score_threshold
    block_boxes, block_alive = _split(boxes, size), _split(alive, size)
    num_blocks = block_boxes.shape[0]

    def choose(index: Array, chosen: Array) -> tuple[Array, Array]:
        block = ops.take(block_boxes, index, axis=0)
        earlier = ops.take_along_axis(boxes, ops.minimum(chosen, num_boxes - 1)[..., None], axis=-2)
        overlaps = (pairwise_iou(block, earlier) > iou_threshold) & (chosen < num_boxes)[..., None, :]
        free = ops.take(block_alive, index, axis=0) & ops.logical_not(ops.any(overlaps, axis=-1))
        kept = _greedy(pairwise_iou(block, block) > iou_threshold, free)
        ranks = ops.where(kept, index * size + ops.arange(size, dtype="int32"), num_boxes)
        return index + 1, ops.sort(ops.concatenate([chosen, ranks], axis=-1), axis=-1)[..., :num_chosen]

    def wants_more(index: Array, chosen: Array) -> Array:
        return (index < num_blocks) & ops.any(chosen == num_boxes)

    # `chosen` holds ranks in ascending order, `num_boxes` as padding.
    nothing = ops.full((ops.shape(boxes)[0], num_chosen), num_boxes, dtype="int32")
    state = (ops.convert_to_tensor(0, "int32"), nothing)
    if on_cpu:
        _, chosen = ops.while_loop(wants_more, choose, state)
    else:
        _, chosen = ops.fori_loop(0, num_blocks, lambda _, state: choose(*state), state)
    valid = chosen < num_boxes
    indices = ops.where(valid, ops.take_along_axis(order, ops.where(valid, chosen, 0), axis=-1), 0)
    padding = ((0, 0), (0, max_count - num_chosen))
    return ops.pad(indices, padding), ops.pad(valid, padding)


def _split(values: Shaped[Array, "B N ..."], size: int) -> Shaped[Array, "n B {size} ..."]:
    """Splits the boxes of every image into blocks; the last one is filled up with zeros."""
    num_boxes, *rest = values.shape[1:]
    padding = -num_boxes % size
    values = ops.pad(values, [[0, 0], [0, padding]] + [[0, 0]] * len(rest))
    return ops.swapaxes(ops.reshape(values, (-1, (num_boxes + padding) // size, size, *rest)), 0, 1)


def _greedy(overlaps: Bool[Array, "B N N"], alive: Bool[Array, "B N"]) -> Bool[Array, "B N"]:
    """Returns which boxes are kept; boxes come in descending order of score.

    A box is kept if no kept box before it overlaps it. Each round applies this rule to all boxes at once, with the kept
    boxes of the round before. After round i the first i boxes are final, so the only fixed point is the greedy answer;
    it is reached after as many rounds as the longest chain of suppressions has boxes.
    """
    indices = ops.arange(alive.shape[-1])
    suppresses = ops.logical_and(overlaps, indices[None, :] < indices[:, None])

    def settle(kept: Array, _: Array) -> tuple[Array, Array]:
        suppressed = ops.any(ops.logical_and(suppresses, kept[..., None, :]), axis=-1)
        return ops.logical_and(alive, ops.logical_not(suppressed)), kept

    state = (
        settle(alive, alive)
        if runs_on_cpu()
        else ops.fori_loop(0, ROUNDS, lambda _, state: settle(*state), (alive, alive))
    )
    kept, _ = ops.while_loop(lambda kept, previous: ops.any(kept != previous), settle, state)
    return kept


PROPOSAL_NMS_IOU = 0.7


def select_proposals(
    scores: Float[Array, "B A"],
    deltas: Float[Array, "B A 4"],
    anchors: Float[Array, "A 4"],
    num_candidates: int,
    num_proposals: int,
) -> tuple[Float[Array, "B {num_proposals} 4"], Bool[Array, "B {num_proposals}"]]:
    """Selects the anchors with the best scores, applies their deltas and removes duplicates.

    Args:
        scores: the probability of an object.
        deltas: already multiplied by `DELTA_STD`.
        anchors: normalised.
        num_candidates: anchors that go into non-maximum suppression.
        num_proposals: most boxes of an image that come out of it.
    Returns:
        Boxes, normalised and clipped to the image, in descending order of score, zeros as padding; and which of them
        are real. No gradient flows through them.
    Source:
        Faster R-CNN (arXiv:1506.01497), section 3.3; Matterport `ProposalLayer`.
    """
    scores, deltas = ops.stop_gradient(scores), ops.stop_gradient(deltas)
    scores, best = ops.top_k(scores, min(num_candidates, anchors.shape[0]))
    boxes = decode_deltas(_take_anchors(deltas, best), ops.take(anchors, best, axis=0))
    # If the network diverged, its loss should become NaN. Without this, TensorFlow's kernels would crash before.
    boxes = clip_boxes(ops.nan_to_num(boxes), IMAGE_WINDOW)
    kept, valid = batched_nms(boxes, scores, num_proposals, PROPOSAL_NMS_IOU)
    return _take_anchors(boxes, kept) * ops.cast(valid, "float32")[..., None], valid


def _take_anchors(values: Float[Array, "B A 4"], indices: Int[Array, "B n"]) -> Float[Array, "B n 4"]:
    """Takes rows of every image by index."""
    return ops.take_along_axis(values, ops.cast(indices, "int32")[..., None], axis=1)


NEVER = -1.0  # below every score


class Detections(NamedTuple):
    """The objects of a batch in descending order of score; all is zero on padding.

    Args:
        boxes: normalised.
        class_ids: from 1.
        scores: the probability of the class.
    """

    boxes: Float[Array, "B D 4"]
    class_ids: Int[Array, "B D"]
    scores: Float[Array, "B D"]


def select_detections(
    rois: Float[Array, "B R 4"],
    probabilities: Float[Array, "B R K"],
    deltas: Float[Array, "B R K 4"],
    max_count: int,
    min_confidence: float | Float[Array, ""],
    nms_iou: float,
) -> Detections:
    """Gives every region its best class and box and removes duplicates class by class.

    Args:
        rois: normalised, zeros as padding.
        probabilities: background first.
        deltas: already multiplied by `DELTA_STD`.
        max_count: most objects kept of an image.
        min_confidence: smallest score kept; as an array it can change without another compilation.
        nms_iou: IoU above which the weaker of two objects of one class is removed.
    Source:
        Mask R-CNN (arXiv:1703.06870), section 3.1, "Inference"; Matterport `refine_detections_graph`.
    """
    best, indices = ops.top_k(probabilities, 1)
    scores, class_ids = best[..., 0], ops.cast(indices[..., 0], "int32")
    one_hot = ops.one_hot(class_ids, probabilities.shape[-1], dtype=deltas.dtype)
    boxes = decode_deltas(ops.sum(deltas * one_hot[..., None], axis=-2), rois)
    boxes = clip_boxes(ops.nan_to_num(boxes), IMAGE_WINDOW)
    has_area = ops.all(rois[..., 2:] > rois[..., :2], axis=-1)
    kept = (class_ids > 0) & has_area & (scores >= min_confidence)
    ranked = ops.where(kept, scores, NEVER)
    indices, valid = batched_nms(separate_classes(boxes, class_ids), ranked, max_count, nms_iou, NEVER)
    boxes = ops.take_along_axis(boxes, indices[..., None], axis=1) * ops.cast(valid, "float32")[..., None]
    class_ids = ops.take_along_axis(class_ids, indices, axis=1) * ops.cast(valid, "int32")
    scores = ops.take_along_axis(scores, indices, axis=1) * ops.cast(valid, "float32")
    return Detections(boxes, class_ids, scores)
