"""The per-image protocol of the 2021 tables: an AP for every image, then their mean.

Conventions. An image without truth has no AP: it is left out of the mean and counted. An image
with truth and without predictions has AP 0. A class is averaged over the images that hold it; a
class that no image holds has AP 0 beside a count of 0. Predictions ignored by `matching` (crowds)
do not enter the curve.

Source:
    Matterport `compute_ap`, `compute_ap_range`. Differences: without truth it divides 0 by 0; see
    also `matching`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from maskrcnn.project.notation import Array
from maskrcnn.scoring.matching import UNMATCHED, Matches


@dataclass(frozen=True)
class PerImageScores:
    """The per-image protocol over a split: T thresholds, K classes with background, which stays 0.

    Attributes:
        ap: Mean over the images with truth, all classes pooled, at each threshold.
        class_ap: Mean over the images that hold the class, at each threshold.
        class_images: Images that hold the class.
        images: Images of the split.
        images_without_truth: Images that have no AP.
    """

    ap: Float[Array, " T"]
    class_ap: Float[Array, "T K"]
    class_images: Int[Array, " K"]
    images: int
    images_without_truth: int

    @property
    def range_ap(self) -> float:
        """The mean of `ap` over the thresholds: rAP."""
        return float(self.ap.mean())


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
    interpolated = np.maximum.accumulate(precisions[::-1])[::-1]
    return float(interpolated[found].sum() / truth_count)  # recall rises by 1/truth_count at each hit


def image_average_precisions(matches: Matches, class_id: int | None = None) -> Float[Array, " T"]:
    """Returns the AP of one image at each threshold.

    Args:
        matches: Of an image that holds truth (of the class).
        class_id: Truths and predictions of this class alone; all classes pooled if None.
    """
    chosen = np.full(len(matches.class_ids), True) if class_id is None else matches.class_ids == class_id
    truth_class_ids = matches.truth_class_ids
    truth_count = len(truth_class_ids) if class_id is None else int((truth_class_ids == class_id).sum())
    rows = zip(matches.truths != UNMATCHED, chosen & ~matches.ignored, strict=True)
    return np.array([average_precision(found[judged], truth_count) for found, judged in rows])


def score_per_image(matches: Sequence[Matches], class_count: int) -> PerImageScores:
    """Averages the APs of images.

    Args:
        matches: One an image, all at the same thresholds; at least one.
        class_count: Classes, background included.
    """
    thresholds = len(matches[0].truths)
    pooled = [image_average_precisions(image) for image in matches if len(image.truth_class_ids)]
    class_ap, class_images = np.zeros((thresholds, class_count)), np.zeros(class_count, np.int64)
    for class_id in range(1, class_count):
        holding = [image for image in matches if class_id in image.truth_class_ids]
        aps = [image_average_precisions(image, class_id) for image in holding]
        class_ap[:, class_id] = _mean(aps, thresholds)
        class_images[class_id] = len(holding)
    return PerImageScores(
        ap=_mean(pooled, thresholds),
        class_ap=class_ap,
        class_images=class_images,
        images=len(matches),
        images_without_truth=len(matches) - len(pooled),
    )


def _mean(aps: list[Float[Array, " T"]], thresholds: int) -> Float[Array, " T"]:
    """Returns the mean over images, 0 where there are none."""
    return np.mean(aps, axis=0) if aps else np.zeros(thresholds)
