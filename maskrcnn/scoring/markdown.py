"""Tables of scores in Markdown: one column per variant, the best of each row in bold.

The first columns say what a row rests on: the number of images and of true instances.
"""

from collections.abc import Mapping, Sequence

from maskrcnn.project.metrics import Metrics
from maskrcnn.scoring.matches import IOU_THRESHOLDS

Rows = Mapping[str, str]  # titles of the rows, and the metric that each one shows

AVERAGES: Rows = {
    "AP50": "AP50",
    "rAP": "rAP",
    "Cityscapes AP": "cityscapes_AP",
    "Cityscapes AP50": "cityscapes_AP50",
    "COCO AP": "coco_AP",
    "COCO AP50": "coco_AP50",
}
BY_IOU: Rows = {f"{iou:.2f}": f"AP{round(100 * iou)}" for iou in IOU_THRESHOLDS.tolist()} | {"rAP": "rAP"}
CLASS_TABLES = {
    "cAP at IoU 0.50": "cAP_",
    "Cityscapes AP of each class": "cityscapes_AP_",
    "COCO AP of each class": "coco_AP_",
}
COUNTED = "instances_"  # metrics of this name count the truths of a class
OFFICIAL = "cityscapes_instances_"  # and these the truths that are large enough for the Cityscapes protocol
UNKNOWN = "-"


def format_tables(sources: Mapping[str, Mapping[str, Metrics]]) -> str:
    """Returns the tables of AP, of AP by class and of AP by IoU; each first from one source, then from the next.

    Args:
        sources: By the name of the source, the metrics of its variants in the order of the columns. The variants of a
            source were scored on the same images.
    """
    names = {name: None for variants in sources.values() for row in variants.values() for name in row}
    by_class = {title: find_classes(names, prefix) for title, prefix in CLASS_TABLES.items()}
    contents = {"AP at IoU 0.50, and averages": AVERAGES} | by_class | {"AP by IoU": BY_IOU}
    lines = []
    for title, rows in contents.items():
        tables = {source: format_table(scores, rows) for source, scores in sources.items()}
        if any(tables.values()):
            lines.append(f"## {title}\n")
            lines += [f"{source}:\n\n{table}" for source, table in tables.items() if table]
    return "\n".join(lines)


def find_classes(names: Mapping[str, None], prefix: str) -> Rows:
    """Returns the rows of a table by class: of all classes with a score, then of those without truth."""
    scored = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    counted = [name.removeprefix(COUNTED) for name in names if name.startswith(COUNTED)]
    return scored | {name: f"{prefix}{name}" for name in counted if name not in scored}


def format_table(scores: Mapping[str, Metrics], rows: Rows) -> str:
    """Returns one table, or nothing if it has no row.

    A row for which no variant has a value is left out, unless it is known that there was no truth.

    Args:
        scores: Of every variant, in the order of the columns.
        rows: In their order.
    """
    first = next(iter(scores.values()), {})
    counted = "instances" in first
    lines = []
    for title, key in rows.items():
        values, support = [row.get(key) for row in scores.values()], count_support(key, first)
        if any(value is not None for value in values) or (counted and support[1] == 0):
            lines.append([title, *(map(str, support) if counted else ()), *mark_best(values)])
    if not lines:
        return ""
    columns = [*(("images", "instances") if counted else ()), *scores]
    head = [["", *columns], ["---", *["---:"] * len(columns)]]
    return "".join(f"| {' | '.join(line)} |\n" for line in head + lines)


def count_support(key: str, metrics: Metrics) -> tuple[int | float | str, int | float | str]:
    """Returns the numbers of images and of true instances that a score rests on, or a dash.

    The per-image protocol averages over the images with truth; the others draw one curve over all images.

    Args:
        key: Name of the score.
        metrics: Of a variant: scores and counts.
    """
    protocol, _, name = key.partition("AP")
    name = name.removeprefix("_") if name.startswith("_") else ""
    images = metrics.get("images", UNKNOWN)
    if protocol == "cityscapes_":
        official = [count for other, count in metrics.items() if other.startswith(OFFICIAL)]
        if not name and official:
            return images, sum(official)
        return images, metrics.get(f"{OFFICIAL}{name}", UNKNOWN)
    instances = metrics.get(f"{COUNTED}{name}" if name else "instances", UNKNOWN)
    if protocol == "coco_":
        return images, instances
    if name:
        return metrics.get(f"images_{name}", UNKNOWN), instances
    return metrics.get("images", 0) - metrics.get("images_without_truth", 0), instances


def mark_best(values: Sequence[int | float | None]) -> list[str]:
    """Returns the cells of a row; unless all are equal, the best ones, as printed, are bold."""
    cells = [UNKNOWN if value is None else f"{value:.3f}" for value in values]
    numbers = {cell for cell in cells if cell != UNKNOWN}
    if len(numbers) < 2:
        return cells
    return [f"**{cell}**" if cell == max(numbers) else cell for cell in cells]
