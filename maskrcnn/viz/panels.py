"""What the panels of all pictures share: the image, its boxes and colours that are easy to tell apart."""

import colorsys

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from maskrcnn.notation import Boxes

Color = Float[np.ndarray, "3"]
Colors = Float[np.ndarray, "N 3"]

GOLDEN_RATIO = 0.618034


def spread_colors(count: int) -> Colors:
    """Returns colours in [0, 1] of which neighbours in the list are easy to tell apart."""
    hues = [index * GOLDEN_RATIO % 1 for index in range(count)]
    return np.array([colorsys.hsv_to_rgb(hue, 0.8, 1.0) for hue in hues]).reshape(-1, 3)


def show(axes: Axes, image: np.ndarray, title: str) -> None:
    """Fills a panel with an image; pixel 0 spans from 0 to 1, so that boxes lie between pixels."""
    axes.imshow(image, extent=(0, image.shape[1], image.shape[0], 0), interpolation="nearest")
    axes.set_title(title, fontsize=12)
    axes.set_axis_off()


def add_box(axes: Axes, box: Boxes, color: Color, label: str = "", line: str = "-") -> None:
    """Adds a box in pixels, and above it its label, if any."""
    y1, x1, y2, x2 = box.tolist()
    axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=color, ls=line, lw=1.3))
    if label:
        backdrop = {"facecolor": color, "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
        axes.text(x1, y1, label, fontsize=7, va="bottom", color="black", bbox=backdrop, clip_on=True)
