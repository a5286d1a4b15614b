"""Which prediction found which truth, in one image and at every IoU threshold at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from maskrcnn.project.notation import Array
from maskrcnn.scoring.overlaps import Overlaps

UNMATCHED = -1
CROWD_SHARE = 0.5  # of its own area: beyond it a prediction lies mostly in a crowd
IOU_THRESHOLDS = np.arange(50, 100, 5) / 100


@dataclass(frozen=True)
class Matches:
    """The verdict on P predictions at T thresholds; predictions in order of falling score.

    Attributes:
        class_ids: Of the predictions.
        scores: Of the predictions.
        truths: Index of the truth that a prediction found, or -1.
        ignored: Whether a prediction counts neither as right nor as wrong.
        truth_class_ids: Of the G truths.
    """

    class_ids: Int[Array, " P"]
    scores: Float[Array, " P"]
    truths: Int[Array, "T P"]
    ignored: Bool[Array, "T P"]
    truth_class_ids: Int[Array, " G"]


def match(overlaps: Overlaps, iou_thresholds: Float[Array, " T"] = IOU_THRESHOLDS) -> Matches:
    """Lets predictions choose truths, the best score first.

    A prediction takes the free truth of its class that it overlaps most, if their IoU reaches the
    threshold; that truth is then locked. Equal scores keep the order of the file, and of two truths
    with equal IoU the one with the lower id is taken. A prediction without truth that lies by more
    than half of its own area in the crowd region of its class is ignored.

    Source:
        Matterport `compute_matches`. Differences: its sort is not stable; its test `gt_match > 0` does
        not lock the truth that prediction 0 found; it knows no crowds.
    """
    order = np.argsort(-overlaps.scores, kind="stable")
    class_ids, ious = overlaps.class_ids[order], overlaps.ious[order]
    eligible = class_ids[:, None] == overlaps.truth_class_ids
    truths = choose_truths(np.where(eligible, ious, -1.0), iou_thresholds)
    in_crowd = lies_in_crowd(overlaps)[order]
    return Matches(
        class_ids=class_ids,
        scores=overlaps.scores[order],
        truths=truths,
        ignored=(truths == UNMATCHED) & in_crowd,
        truth_class_ids=overlaps.truth_class_ids,
    )


def lies_in_crowd(overlaps: Overlaps) -> Bool[Array, " P"]:
    """Tells which predictions lie by more than half of their area in the crowd region of their class."""
    return overlaps.crowd_pixels > CROWD_SHARE * overlaps.areas


def choose_truths(ious: Float[Array, "P G"], iou_thresholds: Float[Array, " T"]) -> Int[Array, "T P"]:
    """Gives every prediction in turn the free truth that it overlaps most, for each threshold by itself.

    Args:
        ious: Predictions in order of falling score; negative where the two must not meet.
        iou_thresholds: Above 0.

    Returns:
        Index of each prediction's truth, or -1.
    """
    prediction_count, truth_count = ious.shape
    truths = np.full((len(iou_thresholds), prediction_count), UNMATCHED)
    if not truth_count:
        return truths
    free = np.ones((len(iou_thresholds), truth_count), bool)
    for prediction in np.flatnonzero(ious.max(axis=1) >= iou_thresholds.min()):
        candidates = np.where(free, ious[prediction], -1.0)
        best = candidates.argmax(axis=1)
        found = np.flatnonzero(candidates.max(axis=1) >= iou_thresholds)
        truths[found, prediction] = best[found]
        free[found, best[found]] = False
    return truths
