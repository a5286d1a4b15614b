"""Scores and mistakes as flat rows, for JSON that DVC shows as a table and CSV that it plots.

Class names come by class id, background first. What has no value (no truth) is 0 here.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxtyping import Int

from maskrcnn.project.notation import Array
from maskrcnn.scoring.average_precision import PerImageScores
from maskrcnn.scoring.curves import RECALLS, Curve
from maskrcnn.scoring.errors import KINDS, Error
from maskrcnn.scoring.matching import IOU_THRESHOLDS

Row = dict[str, Any]
SURE_SCORE = 0.9  # from it on, a false alarm on the background hints at truth that misses an instance


def per_image_row(scores: PerImageScores, class_names: Sequence[str]) -> Row:
    """Returns cAP and images of each class: the count tells a cAP of 0 from no truth at all."""
    classes = list(enumerate(class_names))[1:]
    return {
        **{f"cAP_{name}": float(scores.class_ap[0, class_id]) for class_id, name in classes},
        "images": scores.images,
        "images_without_truth": scores.images_without_truth,
        **{f"images_{name}": int(scores.class_images[class_id]) for class_id, name in classes},
    }


def iou_row(scores: PerImageScores) -> Row:
    """Returns the per-image AP at each IoU, as `AP50` to `AP95`."""
    return {f"AP{round(100 * iou)}": float(ap) for iou, ap in zip(IOU_THRESHOLDS, scores.ap, strict=True)}


def class_row(prefix: str, values: Iterable[float], class_names: Iterable[str]) -> Row:
    """Returns one value a class."""
    return {f"{prefix}_{name}": known(value) for name, value in zip(class_names, values, strict=True)}


def known(value: float) -> float:
    """Returns the value, or 0 for NaN, which JSON has not."""
    return 0.0 if math.isnan(value) else float(value)


def error_counts(errors: Iterable[Error]) -> Row:
    """Returns the number of mistakes of each kind, and of false alarms that hint at missing truth."""
    listed = list(errors)
    counts = Counter(error.kind for error in listed)
    sure = sum(error.kind == "background" and error.score >= SURE_SCORE for error in listed)
    return {**{kind: counts[kind] for kind in KINDS}, "background_sure": sure}


def curve_table(curves: Mapping[str, Curve]) -> list[tuple[Any, ...]]:
    """Returns the precision-recall curves of classes by name, heading first."""
    rows: list[tuple[Any, ...]] = [("class", "recall", "precision", "score")]
    for name, curve in curves.items():
        points = zip(RECALLS.tolist(), curve.precisions.tolist(), curve.scores.tolist(), strict=True)
        rows += [(name, recall, round(precision, 6), round(score, 6)) for recall, precision, score in points]
    return rows


def confusion_table(counts: Int[Array, "K K"], class_names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Returns a row for every truth and every false alarm, heading first: DVC's template counts them."""
    rows: list[tuple[Any, ...]] = [("actual", "predicted")]
    for actual, row in zip(class_names, counts.tolist(), strict=True):
        for predicted, count in zip(class_names, row, strict=True):
            rows += [(actual, predicted)] * count
    return rows


def error_table(errors: Iterable[tuple[str, Error]], class_names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Returns mistakes with the name of their image, heading first; `other_class` is what lies under one."""
    rows: list[tuple[Any, ...]] = [
        ("image", "kind", "class", "other_class", "score", "iou", "area", "y1", "x1", "y2", "x2")
    ]
    for image, error in errors:
        names = class_names[error.class_id], class_names[error.other_class_id]
        numbers = round(error.score, 4), round(error.iou, 4), error.area
        rows.append((image, error.kind, *names, *numbers, *(round(edge, 1) for edge in error.box_px)))
    return rows
