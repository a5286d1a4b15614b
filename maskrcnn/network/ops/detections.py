"""The step from the outputs of the box head to the objects of an image."""

from typing import NamedTuple

from jaxtyping import Float, Int
from keras import ops

from maskrcnn.network.ops.boxes import IMAGE_WINDOW, clip_boxes, decode_deltas
from maskrcnn.network.ops.nms import batched_nms, separate_classes
from maskrcnn.project.notation import Array

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
