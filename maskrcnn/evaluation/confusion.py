"""Which class was taken for which, background included."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int

from maskrcnn.evaluation.matching import UNMATCHED, choose_truths, lies_in_crowd
from maskrcnn.evaluation.overlaps import Overlaps
from maskrcnn.notation import Array

BACKGROUND = 0


def count_confusions(
    overlaps: Iterable[Overlaps], class_count: int, min_score: float, iou_threshold: float = 0.5
) -> Int[Array, "K K"]:
    """Counts truths by their own class and the class of the prediction that found them.

    Predictions choose truths as in `matching`, but of any class, so that a rider taken for a person shows.
    Predictions mostly in a crowd of their class are left out.

    Args:
        overlaps: One an image.
        class_count: Classes, background included.
        min_score: Predictions below it do not exist.
        iou_threshold: What a prediction must share with a truth.

    Returns:
        Rows are true classes, columns predicted ones. Column 0 counts missed truths, row 0 false alarms.
    """
    counts = np.zeros((class_count, class_count), np.int64)
    for image in overlaps:
        order = np.argsort(-image.scores, kind="stable")
        order = order[(image.scores >= min_score)[order]]
        truths = choose_truths(image.ious[order], np.array([iou_threshold]))[0]
        is_found = truths != UNMATCHED
        counted = is_found | ~lies_in_crowd(image)[order]
        true_classes = np.where(is_found, np.append(image.truth_class_ids, BACKGROUND)[truths], BACKGROUND)
        np.add.at(counts, (true_classes[counted], image.class_ids[order][counted]), 1)
        missed = np.delete(image.truth_class_ids, truths[is_found])
        counts[:, BACKGROUND] += np.bincount(missed, minlength=class_count)
    return counts
