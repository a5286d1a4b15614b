"""From what the RPN says of the anchors to the regions of interest."""

from keras import ops

from maskrcnn.network.ops.boxes import IMAGE_WINDOW, clip_boxes, decode_deltas
from maskrcnn.network.ops.nms import batched_nms
from maskrcnn.project.notation import Array, Boxes, Deltas, Scores

PROPOSAL_NMS_IOU = 0.7


def select_proposals(
    scores: Scores, deltas: Deltas, anchors: Boxes, num_candidates: int, num_proposals: int
) -> tuple[Boxes, Array]:
    """Keeps the best anchors, moves them by their deltas and thins them out.

    Args:
        scores: (B, A), the probability of an object.
        deltas: (B, A, 4), raw: already multiplied by the box standard deviation.
        anchors: (A, 4) normalised.
        num_candidates: Anchors that go into non-maximum suppression.
        num_proposals: Boxes that come out of it at most.
    Returns:
        Boxes (B, P, 4) normalised and clipped to the image, in descending order of score, zeros as
        padding; and which of them are real (B, P). No gradient flows through them.
    Source:
        Faster R-CNN (arXiv:1506.01497), section 3.3; Matterport `ProposalLayer`.
    """
    scores, deltas = ops.stop_gradient(scores), ops.stop_gradient(deltas)
    scores, best = ops.top_k(scores, min(num_candidates, anchors.shape[0]))
    boxes = decode_deltas(_take_anchors(deltas, best), ops.take(anchors, best, axis=0))
    # A network that diverged should end in a loss that is NaN; TensorFlow's kernels would crash first.
    boxes = clip_boxes(ops.nan_to_num(boxes), IMAGE_WINDOW)
    kept, valid = batched_nms(boxes, scores, num_proposals, PROPOSAL_NMS_IOU)
    return _take_anchors(boxes, kept) * ops.cast(valid, "float32")[..., None], valid


def _take_anchors(values: Array, indices: Array) -> Array:
    """Takes rows (B, S, 4) of values (B, A, 4) by indices (B, S)."""
    return ops.take_along_axis(values, ops.cast(indices, "int32")[..., None], axis=1)
