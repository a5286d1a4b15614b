"""Scores the predictions of one variant on the test images and lists what went wrong.

Reads   predictions/<variant>.json, data/processed/test.npz
Writes  metrics/{test,iou,classes,errors}/<variant>.json, plots/{curves,confusion,worst}/<variant>.csv
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import csv
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rich.progress import track

from maskrcnn.data.cityscapes import CLASS_IDS, CLASS_NAMES, LABEL_IDS
from maskrcnn.data.records import Records, read_records
from maskrcnn.project.command import run
from maskrcnn.project.files import whole_file, write_text
from maskrcnn.results.predictions import Predictions, read_predictions
from maskrcnn.scoring.average_precision import score_per_image
from maskrcnn.scoring.cityscapes import MIN_AREA, VOID_IDS, score_cityscapes
from maskrcnn.scoring.class_scores import ClassScores
from maskrcnn.scoring.coco import annotate, make_dataset, score_coco
from maskrcnn.scoring.confusion import count_confusions
from maskrcnn.scoring.curves import trace_curve
from maskrcnn.scoring.errors import find_errors, worst_errors
from maskrcnn.scoring.matching import match
from maskrcnn.scoring.overlaps import Overlaps, measure_overlaps
from maskrcnn.scoring.regions import find_regions
from maskrcnn.scoring.tables import (
    class_row,
    confusion_table,
    curve_table,
    error_counts,
    error_table,
    iou_row,
    known,
    per_image_row,
)

CLASSES = {LABEL_IDS[name]: class_id for name, class_id in CLASS_IDS.items() if class_id}
OFFICIAL_NAMES = [name for name in CLASS_NAMES[1:] if LABEL_IDS[name] not in VOID_IDS]
OFFICIAL_PIXELS = 1024 * 2048
MIN_SCORE = 0.5  # below it a prediction is no decision, and no mistake
LISTED = 20  # mistakes of one class and kind


def main(variant: str, root: Path = Path()) -> None:
    """Writes the scores and the mistakes of `predictions/<variant>.json`.

    Args:
        variant: Stem of the predictions and of what is written.
        root: Folder of the repository.
    """
    records = read_records(root / "data/processed/test.npz")
    predictions = read_predictions(
        root / f"predictions/{variant}.json", len(records), records.image_shape, len(CLASS_NAMES)
    )
    overlaps, truths = measure(records, predictions)
    official = score_officially(overlaps, records.image_shape)
    dataset = make_dataset(truths, CLASS_NAMES, records.image_shape)
    coco = score_coco(dataset, predictions, records.image_shape)
    write_scores(root / "metrics", variant, overlaps, official, coco)
    write_mistakes(root, variant, overlaps, records.names)


def measure(records: Records, predictions: Sequence[Predictions]) -> tuple[list[Overlaps], list[list[dict[str, Any]]]]:
    """Returns overlaps and COCO annotations of every image, in threads: NumPy lets them run."""

    def measure_image(index: int) -> tuple[Overlaps, list[dict[str, Any]]]:
        regions = find_regions(records.instance_map(index))
        overlaps = measure_overlaps(regions, predictions[index], CLASSES, VOID_IDS)
        return overlaps, annotate(regions, CLASSES)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = pool.map(measure_image, range(len(records)))
        measured = list(track(images, "Overlaps", total=len(records)))
    return [overlaps for overlaps, _ in measured], [truths for _, truths in measured]


def score_officially(overlaps: Sequence[Overlaps], image_shape: tuple[int, int]) -> ClassScores:
    """Returns the official AP, its minimum area shrunk with the image."""
    min_area = MIN_AREA * image_shape[0] * image_shape[1] / OFFICIAL_PIXELS
    return score_cityscapes(overlaps, [CLASS_IDS[name] for name in OFFICIAL_NAMES], min_area)


def write_scores(
    metrics: Path, variant: str, overlaps: Sequence[Overlaps], official: ClassScores, coco: ClassScores
) -> None:
    """Writes the variant's rows of the tables; every variant has the same columns."""
    per_image = score_per_image([match(image) for image in overlaps], len(CLASS_NAMES))
    averages = {
        "AP50": float(per_image.ap[0]),
        "rAP": per_image.range_ap,
        "cityscapes_AP": known(official.mean()),
        "cityscapes_AP50": known(official.mean(slice(1))),
        "coco_AP": known(coco.mean()),
        "coco_AP50": known(coco.mean(slice(1))),
    }
    by_class = class_row("cityscapes_AP", official.by_class(), OFFICIAL_NAMES)
    by_class |= class_row("coco_AP", coco.by_class(), CLASS_NAMES[1:])
    write_metrics(metrics / f"test/{variant}.json", averages | per_image_row(per_image, CLASS_NAMES))
    write_metrics(metrics / f"iou/{variant}.json", iou_row(per_image))
    write_metrics(metrics / f"classes/{variant}.json", by_class)


def write_mistakes(root: Path, variant: str, overlaps: Sequence[Overlaps], names: Sequence[str]) -> None:
    """Writes precision and recall, what was taken for what, and the worst mistakes with their images."""
    matches = [match(image) for image in overlaps]
    curves = {name: trace_curve(matches, class_id) for name, class_id in CLASS_IDS.items() if class_id}
    confusions = count_confusions(overlaps, len(CLASS_NAMES), MIN_SCORE)
    errors = [
        (name, error) for name, image in zip(names, overlaps, strict=True) for error in find_errors(image, MIN_SCORE)
    ]
    write_metrics(root / f"metrics/errors/{variant}.json", error_counts(error for _, error in errors))
    write_csv(root / f"plots/curves/{variant}.csv", curve_table(curves))
    write_csv(root / f"plots/confusion/{variant}.csv", confusion_table(confusions, CLASS_NAMES))
    write_csv(root / f"plots/worst/{variant}.csv", error_table(worst_errors(errors, LISTED), CLASS_NAMES))


def write_metrics(path: Path, row: dict[str, Any]) -> None:
    """Writes one row of a table."""
    write_text(path, json.dumps(row, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Iterable[tuple[Any, ...]]) -> None:
    """Writes a table, heading first."""
    with whole_file(path) as unfinished, unfinished.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
