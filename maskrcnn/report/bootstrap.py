"""Bootstrap intervals over images: how far a score would move if other images of the same kind were scored.

A replicate holds as many images as the split, drawn from it with replacement. All variants are scored on the same
replicates, so that their differences have intervals too.

Matching is decided inside an image, so a replicate needs no new matches: it weights what each image contributes.

Source:
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3: percentile intervals.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from maskrcnn.scoring.average_precision import RECALLS, image_average_precisions
from maskrcnn.scoring.cityscapes_ap import decide, select_class
from maskrcnn.scoring.matches import IOU_THRESHOLDS, UNMATCHED, Matches, rank
from maskrcnn.scoring.overlaps import Overlaps

REPLICATES = 1000
CONFIDENCE = 0.95

Weights = Float[np.ndarray, "R I"]  # how often each of R replicates holds each of I images
Samples = Float[np.ndarray, " R"]


class Judged(NamedTuple):
    """The predictions of one class at one threshold, over all images, in order of falling score.

    Attributes:
        images: Index of the image of each.
        scores: Of each.
        is_right: Whether each matches a truth.
        truths: Truths of each image, found or not.
    """

    images: Int[np.ndarray, " P"]
    scores: Float[np.ndarray, " P"]
    is_right: Bool[np.ndarray, " P"]
    truths: Int[np.ndarray, " I"]


def draw_weights(image_count: int, seed: int, replicates: int = REPLICATES) -> Weights:
    """Draws the images of every replicate."""
    drawn = np.random.default_rng(seed).integers(0, image_count, (replicates, image_count))
    weights = np.zeros((replicates, image_count), np.float32)
    np.add.at(weights, (np.arange(replicates)[:, None], drawn), 1)
    return weights


def find_interval(samples: Samples, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Returns the low and high end of the percentile interval; NaN where no replicate has a value."""
    known = samples[~np.isnan(samples)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return low, high


def resample(
    matches: Sequence[Matches], overlaps: Sequence[Overlaps], official: Sequence[int], min_area: float, weights: Weights
) -> dict[str, Samples]:
    """Returns the averages of the three protocols on every replicate, by the names of `average_row` and `loose_row`.

    Args:
        matches: One per image, at the ten thresholds of COCO.
        overlaps: One per image.
        official: Classes that the Cityscapes benchmark scores.
        min_area: Pixels below which a truth is no truth there.
        weights: From `draw_weights`.
    """
    per_image = resample_per_image(matches, weights)
    cityscapes = [
        [area_cityscapes(one, weights) for one in row] for row in judge_cityscapes(overlaps, official, min_area)
    ]
    coco = [[area_coco(one, weights) for one in row] for row in judge_coco(matches, overlaps)]
    return {
        "AP50": per_image[:, 0],
        "rAP": per_image.mean(axis=1),
        "cityscapes_AP": _mean([ap for thresholds in cityscapes for ap in thresholds], weights),
        "cityscapes_AP50": _mean([thresholds[0] for thresholds in cityscapes], weights),
        "coco_AP": _mean([ap for thresholds in coco for ap in thresholds], weights),
        "coco_AP50": _mean([thresholds[0] for thresholds in coco], weights),
    }


def resample_per_image(matches: Sequence[Matches], weights: Weights) -> Float[np.ndarray, "R T"]:
    """Returns the per-image AP at each threshold on every replicate; NaN where it has no image with truth."""
    scored = [index for index, image in enumerate(matches) if len(image.truth_class_ids)]
    aps = np.array([image_average_precisions(matches[index]) for index in scored]).reshape(-1, len(IOU_THRESHOLDS))
    held = weights[:, scored].astype(np.float64)
    return _divide(held @ aps, held.sum(axis=1, keepdims=True))


def judge_cityscapes(overlaps: Sequence[Overlaps], official: Sequence[int], min_area: float) -> Iterator[list[Judged]]:
    """Yields the judged predictions of each class by the Cityscapes protocol, one entry per threshold."""
    for class_id in official:
        images = [select_class(image, class_id) for image in overlaps]
        rows = []
        for threshold in IOU_THRESHOLDS:
            outcomes = [decide(image, threshold, min_area) for image in images]
            truths = [one.missed + int(one.is_right.sum()) for one in outcomes]
            rows.append(_join([one.scores for one in outcomes], [one.is_right for one in outcomes], truths))
        yield rows


def judge_coco(matches: Sequence[Matches], overlaps: Sequence[Overlaps]) -> Iterator[list[Judged]]:
    """Yields the judged predictions of each class with truth by the COCO protocol, one entry per threshold.

    A prediction without a match is ignored if the share of it in a crowd reaches the threshold. faster-coco-eval
    decides the scores of the tables; the two differ where a class has several crowd labels.
    """
    shares = [image.crowd_pixels / np.maximum(image.areas, 1) for image in overlaps]
    in_crowd = [share[rank(image)] for share, image in zip(shares, overlaps, strict=True)]
    for class_id in sorted({class_id for image in matches for class_id in image.truth_class_ids.tolist()}):
        truths = [int((image.truth_class_ids == class_id).sum()) for image in matches]
        rows = []
        for row, threshold in enumerate(IOU_THRESHOLDS):
            scores, is_right = [], []
            for image, share in zip(matches, in_crowd, strict=True):
                found = image.truths[row] != UNMATCHED
                counts = (image.class_ids == class_id) & (found | (share < threshold))
                scores.append(image.scores[counts])
                is_right.append(found[counts])
            rows.append(_join(scores, is_right, truths))
        yield rows


def area_cityscapes(judged: Judged, weights: Weights) -> Samples:
    """Returns the area under the curve as `score_cityscapes` measures it; NaN where a replicate has no truth."""
    hits, drawn, total = _count(judged, weights)
    last_of_score = np.flatnonzero(np.diff(judged.scores, append=-np.inf))
    hits, drawn = hits[:, last_of_score], drawn[:, last_of_score]
    recalls = np.pad(_divide(hits, total), [(0, 0), (1, 0)])
    precisions = np.pad(np.where(drawn > 0, hits / np.maximum(drawn, 1), 1.0), [(0, 0), (1, 0)], constant_values=1.0)
    edges = np.pad(recalls, [(0, 0), (1, 1)], mode="edge")
    area = (precisions * (edges[:, 2:] - edges[:, :-2])).sum(axis=1) / 2
    return np.where(total[:, 0] > 0, area, np.nan)


def area_coco(judged: Judged, weights: Weights) -> Samples:
    """Returns the mean of the interpolated precision at 101 recalls; NaN where a replicate has no truth."""
    hits, drawn, total = _count(judged, weights)
    # The curve's corners are at the hits: between two of them only the precision falls.
    hits, drawn = hits[:, judged.is_right], drawn[:, judged.is_right]
    precisions = np.where(hits > 0, hits / np.maximum(drawn, 1), 0.0)
    best = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
    best = np.pad(best, [(0, 0), (0, 1)])  # a recall that is never reached has precision 0
    reached = [recalls.searchsorted(RECALLS) for recalls in _divide(hits, total)]
    area = np.take_along_axis(best, np.array(reached), axis=1).mean(axis=1)
    return np.where(total[:, 0] > 0, area, np.nan)


def _join(scores: Sequence[np.ndarray], is_right: Sequence[np.ndarray], truths: Sequence[int]) -> Judged:
    """Returns the predictions of all images, the highest score first; equal scores keep the order of the images."""
    joined = np.concatenate(scores)
    images = np.repeat(np.arange(len(scores)), [len(one) for one in scores])
    order = np.argsort(-joined, kind="stable")
    return Judged(images[order], joined[order], np.concatenate(is_right)[order], np.array(truths))


def _count(judged: Judged, weights: Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns for each replicate the hits and the predictions up to each prediction, and its truths in one column."""
    drawn = weights[:, judged.images]
    total = (weights @ judged.truths.astype(np.float32))[:, None].astype(np.float64)
    return np.cumsum(drawn * judged.is_right, axis=1), np.cumsum(drawn, axis=1), total


def _divide(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Returns the quotient, and NaN where the divisor is 0."""
    return np.where(by > 0, values / np.where(by > 0, by, 1.0), np.nan)


def _mean(samples: Sequence[Samples], weights: Weights) -> Samples:
    """Returns the mean over classes and thresholds of those that have a value in the replicate."""
    stacked = np.array(samples).reshape(-1, len(weights))
    return _divide(np.nansum(stacked, axis=0), (~np.isnan(stacked)).sum(axis=0))
