"""The verdict and the tables of scores, as rows that the page's template prints."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from maskrcnn.project.metrics import Metrics
from maskrcnn.report.bootstrap import Samples, find_interval
from maskrcnn.scoring.markdown import AVERAGES, BY_IOU, Rows

BEST_BY = "rAP"  # the average over all thresholds of the protocol of 2021
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One score: ours, its interval, the published one, and their difference; a text is empty where there is none."""

    value: str
    interval: str = ""
    published: str = ""
    difference: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class Table:
    """Scores by row and variant."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Verdict:
    """Which variant is best, and how sure that is.

    Attributes:
        best: The variant.
        runner_up: The next one; empty if there is no other.
        lead: Difference of the two, with its interval.
        is_sure: Whether the interval of the lead excludes 0.
        rows: The averages of the best variant.
    """

    best: str
    runner_up: str
    lead: str
    is_sure: bool
    rows: tuple[tuple[str, Cell], ...]


def find_verdict(
    ours: Mapping[str, Metrics], published: Mapping[str, Metrics], samples: Mapping[str, Mapping[str, Samples]]
) -> Verdict:
    """Returns the variant of highest rAP, its averages, and its lead over the next one.

    Args:
        ours: By variant.
        published: By variant.
        samples: By variant and average, the scores on every replicate.
    """
    best, *others = sorted(ours, key=lambda name: -ours[name].get(BEST_BY, 0.0))
    lead, is_sure = "", False
    if others:
        low, high = find_interval(samples[best][BEST_BY] - samples[others[0]][BEST_BY])
        difference = ours[best].get(BEST_BY, 0.0) - ours[others[0]].get(BEST_BY, 0.0)
        lead, is_sure = f"{sign(difference)} ({sign(low)} to {sign(high)})", low > 0
    rows = [
        (title, make_cell(ours[best][key], published.get(best, {}).get(key), samples[best].get(key)))
        for title, key in AVERAGES.items()
        if key in ours[best]
    ]
    return Verdict(best, others[0] if others else "", lead, is_sure, tuple(rows))


def build_tables(ours: Mapping[str, Metrics], published: Mapping[str, Metrics]) -> list[Table]:
    """Returns the three tables of 2021: averages, classes, thresholds."""
    names = [key for row in [*ours.values(), *published.values()] for key in row if key.startswith("cAP_")]
    by_class = {key.removeprefix("cAP_"): key for key in names}
    contents = {"AP at IoU 0.50, and averages": AVERAGES, "cAP at IoU 0.50, by class": by_class, "AP by IoU": BY_IOU}
    return [build_table(title, rows, ours, published) for title, rows in contents.items()]


def build_table(title: str, rows: Rows, ours: Mapping[str, Metrics], published: Mapping[str, Metrics]) -> Table:
    """Returns one table; rows for which no variant of ours has a value are left out.

    Args:
        title: Stands above the table.
        rows: Titles of the rows, and the metric that each one shows.
        ours: By variant, in the order of the columns.
        published: By variant.
    """
    lines = []
    for heading, key in rows.items():
        values = [row.get(key) for row in ours.values()]
        known = {f"{value:.3f}" for value in values if value is not None}
        if known:
            best = max(known) if len(known) > 1 else ""
            cells = [
                make_cell(value, published.get(name, {}).get(key), best=best)
                for name, value in zip(ours, values, strict=True)
            ]
            lines.append((heading, tuple(cells)))
    return Table(title, tuple(ours), tuple(lines))


def make_cell(value: float | None, published: float | None, samples: Samples | None = None, best: str = "") -> Cell:
    """Returns a score as text, beside what was published of it.

    Args:
        value: None where the class has no truth.
        published: None where nothing was.
        samples: On every replicate; None leaves the interval out.
        best: The text of the row's best value.
    """
    if value is None:
        return Cell("\N{EN DASH}", published="" if published is None else f"{published:.3f}")
    text = f"{value:.3f}"
    return Cell(
        value=text,
        interval="" if samples is None else "\N{EN DASH}".join(f"{end:.3f}" for end in find_interval(samples)),
        published="" if published is None else f"{published:.3f}",
        difference="" if published is None else sign(value - published),
        is_best=text == best,
    )


def list_intervals(
    ours: Mapping[str, Metrics], samples: Mapping[str, Mapping[str, Samples]]
) -> list[dict[str, str | float]]:
    """Returns one row for each average and variant: `average`, `variant`, `value`, `low`, `high`."""
    rows: list[dict[str, str | float]] = []
    for title, key in AVERAGES.items():
        for variant, row in ours.items():
            low, high = find_interval(samples[variant][key])
            if key in row and not np.isnan(low):
                rows.append({"average": title, "variant": variant, "value": row[key], "low": low, "high": high})
    return rows


def list_thresholds(sources: Mapping[str, Mapping[str, Metrics]]) -> list[dict[str, str | float]]:
    """Returns one row for each source, variant and threshold: `source`, `variant`, `iou`, `AP`."""
    return [
        {"source": source, "variant": variant, "iou": float(iou), "AP": row[key]}
        for source, variants in sources.items()
        for variant, row in variants.items()
        for iou, key in BY_IOU.items()
        if key in row and key != BEST_BY
    ]


def sign(value: float) -> str:
    """Returns a difference with its sign and three decimals."""
    return f"{value:+.3f}".replace("-", MINUS)


def list_ceilings(ceilings: Mapping[str, Metrics]) -> list[tuple[str, str, str]]:
    """Returns for each side of a mask its name, and AP50 and rAP of perfect masks of that size."""
    return [(f"{side} x {side}", f"{row['AP50']:.3f}", f"{row[BEST_BY]:.3f}") for side, row in ceilings.items()]
