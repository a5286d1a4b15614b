"""From what the box head says of the regions of interest to the objects of an image."""

from typing import NamedTuple

from keras import ops

from maskrcnn.network.ops.boxes import IMAGE_WINDOW, clip_boxes, decode_deltas
from maskrcnn.network.ops.nms import batched_nms, separate_classes
from maskrcnn.project.notation import Array, Boxes, ClassIds, Deltas, Scores

NEVER = -1.0


class Detections(NamedTuple):
    """The objects of a batch in descending order of score.

    boxes (B, D, 4) normalised; class_ids (B, D); scores (B, D); all zero on padding.
    """

    boxes: Boxes
    class_ids: ClassIds
    scores: Scores


def select_detections(
    rois: Boxes,
    probabilities: Array,
    deltas: Deltas,
    max_count: int,
    min_confidence: float | Array,
    nms_iou: float,
) -> Detections:
    """Gives every region its best class and box and removes duplicates class by class.

    Args:
        rois: (B, R, 4) normalised, zeros as padding.
        probabilities: (B, R, K), background first.
        deltas: (B, R, K, 4), raw: already multiplied by the box standard deviation.
        max_count: Objects kept of an image at most.
        min_confidence: Smallest score kept; a scalar array costs no second compilation.
        nms_iou: IoU above which the weaker of two objects of one class goes.
    Source:
        Mask R-CNN (arXiv:1703.06870), section 3.1, "Inference"; Matterport `refine_detections_graph`.
    """
    best, places = ops.top_k(probabilities, 1)
    scores, class_ids = best[..., 0], ops.cast(places[..., 0], "int32")
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
