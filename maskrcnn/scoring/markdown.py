"""The three tables of 2021 in Markdown: one column per variant, the best of each row in bold."""

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
UNKNOWN = "-"


def format_tables(sources: Mapping[str, Mapping[str, Metrics]]) -> str:
    """Returns the tables of AP, of cAP by class and of AP by IoU; each first from one source, then from the next.

    Args:
        sources: By the name of the source, the metrics of its variants in the order of the columns.
    """
    names = [name for variants in sources.values() for row in variants.values() for name in row]
    by_class = {name.removeprefix("cAP_"): name for name in names if name.startswith("cAP_")}
    contents = {"AP at IoU 0.50, and averages": AVERAGES, "cAP at IoU 0.50": by_class, "AP by IoU": BY_IOU}
    lines = []
    for title, rows in contents.items():
        lines.append(f"## {title}\n")
        lines += [f"{source}:\n\n{format_table(scores, rows)}" for source, scores in sources.items()]
    return "\n".join(lines)


def format_table(scores: Mapping[str, Metrics], rows: Rows) -> str:
    """Returns one table; rows for which no variant has a value are left out.

    Args:
        scores: Of every variant, in the order of the columns.
        rows: In their order.
    """
    lines = [["", *scores], ["---", *["---:"] * len(scores)]]
    for title, key in rows.items():
        values = [row.get(key) for row in scores.values()]
        if any(value is not None for value in values):
            lines.append([title, *mark_best(values)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def mark_best(values: Sequence[int | float | None]) -> list[str]:
    """Returns the cells of a row; unless all are equal, the best ones, as printed, are bold."""
    cells = [UNKNOWN if value is None else f"{value:.3f}" for value in values]
    numbers = {cell for cell in cells if cell != UNKNOWN}
    if len(numbers) < 2:
        return cells
    return [f"**{cell}**" if cell == max(numbers) else cell for cell in cells]
