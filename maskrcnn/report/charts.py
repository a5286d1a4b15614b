"""The charts of scores, errors and data as Vega-Lite specifications, which the browser draws.

Each is a single view that fills its container, so that a page of any width can lay them out. Vega-Lite's own facets
cannot: they have a fixed width. Charts by variant have no legend; the page has one for all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Int

from maskrcnn.project.palette import LINE_COLORS

GREYS = ("#8a8a8a", "#5f6b7a")
LOG_FROM = 20  # times the lowest value: values that span more are drawn on a log axis
NOTHING = "nothing"  # the background, in a confusion

Spec = dict[str, Any]
Charts = dict[str, Spec]
Rows = Iterable[Mapping[str, Any]]


def draw_intervals(rows: Rows, colors: Mapping[str, str]) -> Charts:
    """Draws every average of every variant with its interval.

    Args:
        rows: Keys `average`, `variant`, `value`, `low`, `high`.
        colors: By variant.
    """
    place = {
        "y": alt.Y("average:N", title=None, sort=None),
        "yOffset": alt.YOffset("variant:N", sort=list(colors)),
        "color": encode_color("variant", colors),
    }
    base = alt.Chart(round_rows(pd.DataFrame(rows)))
    score = alt.X("low:Q", title="score", scale=alt.Scale(zero=False))
    lines = base.mark_rule(strokeWidth=2).encode(x=score, x2="high:Q", **place)
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        x="value:Q", tooltip=["average", "variant", "value", "low", "high"], **place
    )
    title = "Averages of every variant, each with its 95 % interval"
    return {"intervals": fill_width(lines + points, title, height=16 * len(base.data))}


def draw_ap_by_iou(rows: Rows, colors: Mapping[str, str]) -> Charts:
    """Draws AP over the IoU threshold, one line per variant and source.

    Args:
        rows: Keys `source`, `variant`, `iou`, `AP`.
        colors: By variant.
    """
    chart = draw_thresholds(rows, encode_color("variant", colors))
    dashed = chart.encode(strokeDash=alt.StrokeDash("source:N", title=None, sort=None))
    return {"thresholds": fill_width(dashed, "AP by IoU threshold")}


def draw_ceilings(rows: Rows, colors: Mapping[str, str]) -> Charts:
    """Draws what perfect masks of small sizes reach, beside a variant.

    Args:
        rows: Keys `source`, `variant`, of the masks too, `iou`, `AP`.
        colors: Of the variant; the masks are grey.
    """
    masks = [name for name in dict.fromkeys(row["variant"] for row in rows) if name not in colors]
    greys = dict(zip(masks, GREYS, strict=True))
    chart = draw_thresholds(rows, encode_color("variant", {**colors, **greys}, legend=True))
    return {"ceilings": fill_width(chart, "AP of perfect masks by IoU threshold")}


def draw_thresholds(rows: Rows, color: alt.Color) -> alt.Chart:
    """Returns lines of AP over the IoU threshold."""
    marks = alt.Chart(round_rows(pd.DataFrame(rows))).mark_line(point=alt.OverlayMarkDef(size=25))
    return marks.encode(
        x=alt.X("iou:Q", title="IoU threshold", scale=alt.Scale(zero=False)),
        y=alt.Y("AP:Q", scale=alt.Scale(domain=[0, 1])),
        color=color,
        tooltip=["source", "variant", "iou", "AP"],
    )


def draw_curves(table: pd.DataFrame, colors: Mapping[str, str]) -> Charts:
    """Draws precision over recall, one chart per class.

    Args:
        table: Columns `variant`, `class`, `recall`, `precision`.
        colors: By variant.
    """
    charts = {}
    for number, (name, rows) in enumerate(table.groupby("class", sort=False)):
        marks = alt.Chart(round_rows(rows[["variant", "recall", "precision"]])).mark_line(interpolate="step-before")
        chart = marks.encode(
            x=alt.X("recall:Q", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("precision:Q", scale=alt.Scale(domain=[0, 1])),
            color=encode_color("variant", colors),
            tooltip=["variant", "recall", "precision"],
        )
        charts[f"curves-{number}"] = fill_width(chart, str(name), height=180)
    return charts


def draw_confusion(counts: Int[np.ndarray, "K K"], class_names: Sequence[str], variant: str) -> Charts:
    """Draws how often the objects of each class were taken for each class; shades are shares of the row.

    Args:
        counts: From `maskrcnn.scoring.confusion.count_confusions`.
        class_names: By class id, background first.
        variant: Whose.
    """
    names = [NOTHING, *class_names[1:]]
    totals = np.maximum(counts.sum(axis=1), 1).tolist()
    rows = [
        {"truth": names[i], "predicted": names[j], "count": int(counts[i, j]), "share": float(counts[i, j] / totals[i])}
        for i, j in np.argwhere(counts).tolist()
    ]
    place = {
        "x": alt.X("predicted:N", scale=alt.Scale(domain=names), axis=alt.Axis(labelAngle=-90)),
        "y": alt.Y("truth:N", scale=alt.Scale(domain=names)),
    }
    base = alt.Chart(round_rows(pd.DataFrame(rows, columns=["truth", "predicted", "count", "share"])))
    shade = alt.Color("share:Q", scale=alt.Scale(scheme="blues", domain=[0, 1]), legend=None)
    cells = base.mark_rect().encode(color=shade, tooltip=["truth", "predicted", "count", "share"], **place)
    ink = alt.condition(alt.datum.share > 0.5, alt.value("white"), alt.value("black"))
    numbers = base.mark_text(fontSize=10).encode(text="count:Q", color=ink, **place)
    return {f"confusion-{variant}": fill_width(cells + numbers, variant, height=20 * len(names))}


def draw_error_kinds(
    counts: Mapping[str, Mapping[str, int | float]], kinds: Mapping[str, str], colors: Mapping[str, str]
) -> Charts:
    """Draws the number of errors of each kind and variant.

    Args:
        counts: By variant, then by kind.
        kinds: Names of the kinds, in their order.
        colors: By variant.
    """
    rows = [
        {"variant": variant, "kind": name, "errors": row[kind]}
        for variant, row in counts.items()
        for kind, name in kinds.items()
    ]
    bars = alt.Chart(pd.DataFrame(rows)).mark_bar()
    chart = bars.encode(
        x="errors:Q",
        y=alt.Y("kind:N", title=None, sort=None),
        yOffset=alt.YOffset("variant:N", sort=list(colors)),
        color=encode_color("variant", colors),
        tooltip=["variant", "kind", "errors"],
    )
    return {"errors": fill_width(chart, "Errors by kind", height=13 * len(rows))}


def draw_classes(table: pd.DataFrame) -> Charts:
    """Draws the instances of each class, one chart per split.

    Args:
        table: Columns `split`, `class`, `instances`.
    """
    is_wide = spans(table.groupby("class").instances.sum())
    axis = alt.X("instances:Q", scale=alt.Scale(type="symlog" if is_wide else "linear"))
    charts = {}
    for split, rows in table.groupby("split", sort=False):
        bars = alt.Chart(rows[["class", "instances"]]).mark_bar(color=LINE_COLORS[0])
        chart = bars.encode(x=axis, y=alt.Y("class:N", title=None, sort=None), tooltip=["class", "instances"])
        title = f"{split}: {int(rows.instances.sum())} instances"
        charts[f"classes-{split}"] = fill_width(chart, title, height=18 * len(rows))
    return charts


def encode_color(column: str, colors: Mapping[str, str], legend: bool = False) -> alt.Color:
    """Returns the colours of a column, with a legend where the page has none for it."""
    scale = alt.Scale(domain=list(colors), range=list(colors.values()))
    return alt.Color(f"{column}:N", title=None, scale=scale, legend=alt.Legend() if legend else None)


def spans(values: pd.Series) -> bool:
    """Returns whether positive values differ by so much that a linear axis would hide the low ones."""
    positive = values[values > 0]
    return bool(len(positive)) and bool(positive.max() > LOG_FROM * positive.min())


def round_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows with four significant digits, more than any chart shows."""
    rounded = rows.copy()
    for name in rounded.select_dtypes("floating"):
        rounded[name] = [float(f"{value:.4g}") for value in rounded[name]]
    return rounded


def fill_width(chart: alt.Chart | alt.LayerChart, title: str, height: int = 220) -> Spec:
    """Returns the specification of a chart as wide as its container; the page shows the title, where it can wrap."""
    sized = chart.properties(width="container", height=height, description=title)
    with alt.data_transformers.disable_max_rows():
        return sized.to_dict()
