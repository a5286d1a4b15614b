"""Precision-recall curves, the area under them, and means of AP over classes.

The per-image protocol of the 2021 tables: an AP for every image, then their mean.

An image without truth has no AP: it is left out of the mean and counted. An image with truth and
without predictions has AP 0. A class is averaged over the images that contain it; without such an
image its AP is NaN. Predictions that `matches` ignores (in crowds) do not enter the curve.

Source:
    Matterport `compute_ap`, `compute_ap_range`. Differences: without truth it divides 0 by 0; see
    also `matches`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

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


def trace_curve(matches: Sequence[Matches], class_id: int, threshold: int = 0) -> Curve | None:
    """Returns the curve of one class over all images; None if no image contains it.

    Predictions of equal score come in the order of the images.

    Args:
        matches: One per image.
        class_id: From 1.
        threshold: Index of the IoU threshold among those of the matches.
    """
    truth_count = sum(int((image.truth_class_ids == class_id).sum()) for image in matches)
    if not truth_count:
        return None
    judged = [(image.class_ids == class_id) & ~image.ignored[threshold] for image in matches]
    scores = np.concatenate([image.scores[own] for image, own in zip(matches, judged, strict=True)])
    found = np.concatenate(
        [image.truths[threshold, own] != UNMATCHED for image, own in zip(matches, judged, strict=True)]
    )
    if not len(scores):
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


@dataclass(frozen=True)
class PerImageAP:
    """The per-image AP of a split at T thresholds and of K classes, background included (NaN).

    Attributes:
        ap: Mean over the images with truth, all classes pooled, at each threshold; NaN without truth.
        class_ap: Mean over the images that contain the class, at each threshold; NaN without truth.
        class_images: Images that contain the class.
        class_instances: Truths of the class, without crowds.
        images: Images of the split.
        images_without_truth: Images that have no AP.
    """

    ap: Float[Array, " T"]
    class_ap: Float[Array, "T K"]
    class_images: Int[Array, " K"]
    class_instances: Int[Array, " K"]
    images: int
    images_without_truth: int

    @property
    def range_ap(self) -> float:
        """The mean of `ap` over the thresholds: rAP."""
        return float(self.ap.mean())


def image_average_precisions(matches: Matches, class_id: int | None = None) -> Float[Array, " T"]:
    """Returns the AP of one image at each threshold.

    Args:
        matches: Of an image that contains truth (of the class).
        class_id: Class whose truths and predictions are counted; all classes pooled if None.
    """
    chosen = np.full(len(matches.class_ids), True) if class_id is None else matches.class_ids == class_id
    truth_class_ids = matches.truth_class_ids
    truth_count = len(truth_class_ids) if class_id is None else int((truth_class_ids == class_id).sum())
    rows = zip(matches.truths != UNMATCHED, chosen & ~matches.ignored, strict=True)
    return np.array([average_precision(found[judged], truth_count) for found, judged in rows])


def score_per_image(matches: Sequence[Matches], class_count: int) -> PerImageAP:
    """Averages the APs of images.

    Args:
        matches: One per image, all at the same thresholds; at least one.
        class_count: Classes, background included.
    """
    thresholds = len(matches[0].truths)
    pooled = [image_average_precisions(image) for image in matches if len(image.truth_class_ids)]
    class_ap, class_images = np.full((thresholds, class_count), np.nan), np.zeros(class_count, np.int64)
    for class_id in range(1, class_count):
        containing = [image for image in matches if class_id in image.truth_class_ids]
        aps = [image_average_precisions(image, class_id) for image in containing]
        class_ap[:, class_id] = _mean(aps, thresholds)
        class_images[class_id] = len(containing)
    truths = np.concatenate([image.truth_class_ids for image in matches])
    return PerImageAP(
        ap=_mean(pooled, thresholds),
        class_ap=class_ap,
        class_images=class_images,
        class_instances=np.bincount(truths, minlength=class_count),
        images=len(matches),
        images_without_truth=len(matches) - len(pooled),
    )


def _mean(aps: list[Float[Array, " T"]], thresholds: int) -> Float[Array, " T"]:
    """Returns the mean over images, NaN if there are none."""
    return np.mean(aps, axis=0) if aps else np.full(thresholds, np.nan)
