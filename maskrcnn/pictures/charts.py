"""Charts of the study as PNG files: AP by IoU, learning rates and trials."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maskrcnn.pictures.panels import DOTS_PER_INCH
from maskrcnn.project.metrics import Metrics
from maskrcnn.project.palette import assign_colors
from maskrcnn.scoring.matches import IOU_THRESHOLDS

Line = TypeVar("Line")

SEARCHED = ("learning_rate", "momentum", "weight_decay")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # for readers who see no colours


def draw_ap_by_iou(scores: Mapping[str, Metrics]) -> Figure:
    """Draws one curve per variant.

    Args:
        scores: Metrics of each variant, with `AP50` to `AP95`; what is missing is not drawn.
    """
    figure, (axes,) = _new_charts(1)
    for name, row, style in _styled(scores):
        ap = [row.get(f"AP{round(100 * iou)}", np.nan) for iou in IOU_THRESHOLDS]
        axes.plot(IOU_THRESHOLDS, ap, label=name, **style)
    _finish(axes, "AP by IoU, per image, all classes pooled", "IoU that a hit must reach", "AP")
    _add_legend(figure)
    return figure


def draw_sweeps(sweeps: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draws the lowest validation loss of each candidate at each learning rate; a cross marks a rate without one.

    Args:
        sweeps: For each candidate one row per rate, with `learning_rate` and `val_loss` (None if there is none).
    """
    figure, (axes,) = _new_charts(1)
    for place, (name, rows, style) in enumerate(_styled(sweeps)):
        losses = {row["learning_rate"]: row["val_loss"] for row in sorted(rows, key=lambda row: row["learning_rate"])}
        rates = [rate for rate, loss in losses.items() if loss is not None]
        axes.plot(rates, [losses[rate] for rate in rates], label=name, **style)
        lost = [rate for rate, loss in losses.items() if loss is None]
        height = 0.98 - 0.04 * place  # of the chart, so that crosses at one rate do not overlap
        axes.plot(lost, [height] * len(lost), "x", color=style["color"], transform=axes.get_xaxis_transform())
    axes.set_xscale("log")
    axes.set_yscale("log")
    _finish(
        axes, "Candidates by learning rate (x: diverged or lost all objects)", "learning rate", "lowest validation loss"
    )
    _add_legend(figure)
    return figure


def draw_trials(searches: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draws the validation loss of each trial over each searched hyperparameter.

    Args:
        searches: Trials of each optimizer, with the searched values, `epochs` and `val_loss` (None if it failed).
    """
    figure, panels = _new_charts(len(SEARCHED))
    for axes, searched in zip(panels, SEARCHED, strict=True):
        for name, trials, style in _styled(searches):
            ended = [trial for trial in trials if trial["val_loss"] is not None]
            x, y, epochs = ([trial[key] for trial in ended] for key in (searched, "val_loss", "epochs"))
            axes.scatter(x, y, 20 * np.array(epochs, float), alpha=0.7, label=name, **style)
        if searched != "momentum":
            axes.set_xscale("log")
        _finish(axes, "", searched, "lowest validation loss")
    losses = [trial["val_loss"] for trials in searches.values() for trial in trials]
    _add_legend(figure, f"larger: more epochs; {tell_failed(losses.count(None), len(losses))}")
    return figure


def tell_failed(failed: int, total: int) -> str:
    """Returns how many trials a chart leaves out."""
    return f"{failed} of {total} trials failed and are left out"


def _new_charts(count: int) -> tuple[Figure, list[Axes]]:
    """Returns a figure of charts, at most three per row."""
    columns = min(count, 3)
    rows = -(-count // columns)
    size = (7.5, 5.0) if count == 1 else (4.6 * columns, 3.6 * rows)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _styled(lines: Mapping[str, Line]) -> Iterator[tuple[str, Line, dict[str, Any]]]:
    """Yields lines with their colour and marker; there are more markers, so that few lines have both in common."""
    for (name, color), marker in zip(assign_colors([*lines]).items(), cycle(MARKERS), strict=False):
        yield name, lines[name], {"color": color, "marker": marker}


def _finish(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Adds title, labels and grid to a chart."""
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _add_legend(figure: Figure, title: str | None = None) -> None:
    """Adds a legend of the first chart's lines below all charts."""
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, title=title, loc="outside lower center", ncols=3, frameon=False)
