"""Confusion of classes, background included."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from maskrcnn.project.notation import Array
from maskrcnn.scoring.matches import HIT_IOU, UNMATCHED, choose_truths, lies_in_crowd, rank
from maskrcnn.scoring.overlaps import Overlaps

BACKGROUND = 0


class Confusion(NamedTuple):
    """A truth predicted as another class: the index of the image, and of prediction and truth in it."""

    image: int
    prediction: int
    truth: int


def count_confusions(
    overlaps: Iterable[Overlaps], class_count: int, min_score: float, iou_threshold: float = HIT_IOU
) -> Int[Array, "K K"]:
    """Counts truths by their own class and the class of the prediction that matches them.

    Predictions are matched as in `matches`, but with truths of any class, so that a rider predicted as a
    person is a confusion. Unmatched predictions mostly in a crowd of their class are left out.

    Args:
        overlaps: One per image.
        class_count: Classes, background included.
        min_score: Predictions below it are left out.
        iou_threshold: IoU from which a prediction matches a truth.

    Returns:
        Rows are true classes, columns predicted ones. Column 0 counts missed truths, row 0 false alarms.
    """
    counts = np.zeros((class_count, class_count), np.int64)
    for image in overlaps:
        order, truths = match_any_class(image, min_score, iou_threshold)
        is_found = truths != UNMATCHED
        counted = is_found | ~lies_in_crowd(image)[order]
        true_classes = np.where(is_found, np.append(image.truth_class_ids, BACKGROUND)[truths], BACKGROUND)
        np.add.at(counts, (true_classes[counted], image.class_ids[order][counted]), 1)
        missed = np.delete(image.truth_class_ids, truths[is_found])
        counts[:, BACKGROUND] += np.bincount(missed, minlength=class_count)
    return counts


def match_any_class(
    image: Overlaps, min_score: float, iou_threshold: float = HIT_IOU
) -> tuple[Int[Array, " p"], Int[Array, " p"]]:
    """Returns predictions by falling score, and the truth of any class that each matches, or -1."""
    order = rank(image, min_score)
    return order, choose_truths(image.ious[order], np.array([iou_threshold]))[0]


def rank_confusions(counts: Int[Array, "K K"], count: int) -> list[tuple[int, int]]:
    """Returns the pairs of a true class and another predicted class, the most frequent first.

    Args:
        counts: From `count_confusions`.
        count: Maximum number of pairs; those that never occurred and the background are left out.
    """
    mistaken = counts * ~np.eye(len(counts), dtype=bool)
    mistaken[BACKGROUND], mistaken[:, BACKGROUND] = 0, 0
    pairs = np.argsort(-mistaken, axis=None, kind="stable")[:count]
    return [divmod(pair, len(counts)) for pair in pairs.tolist() if mistaken.flat[pair]]


def find_confusions(
    overlaps: Sequence[Overlaps], actual: int, predicted: int, min_score: float, count: int
) -> list[Confusion]:
    """Lists truths of one class that were predicted as another, the highest scores first.

    Args:
        overlaps: One per image.
        actual: Class id of the truths.
        predicted: Class id of the predictions that match them.
        min_score: Predictions below it are left out.
        count: Maximum number of confusions.
    """
    found = [
        Confusion(index, prediction, truth)
        for index, image in enumerate(overlaps)
        for prediction, truth in zip(*(column.tolist() for column in match_any_class(image, min_score)), strict=True)
        if truth != UNMATCHED and image.truth_class_ids[truth] == actual and image.class_ids[prediction] == predicted
    ]
    return sorted(found, key=lambda one: -overlaps[one.image].scores[one.prediction])[:count]
