"""Sheets of objects that were predicted as another class."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maskrcnn.pictures.panels import DOTS_PER_INCH, Mask, add_outline, show_image
from maskrcnn.project.notation import Boxes, Image

TRUTH, PREDICTION = "#F0E442", "#D55E00"
COLUMNS = 3
CELL = 3.8  # inches
MARGIN = 0.35  # of the object's longer side, shown on each side of it
SMALLEST_SIDE = 24  # pixels; smaller windows show no surroundings


class Mistake(NamedTuple):
    """One object that was predicted as another class.

    Attributes:
        image: What the network saw.
        image_name: Of the frame.
        truth: The object's mask.
        prediction: The predicted mask that matches it.
        box_px: Of the truth.
        score: Of the prediction.
        iou: Of the two masks.
    """

    image: Image
    image_name: str
    truth: Mask
    prediction: Mask
    box_px: Boxes
    score: float
    iou: float


def draw_confusions(mistakes: Sequence[Mistake], title: str) -> Figure:
    """Draws objects of one class that were predicted as one other class, each with its surroundings.

    Args:
        mistakes: At least one.
        title: Names both classes.
    """
    columns = min(len(mistakes), COLUMNS)
    rows = -(-len(mistakes) // columns)
    figure = Figure(figsize=(columns * CELL, rows * (CELL + 0.4) + 0.6), dpi=DOTS_PER_INCH, layout="constrained")
    figure.suptitle(f"{title}\nyellow: the truth, red dashes: the prediction", fontsize=11)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes in panels[len(mistakes) :]:
        axes.set_axis_off()
    for axes, mistake in zip(panels, mistakes, strict=False):
        _fill(axes, mistake)
    return figure


def _fill(axes: Axes, mistake: Mistake) -> None:
    """Fills one panel with the object's surroundings and both outlines."""
    show_image(axes, mistake.image)
    add_outline(axes, mistake.truth, TRUTH)
    add_outline(axes, mistake.prediction, PREDICTION, "--")
    y1, x1, y2, x2 = find_window(mistake.box_px, mistake.image.shape[:2])
    axes.set_xlim(x1, x2)
    axes.set_ylim(y2, y1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"{mistake.image_name}\nscore {mistake.score:.2f}, IoU {mistake.iou:.2f}", fontsize=9)


def find_window(box_px: Boxes, image_shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Returns the square around a box that is shown, moved into the image.

    Args:
        box_px: `(y1, x1, y2, x2)`.
        image_shape: Height and width; a larger square is cut to the shorter of the two.
    """
    y1, x1, y2, x2 = np.asarray(box_px, float).tolist()
    side = float(min(max((1 + 2 * MARGIN) * max(y2 - y1, x2 - x1), SMALLEST_SIDE), *image_shape))
    top = min(max((y1 + y2 - side) / 2, 0.0), image_shape[0] - side)
    left = min(max((x1 + x2 - side) / 2, 0.0), image_shape[1] - side)
    return top, left, top + side, left + side
