"""Pictures of what the network finds: regions of interest, boxes with class and score, and masks."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.figure import Figure

from maskrcnn.pictures.overlay import cut_object, draw_overlay, enlarge
from maskrcnn.pictures.panels import add_box, dim, new_panels, show_image
from maskrcnn.project.notation import Image
from maskrcnn.project.palette import Color, spread_colors
from maskrcnn.results.predictions import Predictions, decode_mask

STRONG = 0.65  # opacity of masks over a dim picture
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


def draw_detections(
    image: Image,
    found: Predictions,
    min_score: float,
    title: str,
    class_names: Sequence[str],
    class_colors: Sequence[Color],
) -> Figure:
    """Draws the objects of one image in the colours of their classes, the highest scores on top.

    Args:
        image: What the network saw.
        found: What it found there.
        min_score: Objects below this score are left out.
        title: Stands above the picture.
        class_names: By class id.
        class_colors: By class id, too.
    """
    objects = [
        cut_object(
            decode_mask(found.rles[index], image.shape[:2]),
            class_colors[found.class_ids[index]],
            name_object(found, index, class_names),
        )
        for index in rank_drawn(found, min_score)
    ]
    figure, (axes,) = new_panels(image.shape[:2], [title])
    show_image(axes, draw_overlay(*enlarge(image, objects)), image.shape[:2])
    return figure


def draw_masks(image: Image, found: Predictions, min_score: float, title: str) -> Figure:
    """Draws the masks of one image over dim grey, each in its colour; arguments as in `draw_detections`."""
    drawn = rank_drawn(found, min_score)
    colors = spread_colors(len(drawn) + 1)[1:]
    objects = [
        cut_object(decode_mask(found.rles[index], image.shape[:2]), color)
        for index, color in zip(drawn, colors, strict=True)
    ]
    figure, (axes,) = new_panels(image.shape[:2], [title])
    show_image(axes, draw_overlay(*enlarge(dim(image), objects), opacity=STRONG), image.shape[:2])
    return figure


def rank_drawn(found: Predictions, min_score: float) -> list[int]:
    """Returns the objects to draw, by index, the highest score first."""
    order = np.argsort(-found.scores, kind="stable")
    return order[found.scores[order] >= min_score].tolist()


def name_object(found: Predictions, index: int, class_names: Sequence[str]) -> str:
    """Returns class and score of one object."""
    return f"{class_names[found.class_ids[index]]} {found.scores[index]:.2f}"
