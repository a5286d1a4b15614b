"""Precision-recall curves of a class over all images of a split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from maskrcnn.project.notation import Array
from maskrcnn.scoring.average_precision import precision_recall
from maskrcnn.scoring.matching import UNMATCHED, Matches

RECALLS = np.arange(101) / 100


@dataclass(frozen=True)
class Curve:
    """Precision and score at the recalls 0, 0.01, ... 1; both 0 at recalls that are never reached.

    Attributes:
        precisions: The best at this or any higher recall.
        scores: Of the prediction that reaches the recall.
    """

    precisions: Float[Array, "101"]
    scores: Float[Array, "101"]


def trace_curve(matches: Sequence[Matches], class_id: int, threshold: int = 0) -> Curve:
    """Returns the curve of one class; all zero if no image holds it.

    Predictions of equal score come in the order of the images.

    Args:
        matches: One an image.
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
    reached = np.searchsorted(recalls, RECALLS - 1e-12)  # a recall of 0.1 may be a hair below
    interpolated = np.maximum.accumulate(precisions[::-1])[::-1]
    return Curve(np.append(interpolated, 0.0)[reached], np.append(scores[order], 0.0)[reached])
