"""The official Cityscapes protocol for instances.

One curve for each class and threshold over all images. A prediction needs MORE than the threshold.
Truths below a minimum area, crowds and void are no truth; an unmatched prediction that lies mostly on
them is ignored. A class without truth has no AP: NaN, left out of the mean.

Source:
    cityscapesScripts 2.3 `evalInstanceLevelSemanticLabeling`, to rounding. Where predictions exist and
    every one of them is ignored while no truth is found, it stops with an IndexError; here AP is 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from maskrcnn.project.notation import Array
from maskrcnn.scoring.class_scores import ClassScores
from maskrcnn.scoring.matching import IOU_THRESHOLDS
from maskrcnn.scoring.overlaps import Overlaps

MIN_AREA = 100.0  # pixels of an image of 1024 x 2048
# Labels without a verdict. Caravan and trailer are in it, but only their crowds carry the bare label:
# a prediction on a single caravan is a false alarm.
VOID_IDS = frozenset({0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30})


class Verdicts(NamedTuple):
    """Predictions of one class that count, of one or many images."""

    scores: Float[Array, " V"]
    is_right: Bool[Array, " V"]
    missed: int


def score_cityscapes(
    overlaps: Sequence[Overlaps],
    class_ids: Sequence[int],
    min_area: float = MIN_AREA,
    iou_thresholds: Float[Array, " T"] = IOU_THRESHOLDS,
) -> ClassScores:
    """Returns the official AP.

    Args:
        overlaps: One an image, void counted by `VOID_IDS`.
        class_ids: The classes to judge; official are all but caravan and trailer.
        min_area: Pixels below which a truth is no truth; the official number is for 1024 x 2048.
        iou_thresholds: At least 0.5, so that a prediction finds one truth at most.
    """
    class_ap = np.full((len(iou_thresholds), len(class_ids)), np.nan)
    for column, class_id in enumerate(class_ids):
        images = [own for own in (_of_class(image, class_id) for image in overlaps) if _holds_any(own)]
        if any((image.truth_areas >= min_area).any() for image in images):
            for row, threshold in enumerate(iou_thresholds):
                class_ap[row, column] = _area([_judge(image, threshold, min_area) for image in images])
    return ClassScores(class_ap)


def _of_class(image: Overlaps, class_id: int) -> Overlaps:
    """Returns the predictions with pixels, in order of falling score, and the truths of one class."""
    order = np.argsort(-image.scores, kind="stable")
    own = order[((image.class_ids == class_id) & (image.areas > 0))[order]]
    return image.select(own, np.flatnonzero(image.truth_class_ids == class_id))


def _holds_any(image: Overlaps) -> bool:
    return len(image.class_ids) + len(image.truth_ids) > 0


def _judge(image: Overlaps, threshold: float, min_area: float) -> Verdicts:
    """Judges one class in one image: the best prediction of a truth is right, its others are wrong."""
    is_small = image.truth_areas < min_area
    hits = (image.ious > threshold)[:, ~is_small]
    is_right = (hits & (hits.cumsum(axis=0) == 1)).any(axis=1)
    is_ignored = _ignorable_pixels(image, is_small, min_area) / image.areas > threshold
    counts = hits.any(axis=1) | ~is_ignored
    return Verdicts(image.scores[counts], is_right[counts], int((~hits.any(axis=0)).sum()))


def _ignorable_pixels(image: Overlaps, is_small: Bool[Array, " G"], min_area: float) -> Int[Array, " P"]:
    """Counts the pixels on void, crowd and small truths; a crowd below the minimum area counts as both."""
    crowd = image.crowd_pixels * np.where(image.crowd_areas < min_area, 2, 1)
    return image.void_pixels + crowd + image.intersections[:, is_small].sum(axis=1)


def _area(verdicts: Sequence[Verdicts]) -> float:
    """Returns the area under the precision-recall curve of all images.

    Predictions of equal score make one point, and a point of precision 1 stands at recall 0. A point
    is as wide as half the way between its neighbours; the outermost are their own neighbours.
    """
    scores = np.concatenate([image.scores for image in verdicts])
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    if not len(last_of_score):
        return 0.0
    hits = np.cumsum(np.concatenate([image.is_right for image in verdicts])[order])[last_of_score]
    recalls = np.append(0.0, hits / (hits[-1] + sum(image.missed for image in verdicts)))
    precisions = np.append(1.0, hits / (last_of_score + 1))
    neighbours = np.pad(recalls, 1, mode="edge")
    return float(precisions @ (neighbours[2:] - neighbours[:-2]) / 2)
