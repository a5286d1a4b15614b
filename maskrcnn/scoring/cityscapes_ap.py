"""The official Cityscapes protocol for instances.

One curve for each class and threshold over all images. A prediction matches a truth if their IoU is
above the threshold. Truths below a minimum area, crowds and void are no truth; an unmatched prediction
that lies mostly on them is ignored. A class without truth has no AP: NaN, left out of the mean.

Source:
    cityscapesScripts 2.3 `evalInstanceLevelSemanticLabeling`, to rounding. Where every prediction is
    ignored and no truth is found, it stops with an IndexError; here AP is 0.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.project.notation import Array
from maskrcnn.scoring.average_precision import ClassAP
from maskrcnn.scoring.matches import IOU_THRESHOLDS
from maskrcnn.scoring.overlaps import Overlaps

IMAGE_SHAPE = (1024, 2048)  # of the benchmark
MIN_AREA = 100.0  # pixels of an image of that shape


class Outcomes(NamedTuple):
    """Predictions of one class that are not ignored, and the truths that none of them matches."""

    scores: Float[Array, " V"]
    is_right: Bool[Array, " V"]
    missed: int


def official_label_ids(catalogue: Catalogue) -> dict[int, int]:
    """Returns the classes that the benchmark scores, ascending, and the label id of each.

    A label that is also void is left out: of Cityscapes caravan and trailer.
    """
    labels = catalogue.class_ids_by_label.items()
    official = {class_id: label_id for label_id, class_id in labels if label_id not in catalogue.void_label_ids}
    return dict(sorted(official.items()))


def scale_min_area(image_shape: tuple[int, int]) -> float:
    """Returns the minimum area in pixels of an image of this shape."""
    return MIN_AREA * math.prod(image_shape) / math.prod(IMAGE_SHAPE)


def score_cityscapes(
    overlaps: Sequence[Overlaps],
    class_ids: Sequence[int],
    min_area: float = MIN_AREA,
    iou_thresholds: Float[Array, " T"] = IOU_THRESHOLDS,
) -> ClassAP:
    """Returns the official AP of each of some classes at each threshold.

    Args:
        overlaps: One per image.
        class_ids: The classes to score, see `official_label_ids`.
        min_area: Pixels below which a truth is no truth, see `scale_min_area`.
        iou_thresholds: At least 0.5, so that a prediction matches one truth at most.
    """
    class_ap = np.full((len(iou_thresholds), len(class_ids)), np.nan)
    for column, class_id in enumerate(class_ids):
        images = [own for own in (select_class(image, class_id) for image in overlaps) if _has_any(own)]
        if any((image.truth_areas >= min_area).any() for image in images):
            for row, threshold in enumerate(iou_thresholds):
                class_ap[row, column] = _area_under_curve([decide(image, threshold, min_area) for image in images])
    return class_ap


def count_official(overlaps: Sequence[Overlaps], class_ids: Sequence[int], min_area: float = MIN_AREA) -> list[int]:
    """Returns how many truths of each class `score_cityscapes` counts: those that are not too small.

    Args:
        overlaps: One per image.
        class_ids: The classes, see `official_label_ids`.
        min_area: Pixels below which a truth is no truth, see `scale_min_area`.
    """
    counted = [image.truth_class_ids[image.truth_areas >= min_area] for image in overlaps]
    return [sum(int((image == class_id).sum()) for image in counted) for class_id in class_ids]


def select_class(image: Overlaps, class_id: int) -> Overlaps:
    """Returns the predictions with pixels, in order of falling score, and the truths of one class."""
    order = np.argsort(-image.scores, kind="stable")
    own = order[((image.class_ids == class_id) & (image.areas > 0))[order]]
    return image.select(own, np.flatnonzero(image.truth_class_ids == class_id))


def _has_any(image: Overlaps) -> bool:
    return len(image.class_ids) + len(image.truth_ids) > 0


def decide(image: Overlaps, threshold: float, min_area: float) -> Outcomes:
    """Decides on one class in one image: the first prediction that matches a truth is right, others are wrong.

    Args:
        image: From `select_class`.
        threshold: IoU above which a prediction matches a truth.
        min_area: Pixels below which a truth is no truth.
    """
    is_small = image.truth_areas < min_area
    hits = (image.ious > threshold)[:, ~is_small]
    is_right = (hits & (hits.cumsum(axis=0) == 1)).any(axis=1)
    is_ignored = _ignorable_pixels(image, is_small, min_area) / image.areas > threshold
    counts = hits.any(axis=1) | ~is_ignored
    return Outcomes(image.scores[counts], is_right[counts], int((~hits.any(axis=0)).sum()))


def _ignorable_pixels(image: Overlaps, is_small: Bool[Array, " G"], min_area: float) -> Int[Array, " P"]:
    """Counts the pixels on void, crowds and small truths; a crowd below the minimum area is counted as both."""
    crowd = image.crowd_pixels * np.where(image.crowd_areas < min_area, 2, 1)
    return image.void_pixels + crowd + image.intersections[:, is_small].sum(axis=1)


def _area_under_curve(outcomes: Sequence[Outcomes]) -> float:
    """Returns the area under the precision-recall curve of all images.

    Predictions of equal score are one point; a point of precision 1 at recall 0 is added. The width of a
    point is half the distance between its neighbours; a point at either end is its own neighbour.
    """
    scores = np.concatenate([image.scores for image in outcomes])
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    if not len(last_of_score):
        return 0.0
    hits = np.cumsum(np.concatenate([image.is_right for image in outcomes])[order])[last_of_score]
    recalls = np.append(0.0, hits / (hits[-1] + sum(image.missed for image in outcomes)))
    precisions = np.append(1.0, hits / (last_of_score + 1))
    neighbours = np.pad(recalls, 1, mode="edge")
    return math.fsum(precisions * (neighbours[2:] - neighbours[:-2]) / 2)  # exact: equal on every CPU
