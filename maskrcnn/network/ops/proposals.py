"""The step from the outputs of the region proposal network to its proposals."""

from jaxtyping import Bool, Float, Int
from keras import ops

from maskrcnn.network.ops.boxes import IMAGE_WINDOW, clip_boxes, decode_deltas
from maskrcnn.network.ops.nms import batched_nms
from maskrcnn.project.notation import Array

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
