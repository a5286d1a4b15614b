"""Writes the report on all variants: scores, charts and a browser of the test images, as one page without a network.

Reads   metrics/{data,test,iou,errors,ceilings,published_2021}/, plots/tables/, predictions/, data/processed/test.npz,
        tuning/{coarse_best,selected,selected_why}.yaml, the test images below data.root
Writes  report/ and live/report.js, or report_shareable/ without the pixels of the images
Params  scale, data, splits, variants, candidates, search, draw
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from maskrcnn.data.records import Records
from maskrcnn.data.splits import read_split
from maskrcnn.project.command import exit_on_bad_input
from maskrcnn.project.config import Data, Draw
from maskrcnn.project.costs import record_costs
from maskrcnn.project.files import whole_folder
from maskrcnn.project.palette import assign_colors
from maskrcnn.project.params import Params, read_params, read_yaml
from maskrcnn.project.rules import read_images_root
from maskrcnn.report import charts, training_charts
from maskrcnn.report.bootstrap import Samples, draw_weights, resample
from maskrcnn.report.gallery import Gallery, write_gallery
from maskrcnn.report.page import write_library, write_page, write_script
from maskrcnn.report.provenance import describe_origin, read_costs
from maskrcnn.report.scenes import KIND_NAMES, Found
from maskrcnn.report.scores import Scores, read_scores
from maskrcnn.report.tables import build_tables, find_verdict, list_ceilings, list_intervals, list_thresholds
from maskrcnn.results.predictions import read_found
from maskrcnn.results.proposals import read_proposals
from maskrcnn.scoring.cityscapes_ap import official_label_ids, scale_min_area
from maskrcnn.scoring.confusion import count_confusions
from maskrcnn.scoring.rows import check_test_sets
from maskrcnn.scoring.threads import map_in_threads

SEED = 2021  # of the bootstrap
WIDEST = 1024  # pixels: an image that the network saw smaller is shown larger, if its file is
REAL_SCALE = "cityscapes"
PROVENANCE = "live/report.js"  # differs between machines; the page does not, so that dvc.lock stays as it is


def main(root: Path = Path(), shareable: bool = False) -> None:
    """Writes the page in place of the one that was there.

    Args:
        root: Folder of the repository.
        shareable: Whether to leave out the pixels of the images, and to write to `report_shareable/`.
    """
    params = read_params(root / "params.yaml")
    variants = list(params.values["variants"])
    gallery = read_gallery(root, params, variants, pixels=not shareable)
    scores = read_scores(root / "metrics", variants, params.values["splits"])
    check_test_sets(scores.ours)
    target = root / ("report_shareable" if shareable else "report")
    with whole_folder(target) as folder:
        found = write_gallery(folder, gallery)
        samples = resample_all(gallery.records, found)
        drawn = draw_charts(scores, samples, found, gallery) | draw_training(root, params, variants)
        write_script(folder / "charts.js", "receiveCharts", drawn)
        write_library(folder / "vega.js")
        provenance = folder / "provenance.js" if shareable else root / PROVENANCE
        write_script(provenance, "receiveProvenance", describe_origin(root), read_costs(root))
        values = fill_page(root, params, scores, samples, gallery)
        source = provenance.name if shareable else f"../{PROVENANCE}"
        write_page(folder, values | {"charts": group_charts(drawn), "provenance": source})
    print(f"Open {target / 'index.html'} in a browser.")


def read_gallery(root: Path, params: Params, variants: Sequence[str], pixels: bool) -> Gallery:
    """Reads the records of the test images, and what every variant found in them."""
    records = read_split(root, "test", params)
    raw, width = params.section(Data).image_shape, records.image_shape[1]
    settings = params.section(Draw)
    predictions, regions = {}, {}
    for name in variants:
        predictions[name] = read_found(root, name, records)
        proposals = read_proposals(root / f"predictions/proposals/{name}.json")
        regions[name] = {image: boxes[: settings.proposals] for image, boxes in proposals.items()}
    return Gallery(
        records=records,
        images_root=root / read_images_root(params, root),
        scale=max(1, min(raw[1], WIDEST) // width) if raw else 1,
        min_score=settings.min_score,
        predictions=predictions,
        regions_px=regions,
        pixels=pixels,
    )


def resample_all(records: Records, found: Mapping[str, Sequence[Found]]) -> dict[str, dict[str, Samples]]:
    """Returns the averages of every variant on the same replicates."""
    weights = draw_weights(len(records), SEED)
    official, min_area = list(official_label_ids(records.catalogue)), scale_min_area(records.image_shape)
    names = list(found)

    def resample_variant(index: int) -> dict[str, Samples]:
        images = found[names[index]]
        return resample([one.matches for one in images], [one.overlaps for one in images], official, min_area, weights)

    return dict(zip(names, map_in_threads(resample_variant, len(names), "Intervals"), strict=True))


def draw_charts(
    scores: Scores, samples: Mapping[str, Mapping[str, Samples]], found: Mapping[str, Sequence[Found]], gallery: Gallery
) -> charts.Charts:
    """Returns the charts of the scores."""
    colors = assign_colors(list(found))
    best = find_verdict(scores.ours, scores.published, samples).best
    sources = {"this study": scores.ours, "published in 2021": scores.published}
    perfect = {f"masks of {side} x {side}": row for side, row in scores.ceilings.items()} | {best: scores.ours[best]}
    drawn = (
        charts.draw_intervals(list_intervals(scores.ours, samples), colors)
        | charts.draw_ap_by_iou(list_thresholds(sources), colors)
        | charts.draw_ceilings(list_thresholds({"this study": perfect}), {best: colors[best]})
        | charts.draw_error_kinds(scores.errors, KIND_NAMES, colors)
    )
    class_names = gallery.records.catalogue.class_names
    for name, images in found.items():
        counts = count_confusions((one.overlaps for one in images), len(class_names), gallery.min_score)
        drawn |= charts.draw_confusion(counts, class_names, name)
    return drawn


def draw_training(root: Path, params: Params, variants: Sequence[str]) -> charts.Charts:
    """Returns the charts of data, tuning, trainings and precision."""
    tables = {
        name: pd.read_csv(root / f"plots/tables/{name}.csv")
        for name in ("losses", "learning_rates", "trials", "searches", "precision_recall", "classes")
    }
    colors = assign_colors(variants)
    return (
        training_charts.draw_losses(tables["losses"], colors)
        | training_charts.draw_sweeps(tables["learning_rates"], list(params.values["candidates"]))
        | training_charts.draw_trials(tables["trials"], tables["searches"], list(params.values["search"]))
        | charts.draw_curves(tables["precision_recall"], colors)
        | charts.draw_classes(tables["classes"])
    )


def group_charts(drawn: charts.Charts) -> dict[str, list[tuple[str, str]]]:
    """Returns name and title of every chart, by the part of the name before the first `-`."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, spec in drawn.items():
        groups.setdefault(name.partition("-")[0], []).append((name, spec["description"]))
    return groups


def fill_page(
    root: Path, params: Params, scores: Scores, samples: Mapping[str, Mapping[str, Samples]], gallery: Gallery
) -> dict[str, Any]:
    """Returns the values that the page's template names."""
    count = len(gallery.records)
    return {
        "verdict": find_verdict(scores.ours, scores.published, samples),
        "tables": build_tables(scores.ours, scores.published),
        "ceilings": list_ceilings(scores.ceilings),
        "colors": assign_colors(list(scores.ours)),
        "scale": params.values["scale"],
        "is_comparable": params.values["scale"] == REAL_SCALE and count == 174,
        "counts": scores.counts,
        "images": count,
        "instances": scores.counts["test"]["instances"],
        "pixels": gallery.pixels,
        "min_score": gallery.min_score,
        "coarse": read_yaml(root / "tuning/coarse_best.yaml"),
        "selected": read_yaml(root / "tuning/selected.yaml"),
        "why": read_yaml(root / "tuning/selected_why.yaml"),
        "params": (root / "params.yaml").read_text(),
    }


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shareable", action="store_true", help="leave out the pixels of the images")
    with exit_on_bad_input(), record_costs("report"):
        main(shareable=parser.parse_args().shareable)
