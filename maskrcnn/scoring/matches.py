"""Which prediction matches which truth in one image."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from maskrcnn.project.notation import Array
from maskrcnn.scoring.overlaps import Overlaps

UNMATCHED = -1
CROWD_SHARE = 0.5  # of its own area: a prediction with more of it in a crowd is ignored
HIT_IOU = 0.5  # where one threshold is used: verdicts, errors, confusions
IOU_THRESHOLDS = np.arange(50, 100, 5) / 100


@dataclass(frozen=True)
class Matches:
    """The matches of P predictions at T thresholds; predictions in order of falling score.

    Attributes:
        class_ids: Of the predictions.
        scores: Of the predictions.
        truths: Index of the truth that a prediction matches, or -1.
        ignored: Whether a prediction counts neither as right nor as wrong.
        truth_class_ids: Of the G truths.
    """

    class_ids: Int[Array, " P"]
    scores: Float[Array, " P"]
    truths: Int[Array, "T P"]
    ignored: Bool[Array, "T P"]
    truth_class_ids: Int[Array, " G"]


class Verdicts(NamedTuple):
    """The verdict on every object of one image; predictions in order of falling score.

    Attributes:
        hits: Predictions that match a truth, by index, each with that truth.
        missed: Truths that no prediction matches.
        alarms: Predictions that match no truth: false alarms.
        ignored: Predictions mostly in a crowd of their class, which count as neither.
    """

    hits: list[tuple[int, int]]
    missed: list[int]
    alarms: list[int]
    ignored: list[int]


def match(overlaps: Overlaps, iou_thresholds: Float[Array, " T"] = IOU_THRESHOLDS) -> Matches:
    """Matches predictions to truths, the highest score first, at each threshold independently.

    A prediction takes the free truth of its class with the highest IoU, if the IoU reaches the
    threshold; that truth is then no longer free. Equal scores keep the order of the file; of two truths
    with equal IoU the one with the lower id is taken. An unmatched prediction with more than half of its
    own area in the crowd region of its class is ignored.

    Source:
        Matterport `compute_matches`. Differences: its sort is not stable; its test `gt_match > 0` lets
        the truth that prediction 0 matched be matched again; it knows no crowds.
    """
    order = rank(overlaps)
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


def judge(overlaps: Overlaps, min_score: float, iou_threshold: float = HIT_IOU) -> Verdicts:
    """Returns the verdicts on one image, by the matches at one threshold.

    Args:
        overlaps: Of the image.
        min_score: Predictions below it are left out.
        iou_threshold: IoU from which a prediction matches a truth of its class.
    """
    kept = rank(overlaps, min_score)
    matches = match(overlaps.select(kept, np.arange(len(overlaps.truth_ids))), np.array([iou_threshold]))
    truths, ignored = matches.truths[0], matches.ignored[0]
    is_hit = truths != UNMATCHED
    found = truths[is_hit].tolist()
    return Verdicts(
        hits=list(zip(kept[is_hit].tolist(), found, strict=True)),
        missed=[truth for truth in range(len(overlaps.truth_ids)) if truth not in found],
        alarms=kept[~is_hit & ~ignored].tolist(),
        ignored=kept[ignored].tolist(),
    )


def rank(overlaps: Overlaps, min_score: float = 0.0) -> Int[Array, " p"]:
    """Returns the predictions from a score on, by index, the highest first; equal scores keep their order."""
    order = np.argsort(-overlaps.scores, kind="stable")
    return order[overlaps.scores[order] >= min_score]


def lies_in_crowd(overlaps: Overlaps) -> Bool[Array, " P"]:
    """Returns which predictions have more than half of their area in the crowd region of their class."""
    return overlaps.crowd_pixels > CROWD_SHARE * overlaps.areas


def choose_truths(ious: Float[Array, "P G"], iou_thresholds: Float[Array, " T"]) -> Int[Array, "T P"]:
    """Gives every prediction in turn the free truth with the highest IoU, at each threshold independently.

    Args:
        ious: Predictions in order of falling score; negative where the two must not match.
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
