"""Panels of a figure: images, boxes, outlines and labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon, Rectangle

from maskrcnn.pictures.overlay import SMALLEST_WIDTH
from maskrcnn.project.files import whole_file
from maskrcnn.project.notation import Boxes, Image

Color = str | Float[np.ndarray, "3"]
Mask = Bool[np.ndarray, "H W"]
Picture = Float[np.ndarray, "H W 3"]

DOTS_PER_INCH = 100
STRIP = 0.36  # inches above a panel, for its title


def spread_indices(count: int, total: int) -> list[int]:
    """Returns at most `count` indices below `total`, spread evenly from the first to the last."""
    return np.linspace(0, total - 1, min(count, total), dtype=int).tolist()


def new_panels(
    image_shape: tuple[int, int], titles: Sequence[str], legend: Mapping[str, str] | None = None
) -> tuple[Figure, list[Axes]]:
    """Returns a figure of panels side by side, each with the shape of the image, and its axes.

    Args:
        image_shape: Height and width of the images.
        titles: One per panel.
        legend: Colours by what they mean.
    """
    height, width = image_shape
    dots = width * max(1, round(SMALLEST_WIDTH / width))
    inches, tall = dots / DOTS_PER_INCH, dots / DOTS_PER_INCH * height / width
    lower = STRIP if legend else 0.0
    figure = Figure(figsize=(inches * len(titles), lower + tall + STRIP), dpi=DOTS_PER_INCH)
    share, total = 1 / len(titles), lower + tall + STRIP
    axes = [figure.add_axes((share * i, lower / total, share, tall / total)) for i in range(len(titles))]
    for panel, title in zip(axes, titles, strict=True):
        panel.set_title(title, fontsize=12)
        panel.set_axis_off()
    if legend:
        patches = [Patch(color=color, label=meaning) for meaning, color in legend.items()]
        figure.legend(handles=patches, loc="lower center", ncols=len(patches), fontsize=11, frameon=False, borderpad=0)
    return figure, axes


def write_figure(path: Path, figure: Figure) -> None:
    """Writes a figure as a PNG, whole or not at all; equal figures give equal bytes."""
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png")


def show(axes: Axes, image: Image | Picture, title: str) -> None:
    """Fills a panel with an image and gives it a title."""
    show_image(axes, image)
    axes.set_title(title, fontsize=12)
    axes.set_axis_off()


def show_image(axes: Axes, image: Image | Picture, image_shape: tuple[int, int] | None = None) -> None:
    """Fills a panel with an image; pixel 0 spans from 0 to 1, so that boxes lie between pixels.

    Args:
        axes: The panel.
        image: What it shows.
        image_shape: Height and width that coordinates refer to, where the image was enlarged.
    """
    height, width = image_shape or image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0), interpolation="nearest")


def dim(image: Image) -> Image:
    """Returns the image in dim grey, as a background for colours."""
    return np.repeat(0.6 * image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)


def add_outline(axes: Axes, mask: Mask, color: Color, line: str = "-") -> None:
    """Adds the outlines of a mask, along the centres of its outermost pixels."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for outline in outlines:
        axes.add_patch(Polygon(outline[:, 0] + 0.5, fill=False, ec=color, ls=line, lw=1.5))


def add_box(axes: Axes, box: Boxes, color: Color) -> None:
    """Adds a box in pixels."""
    y1, x1, y2, x2 = box.tolist()
    axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=color, lw=1.3))
