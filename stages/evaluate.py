"""Scores the predictions of one variant on the test images and lists the errors.

Reads   predictions/<variant>.json, data/processed/test.npz
Writes  metrics/{test,iou,classes,errors}/<variant>.json, plots/{curves,confusion,worst}/<variant>.csv
Params  draw.min_score
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import csv
from collections.abc import Sequence
from typing import Any

from maskrcnn.data.records import Records
from maskrcnn.data.splits import read_split
from maskrcnn.project.command import run
from maskrcnn.project.config import Draw
from maskrcnn.project.files import whole_file
from maskrcnn.project.metrics import write_metrics
from maskrcnn.project.params import read_params
from maskrcnn.project.variant_rules import check_variant
from maskrcnn.results.predictions import Predictions, read_found
from maskrcnn.scoring.average_precision import ClassAP, score_per_image, trace_curve
from maskrcnn.scoring.cityscapes_ap import count_official, official_label_ids, scale_min_area, score_cityscapes
from maskrcnn.scoring.coco_ap import annotate, make_dataset, score_coco
from maskrcnn.scoring.confusion import count_confusions
from maskrcnn.scoring.errors import find_errors, worst_errors
from maskrcnn.scoring.matches import match
from maskrcnn.scoring.overlaps import Overlaps, find_regions, measure_overlaps
from maskrcnn.scoring.rows import (
    Table,
    average_row,
    class_row,
    confusion_table,
    count_row,
    curve_table,
    error_counts,
    error_table,
    iou_row,
    loose_row,
    per_image_row,
)
from maskrcnn.scoring.threads import map_in_threads


def main(variant: str, root: Path = Path()) -> None:
    """Writes the scores and the errors of `predictions/<variant>.json`.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.

    Raises:
        InputError: if there is no such variant, or if its predictions are damaged or of other images or classes.
    """
    params = read_params(root / "params.yaml")
    check_variant(params, variant)
    min_score = params.section(Draw).min_score
    records = read_split(root, "test", params)
    class_names = records.catalogue.class_names
    predictions = read_found(root, variant, records)
    overlaps, truths = measure(records, predictions)
    dataset = make_dataset(truths, class_names, records.image_shape)
    coco_ap = score_coco(dataset, predictions, records.image_shape)
    write_scores(root / "metrics", variant, records, overlaps, coco_ap)
    write_errors(root, variant, records, overlaps, min_score)


def measure(records: Records, predictions: Sequence[Predictions]) -> tuple[list[Overlaps], list[list[dict[str, Any]]]]:
    """Returns the overlaps and the COCO annotations of every image."""

    def measure_image(index: int) -> tuple[Overlaps, list[dict[str, Any]]]:
        regions = find_regions(records.instance_map(index), records.catalogue)
        return measure_overlaps(regions, predictions[index]), annotate(regions)

    measured = map_in_threads(measure_image, len(records), "Overlaps")
    return [overlaps for overlaps, _ in measured], [truths for _, truths in measured]


def write_scores(metrics: Path, variant: str, records: Records, overlaps: Sequence[Overlaps], coco_ap: ClassAP) -> None:
    """Writes the scores by the three protocols; their names depend on the truth alone."""
    class_names = records.catalogue.class_names
    per_image = score_per_image([match(image) for image in overlaps], len(class_names))
    official = list(official_label_ids(records.catalogue))
    official_names, min_area = [class_names[class_id] for class_id in official], scale_min_area(records.image_shape)
    cityscapes_ap = score_cityscapes(overlaps, official, min_area)
    by_class = per_image_row(per_image, class_names, records.digest) | loose_row(cityscapes_ap, coco_ap)
    by_class |= class_row("cityscapes_AP", cityscapes_ap, official_names)
    by_class |= class_row("coco_AP", coco_ap, class_names[1:])
    by_class |= count_row("instances", per_image.class_instances[1:].tolist(), class_names[1:])
    by_class |= count_row("cityscapes_instances", count_official(overlaps, official, min_area), official_names)
    write_metrics(metrics / f"test/{variant}.json", average_row(per_image, cityscapes_ap, coco_ap))
    write_metrics(metrics / f"iou/{variant}.json", iou_row(per_image))
    write_metrics(metrics / f"classes/{variant}.json", by_class)


def write_errors(root: Path, variant: str, records: Records, overlaps: Sequence[Overlaps], min_score: float) -> None:
    """Writes precision and recall, the confusion of classes, and the worst errors with their images."""
    class_names = records.catalogue.class_names
    matches = [match(image) for image in overlaps]
    curves = {name: trace_curve(matches, class_id) for class_id, name in enumerate(class_names) if class_id}
    confusions = count_confusions(overlaps, len(class_names), min_score)
    errors = [
        (name, error)
        for name, image in zip(records.names, overlaps, strict=True)
        for error in find_errors(image, min_score)
    ]
    write_metrics(root / f"metrics/errors/{variant}.json", error_counts(error for _, error in errors))
    write_csv(root / f"plots/curves/{variant}.csv", curve_table(curves))
    write_csv(root / f"plots/confusion/{variant}.csv", confusion_table(confusions, class_names))
    write_csv(root / f"plots/worst/{variant}.csv", error_table(worst_errors(errors), class_names))


def write_csv(path: Path, rows: Table) -> None:
    """Writes a table, heading first."""
    with whole_file(path) as unfinished, unfinished.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
