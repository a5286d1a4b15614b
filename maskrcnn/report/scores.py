"""All scores and counts of a study, ours and those that were published."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from maskrcnn.project.metrics import Metrics, read_metrics

PUBLISHED = ("base", "flip", "flip_crop", "unfreeze_backbone", "freeze_rpn_fpn")
CEILINGS = ("28", "56")


@dataclass(frozen=True)
class Scores:
    """Rows of metrics.

    Attributes:
        ours: Averages, classes and thresholds of each variant.
        published: The same of 2021.
        errors: Errors by kind of each variant.
        ceilings: What perfect masks of each side would reach.
        counts: Images and instances of each split.
    """

    ours: dict[str, Metrics]
    published: dict[str, Metrics]
    errors: dict[str, Metrics]
    ceilings: dict[str, Metrics]
    counts: dict[str, Metrics]


def read_scores(metrics: Path, variants: Iterable[str], splits: Iterable[str]) -> Scores:
    """Reads the metrics that the stages wrote.

    Args:
        metrics: The folder.
        variants: To read.
        splits: To read.

    Raises:
        FileNotFoundError: if a file is missing; names the stage that writes it.
    """

    def read(folder: str, names: Iterable[str], stage: str) -> dict[str, Metrics]:
        return {name: read_metrics(metrics / folder / f"{name}.json", f"{stage}@{name}") for name in names}

    def join(tables: Iterable[str], names: Iterable[str]) -> dict[str, Metrics]:
        rows = [read(table, names, "evaluate") for table in tables]
        return {name: {key: value for row in rows for key, value in row[name].items()} for name in names}

    return Scores(
        ours=join(("test", "classes", "iou"), variants),
        published=join(("published_2021/test", "published_2021/iou"), PUBLISHED),
        errors=read("errors", variants, "evaluate"),
        ceilings={side: read_metrics(metrics / f"ceilings/{side}.json", "ceilings") for side in CEILINGS},
        counts=read("data", splits, "preprocess"),
    )
