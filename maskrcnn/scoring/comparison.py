"""The three tables of 2021 as Markdown: one column a variant, the best of each row in bold."""

from collections.abc import Mapping, Sequence

from maskrcnn.scoring.matching import IOU_THRESHOLDS
from maskrcnn.scoring.scores import Scores

Rows = Mapping[str, str]  # what a row is called, and the score that it shows

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


def format_tables(sources: Mapping[str, Mapping[str, Scores]], class_names: Sequence[str]) -> str:
    """Returns AP, cAP of each class and AP by IoU, each from one source after the other.

    Args:
        sources: By what the source is called, the scores of its variants in the order of the columns.
        class_names: Background first.
    """
    by_class = {name: f"cAP_{name}" for name in class_names[1:]}
    contents = {"AP at IoU 0.50, and averages": AVERAGES, "cAP at IoU 0.50": by_class, "AP by IoU": BY_IOU}
    lines = []
    for title, rows in contents.items():
        lines.append(f"## {title}\n")
        lines += [f"{source}:\n\n{format_table(scores, rows)}" for source, scores in sources.items()]
    return "\n".join(lines)


def format_table(scores: Mapping[str, Scores], rows: Rows) -> str:
    """Returns one table; rows that no variant has a score for are left out.

    Args:
        scores: Of every variant, in the order of the columns.
        rows: In their order.
    """
    lines = [["", *scores], ["---", *["---:"] * len(scores)]]
    for title, key in rows.items():
        values = [find_score(row, key) for row in scores.values()]
        if any(value is not None for value in values):
            lines.append([title, *mark_best(values)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def find_score(row: Scores, key: str) -> int | float | None:
    """Returns a score; none for a class that no test image holds, whose 0 says nothing."""
    is_empty = key.startswith("cAP_") and row.get(key.replace("cAP_", "images_")) == 0
    return None if is_empty else row.get(key)


def mark_best(values: Sequence[int | float | None]) -> list[str]:
    """Returns the cells of a row; where they differ, the best as they are printed are bold."""
    cells = [UNKNOWN if value is None else f"{value:.3f}" for value in values]
    numbers = {cell for cell in cells if cell != UNKNOWN}
    if len(numbers) < 2:
        return cells
    return [f"**{cell}**" if cell == max(numbers) else cell for cell in cells]
