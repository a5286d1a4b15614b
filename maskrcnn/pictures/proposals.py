"""Pictures of the regions of interest that the region proposal network passes on."""

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.figure import Figure

from maskrcnn.pictures.panels import add_box, dim, new_panels, show_image
from maskrcnn.project.notation import Image

RANKS = colormaps["cividis_r"]  # from the best region, yellow, to the last one, dark blue: readable in grey too


def draw_proposals(image: Image, boxes_px: Float[np.ndarray, "R 4"], title: str) -> Figure:
    """Draws regions of interest, the best ones brightest and on top.

    Args:
        image: What the network saw.
        boxes_px: The best first.
        title: Stands above the picture.
    """
    figure, (axes,) = new_panels(image.shape[:2], [title])
    show_image(axes, dim(image))
    colors = RANKS(np.linspace(0, 1, max(len(boxes_px), 1)))[:, :3]
    for box, color in reversed(list(zip(boxes_px, colors, strict=False))):
        add_box(axes, box, color)
    return figure
