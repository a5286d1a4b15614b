"""Precision-recall curves, the area under them, and means of AP over classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from maskrcnn.project.notation import Array
from maskrcnn.scoring.matches import UNMATCHED, Matches

RECALLS = np.arange(101) / 100
ClassAP = Float[Array, "T _"]  # at T thresholds, of the classes that a protocol scores; NaN without truth


@dataclass(frozen=True)
class Curve:
    """Precision and score at the recalls 0, 0.01, ... 1; both 0 at recalls that are never reached.

    Attributes:
        precisions: The best at this or any higher recall.
        scores: Of the prediction that reaches the recall.
    """

    precisions: Float[Array, "101"]
    scores: Float[Array, "101"]


def precision_recall(found: Bool[Array, " P"], truth_count: int) -> tuple[Float[Array, " P"], Float[Array, " P"]]:
    """Returns precision and recall after each prediction.

    Args:
        found: Whether a prediction matches a truth, in order of falling score.
        truth_count: At least 1.
    """
    hits = np.cumsum(found)
    return hits / np.arange(1, len(found) + 1), hits / truth_count


def average_precision(found: Bool[Array, " P"], truth_count: int) -> float:
    """Returns the area under the interpolated precision-recall curve.

    The precision at a recall is the best precision at this or any higher recall.

    Args:
        found: Whether a prediction matches a truth, in order of falling score.
        truth_count: At least 1.
    """
    precisions, _ = precision_recall(found, truth_count)
    return float(_interpolate(precisions)[found].sum() / truth_count)  # recall rises by 1/truth_count at each hit


def trace_curve(matches: Sequence[Matches], class_id: int, threshold: int = 0) -> Curve:
    """Returns the curve of one class over all images; all zero if no image contains it.

    Predictions of equal score come in the order of the images.

    Args:
        matches: One per image.
        class_id: From 1.
        threshold: Index of the IoU threshold among those of the matches.
    """
    truth_count = sum(int((image.truth_class_ids == class_id).sum()) for image in matches)
    judged = [(image.class_ids == class_id) & ~image.ignored[threshold] for image in matches]
    scores = np.concatenate([image.scores[own] for image, own in zip(matches, judged, strict=True)])
    found = np.concatenate(
        [image.truths[threshold, own] != UNMATCHED for image, own in zip(matches, judged, strict=True)]
    )
    if not truth_count or not len(scores):
        return Curve(np.zeros(len(RECALLS)), np.zeros(len(RECALLS)))
    order = np.argsort(-scores, kind="stable")
    precisions, recalls = precision_recall(found[order], truth_count)
    reached = np.searchsorted(recalls, RECALLS)
    return Curve(np.append(_interpolate(precisions), 0.0)[reached], np.append(scores[order], 0.0)[reached])


def mean_ap(class_ap: ClassAP) -> float:
    """Returns the mean over thresholds and the classes with truth; NaN if there are none."""
    with_truth = class_ap[~np.isnan(class_ap)]
    return float(with_truth.mean()) if with_truth.size else float("nan")


def _interpolate(precisions: Float[Array, " P"]) -> Float[Array, " P"]:
    """Returns the best precision from each prediction on."""
    return np.maximum.accumulate(precisions[::-1])[::-1]
