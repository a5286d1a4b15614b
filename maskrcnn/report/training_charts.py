"""The charts of trainings and of the search for hyperparameters."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from maskrcnn.project.palette import assign_colors
from maskrcnn.report.charts import LOG_FROM, Charts, encode_color, fill_width, round_rows, spans

LOSSES = {
    "loss": "All parts",
    "rpn_class_loss": "Proposals: object or not",
    "rpn_box_loss": "Proposals: boxes",
    "class_loss": "Classes",
    "box_loss": "Boxes",
    "mask_loss": "Masks",
}
TRIAL = ["search", "trial", "learning_rate", "momentum", "weight_decay"]
EPOCHS = alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"))


def draw_losses(table: pd.DataFrame, colors: Mapping[str, str]) -> Charts:
    """Draws each loss over the epochs, training dashed beside validation; one chart per part.

    Args:
        table: Columns `variant`, `epoch`, and for each part its own name and `val_` before it.
        colors: By variant.
    """
    dash = alt.Scale(domain=["validation", "training"], range=[[1, 0], [3, 3]])
    charts = {}
    for part, title in LOSSES.items():
        columns = {name: of for name, of in ((part, "training"), (f"val_{part}", "validation")) if name in table}
        rows = table.melt(["variant", "epoch"], list(columns), "of", "value").replace({"of": columns}).dropna()
        if len(rows):
            marks = alt.Chart(round_rows(rows)).mark_line(point=alt.OverlayMarkDef(size=25))
            chart = marks.encode(
                x=EPOCHS,
                y=encode_loss("value", rows.value, "loss"),
                color=encode_color("variant", colors),
                strokeDash=alt.StrokeDash("of:N", scale=dash, legend=None),
                tooltip=["variant", "of", "epoch", "value"],
            )
            charts[f"losses-{part}"] = fill_width(chart, title)
    return charts


def draw_sweeps(table: pd.DataFrame, candidates: Sequence[str]) -> Charts:
    """Draws the lowest validation loss of every candidate at every learning rate.

    Args:
        table: Columns `candidate`, `learning_rate`, `val_loss`; one row per epoch.
        candidates: In the order of params.yaml.
    """
    rows = table.groupby(["candidate", "learning_rate"], as_index=False).val_loss.min().dropna()
    limit = LOG_FROM * rows.val_loss.min()  # a rate that nearly diverges would flatten all others
    scale = alt.Scale(type="log", domainMax=min(limit, rows.val_loss.max()), clamp=True)
    ticks = alt.Axis(format="~e", values=sorted(set(rows.learning_rate)))
    chart = (
        alt.Chart(round_rows(rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("learning_rate:Q", title="learning rate", scale=alt.Scale(type="log"), axis=ticks),
            y=alt.Y("val_loss:Q", title="lowest validation loss", scale=scale, axis=alt.Axis(tickCount=5)),
            color=encode_color("candidate", assign_colors(candidates), legend=True),
            tooltip=["candidate", "learning_rate", "val_loss"],
        )
    )
    title = f"Losses above {limit:.2g} are drawn at the upper edge" if rows.val_loss.max() > limit else ""
    return {"sweeps": fill_width(chart, f"Lowest validation loss by learning rate. {title}".strip())}


def draw_trials(table: pd.DataFrame, reached: pd.DataFrame, searches: Sequence[str]) -> Charts:
    """Draws the trials of the searches: their losses by epoch, and their lowest loss by learning rate.

    Args:
        table: Columns `search`, `trial`, `epoch`, `learning_rate`, `momentum`, `weight_decay`, `val_loss`.
        reached: The same without `epoch`, one row per trial; `val_loss` is missing if the trial failed.
        searches: In the order of params.yaml.
    """
    rows = table[[*TRIAL, "epoch", "val_loss"]].dropna()
    color = encode_color("search", assign_colors(searches), legend=True)
    curves = (
        alt.Chart(round_rows(rows))
        .mark_line(point=alt.OverlayMarkDef(size=25), opacity=0.8)
        .encode(
            x=EPOCHS,
            y=encode_loss("val_loss", rows.val_loss, "validation loss"),
            color=color,
            detail="trial:N",
            tooltip=["epoch", *TRIAL, "val_loss"],
        )
    )
    best = reached[[*TRIAL, "val_loss"]].dropna()
    failed = f"{len(reached) - len(best)} of {len(reached)}"
    ticks = alt.Axis(format="~e", tickCount=5)
    rates = (
        alt.Chart(round_rows(best))
        .mark_point(filled=True, size=60)
        .encode(
            x=alt.X("learning_rate:Q", title="learning rate", scale=alt.Scale(type="log"), axis=ticks),
            y=encode_loss("val_loss", best.val_loss, "lowest validation loss"),
            color=color,
            tooltip=[*TRIAL, "val_loss"],
        )
    )
    return {
        "trials-epochs": fill_width(curves, "Validation loss of every trial, of failed ones until they failed"),
        "trials-rates": fill_width(rates, f"Lowest validation loss by learning rate; {failed} trials failed"),
    }


def encode_loss(column: str, values: pd.Series, title: str) -> alt.Y:
    """Returns the axis of a loss, logarithmic where a linear one would hide the low values."""
    scale = alt.Scale(type="log") if spans(values) else alt.Scale(zero=False)
    return alt.Y(f"{column}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5))
