"""Scores and errors as flat rows: metrics as JSON, which DVC shows as a table, and tables as CSV for its plots.

Class names are indexed by class id, background first. A score without value (NaN, a class without truth) is
left out of a row, and `dvc metrics show` prints a dash.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxtyping import Int

from maskrcnn.project.errors import InputError
from maskrcnn.project.metrics import Metrics
from maskrcnn.project.notation import Array
from maskrcnn.scoring.average_precision import RECALLS, ClassAP, Curve, PerImageAP, mean_ap
from maskrcnn.scoring.errors import KINDS, Error
from maskrcnn.scoring.matches import IOU_THRESHOLDS

SURE_SCORE = 0.9
TEST_SET = ("images", "instances", "test_set")  # metrics that are equal where the images and their truth are

Table = list[tuple[Any, ...]]


def known(row: Mapping[str, float]) -> Metrics:
    """Returns the entries of a row that have a value, which is all but NaN."""
    return {name: value for name, value in row.items() if not math.isnan(value)}


def average_row(per_image: PerImageAP, cityscapes_ap: ClassAP, coco_ap: ClassAP) -> Metrics:
    """Returns the averages of the three protocols, few enough for the columns of `dvc metrics show`."""
    return known(
        {
            "AP50": float(per_image.ap[0]),
            "rAP": per_image.range_ap,
            "cityscapes_AP": mean_ap(cityscapes_ap),
            "coco_AP": mean_ap(coco_ap),
        }
    )


def loose_row(cityscapes_ap: ClassAP, coco_ap: ClassAP) -> Metrics:
    """Returns the averages of the other two protocols at the first threshold."""
    return known({"cityscapes_AP50": mean_ap(cityscapes_ap[:1]), "coco_AP50": mean_ap(coco_ap[:1])})


def per_image_row(scores: PerImageAP, class_names: Sequence[str], test_set: int) -> Metrics:
    """Returns the per-image AP of each class at the first threshold, and what all scores rest on.

    Args:
        scores: Of all images.
        class_names: By class id, background first.
        test_set: The digest of the records: scores of different ones must not be compared.
    """
    classes = list(enumerate(class_names))[1:]
    return {
        **known({f"cAP_{name}": float(scores.class_ap[0, class_id]) for class_id, name in classes}),
        "images": scores.images,
        "images_without_truth": scores.images_without_truth,
        **{f"images_{name}": int(scores.class_images[class_id]) for class_id, name in classes},
        "instances": int(scores.class_instances.sum()),
        "test_set": test_set,
    }


def iou_row(scores: PerImageAP) -> Metrics:
    """Returns the per-image AP at each IoU, as `AP50` to `AP95`."""
    return known({f"AP{round(100 * iou)}": float(ap) for iou, ap in zip(IOU_THRESHOLDS, scores.ap, strict=True)})


def class_row(prefix: str, class_ap: ClassAP, class_names: Iterable[str]) -> Metrics:
    """Returns the AP of each class, averaged over the thresholds, as `<prefix>_<class>`."""
    means = class_ap.mean(axis=0).tolist()
    return known({f"{prefix}_{name}": mean for name, mean in zip(class_names, means, strict=True)})


def check_test_sets(rows: Mapping[str, Metrics]) -> None:
    """Refuses variants that were scored on different images: their columns must not stand side by side.

    Args:
        rows: The metrics of every variant, see `per_image_row`.

    Raises:
        InputError: naming the first variant and the first that differs from it.
    """
    sets = {name: ", ".join(f"{key} {row.get(key)}" for key in TEST_SET) for name, row in rows.items()}
    first, *others = sets
    for name in others:
        if sets[name] != sets[first]:
            raise InputError(
                f"`metrics/classes/{name}.json` must be scored on the images of `metrics/classes/{first}.json`, "
                f"{sets[first]}; got {sets[name]}. Run `dvc repro evaluate`."
            )


def count_row(prefix: str, counts: Iterable[int], class_names: Iterable[str]) -> Metrics:
    """Returns the number of truths of each class, as `<prefix>_<class>`."""
    return {f"{prefix}_{name}": int(count) for name, count in zip(class_names, counts, strict=True)}


def error_counts(errors: Iterable[Error], sure_score: float = SURE_SCORE) -> Metrics:
    """Returns the number of errors of each kind, and of false alarms that may be unlabelled instances.

    Args:
        errors: Of all images.
        sure_score: Background errors from this score on are often instances that the truth lacks.
    """
    listed = list(errors)
    counts = Counter(error.kind for error in listed)
    sure = sum(error.kind == "background" and error.score >= sure_score for error in listed)
    return {**{kind: counts[kind] for kind in KINDS}, "background_sure": sure}


def curve_table(curves: Mapping[str, Curve | None]) -> Table:
    """Returns the precision-recall curves of classes by name, heading first; a class without truth has none."""
    rows: Table = [("class", "recall", "precision", "score")]
    for name, curve in curves.items():
        if curve is None:
            continue
        points = zip(RECALLS.tolist(), curve.precisions.tolist(), curve.scores.tolist(), strict=True)
        rows += [(name, recall, round(precision, 6), round(score, 6)) for recall, precision, score in points]
    return rows


def confusion_table(counts: Int[Array, "K K"], class_names: Sequence[str]) -> Table:
    """Returns a row for every truth and every false alarm, heading first; DVC's plot template counts them."""
    rows: Table = [("actual", "predicted")]
    for actual, row in zip(class_names, counts.tolist(), strict=True):
        for predicted, count in zip(class_names, row, strict=True):
            rows += [(actual, predicted)] * count
    return rows


def error_table(errors: Iterable[tuple[str, Error]], class_names: Sequence[str]) -> Table:
    """Returns errors with the name of their image, heading first; `other_class` is the class it overlaps most."""
    rows: Table = [("image", "kind", "class", "other_class", "score", "iou", "area", "y1", "x1", "y2", "x2")]
    for image, error in errors:
        names = class_names[error.class_id], class_names[error.other_class_id]
        numbers = round(error.score, 4), round(error.iou, 4), error.area
        rows.append((image, error.kind, *names, *numbers, *(round(edge, 1) for edge in error.box_px)))
    return rows
