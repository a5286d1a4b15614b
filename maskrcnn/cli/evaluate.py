"""`maskrcnn evaluate`: scores predictions, of this or another program, without the pipeline."""

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from maskrcnn.project.metrics import Metrics

DESCRIPTION = """\
Scores predictions against a truth, without the pipeline:

  PREDICTIONS                          TRUTH
  COCO results, a JSON file            COCO annotations, a JSON file
  Cityscapes submission, a folder      gtFine or a folder in it
  results.json of maskrcnn predict     either

Images and classes are matched by their names where the predictions hold names, as
those of maskrcnn predict do, otherwise by their ids. All images of the truth count.
"""

EXAMPLES = """\
examples:
  maskrcnn predict val2017 --min-score 0.05 --write coco --out val
  maskrcnn evaluate val/results.json instances_val2017.json
  maskrcnn evaluate val/results.json instances_val2017.json --json scores.json

  maskrcnn predict leftImg8bit/val --min-score 0.05 --write coco,cityscapes --out val
  maskrcnn evaluate val/cityscapes gtFine/val
  maskrcnn evaluate val/results.json gtFine/val
"""


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command to the command line."""
    command = commands.add_parser(
        "evaluate",
        help="score predictions against COCO or Cityscapes annotations",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="JSON file, or folder of a submission")
    command.add_argument("truth", type=Path, metavar="TRUTH", help="JSON file, or folder gtFine")
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the scores there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the scores; returns 0.

    Raises:
        FileNotFoundError: if a file or folder does not exist.
        InputError: if one does not fit its format or the other one.
    """
    from rich.console import Console

    from maskrcnn.project.errors import InputError
    from maskrcnn.project.metrics import write_metrics

    for path in (options.predictions, options.truth):
        if not path.exists():
            raise FileNotFoundError(f"`{path}` must exist; `maskrcnn evaluate --help` shows what it may be.")
    if (results := options.predictions / "results.json").is_file():
        raise InputError(f"`PREDICTIONS` must be a file or a submission; got {results.parent}, take {results}.")
    score = score_gtfine if options.truth.is_dir() else score_coco_files
    metrics, tables = score(options.predictions, options.truth)
    console = Console()
    for table in tables:
        console.print(table)
    if options.json:
        write_metrics(options.json, metrics)
    return 0


def score_coco_files(predictions: Path, truth: Path) -> "tuple[Metrics, list[Table]]":
    """Returns metrics and tables by the COCO protocol."""
    from maskrcnn.project.errors import InputError
    from maskrcnn.scoring.coco_files import KINDS, SIZES, read_results, read_truth, score_results
    from maskrcnn.scoring.rows import known

    if predictions.is_dir():
        raise InputError(f"`PREDICTIONS` must be a JSON file where the truth is one; got the folder {predictions}.")
    annotations = read_truth(truth)
    results, absent = read_results(predictions, annotations)
    _print_absent(absent, truth)
    metrics: Metrics = {"images": len(annotations.dataset["images"]), "predictions": len(results)}
    overall: dict[str, dict[str, float]] = {}
    by_class: dict[str, dict[str, float]] = {}
    for kind, meaning in KINDS.items():
        scores = score_results(annotations, results, kind)
        row = {"AP": scores.by_size[0], "AP50": scores.mean_at(0), "AP75": scores.mean_at(5)}
        row |= {f"AP_{size}": value for size, value in zip(SIZES[1:], scores.by_size[1:], strict=True)}
        overall[meaning] = row | {"AR100": scores.recall}
        classes = dict(zip(annotations.class_names, scores.by_class.tolist(), strict=True))
        metrics |= known({f"{kind}_{name}": value for name, value in overall[meaning].items()})
        metrics |= known({f"{kind}_AP_{name}": value for name, value in classes.items()})
        for name, value in classes.items():
            by_class.setdefault(name, {})[f"AP of {meaning}"] = value
    return metrics, [_make_table("COCO", "", overall), _make_table("By class", "class", by_class)]


def score_gtfine(predictions: Path, truth: Path) -> "tuple[Metrics, list[Table]]":
    """Returns metrics and tables by the official protocol, and for results also the mean of AP over images.

    A submission has no caravans and trailers, which the mean over images would count as missed.
    """
    from maskrcnn.readers.cityscapes import CITYSCAPES
    from maskrcnn.scoring.average_precision import mean_ap, score_per_image
    from maskrcnn.scoring.cityscapes_ap import count_official, official_label_ids, score_cityscapes
    from maskrcnn.scoring.cityscapes_files import find_truth, measure_results, measure_submission
    from maskrcnn.scoring.matches import match
    from maskrcnn.scoring.rows import known

    files = find_truth(truth)
    absent = Counter[str]()
    if predictions.is_dir():
        overlaps = measure_submission(predictions, files)
    else:
        overlaps, absent = measure_results(predictions, files)
    _print_absent(absent, truth)
    class_ids = list(official_label_ids(CITYSCAPES))
    ap, counts = score_cityscapes(overlaps, class_ids), count_official(overlaps, class_ids)
    rows = {
        CITYSCAPES.class_names[class_id]: {"AP": mean_ap(ap[:, [i]]), "AP50": mean_ap(ap[:1, [i]]), "truths": counts[i]}
        for i, class_id in enumerate(class_ids)
    }
    metrics: Metrics = {"images": len(files), "instances": sum(counts)}
    metrics |= known({f"cityscapes_AP_{name}": row["AP"] for name, row in rows.items()})
    rows["mean"] = {"AP": mean_ap(ap), "AP50": mean_ap(ap[:1]), "truths": sum(counts)}
    metrics |= known({"cityscapes_AP": rows["mean"]["AP"], "cityscapes_AP50": rows["mean"]["AP50"]})
    tables = [_make_table("Cityscapes", "class", rows)]
    if not predictions.is_dir():
        per_image = score_per_image([match(image) for image in overlaps], len(CITYSCAPES.class_names))
        row = {"AP50": float(per_image.ap[0]), "rAP": per_image.range_ap}
        metrics |= known(row)
        tables.append(_make_table("Mean over images", "", {"all classes": row}))
    return metrics, tables


def _print_absent(absent: Counter[str], truth: Path) -> None:
    if absent:
        counts = ", ".join(f"{count} {name}" for name, count in absent.most_common())
        print(f"Left out, because {truth} has no such class: {counts}.")


def _make_table(title: str, first: str, rows: Mapping[str, Mapping[str, float]]) -> "Table":
    """Returns a table with a line for each row; a score without truth is a dash."""
    from rich.table import Table

    table = Table(first, title=title, title_justify="left")
    for name in next(iter(rows.values()), {}):
        table.add_column(name, justify="right")
    for name, row in rows.items():
        table.add_row(name, *map(_format, row.values()))
    return table


def _format(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return "-" if value != value else f"{value:.3f}"
