"""Pictures of what the network finds: boxes with class and score, and masks of instances."""

import numpy as np
from matplotlib.figure import Figure

from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.pictures.panels import Mask, add_box, add_outline, dim, new_panels, show_image, spread_colors, tint
from maskrcnn.project.notation import Image
from maskrcnn.results.predictions import Predictions
from maskrcnn.results.runs import decode_counts, fill_mask

STRONG = 0.65  # opacity of masks over a dim picture


def draw_detections(image: Image, found: Predictions, min_score: float, title: str) -> Figure:
    """Draws the boxes of one image with class and score, the most certain on top.

    Args:
        image: What the network saw.
        found: What it found there.
        min_score: Objects below this score are left out.
        title: Stands above the picture.
    """
    figure, (axes,) = new_panels(image.shape[:2], [title])
    colors = spread_colors(len(found))
    picture = image / 255
    for index in rank_drawn(found, min_score):
        picture = tint(picture, read_mask(found, index, image.shape[:2]), colors[index])
        add_box(axes, found.boxes_px[index], colors[index], name_object(found, index))
    show_image(axes, picture)
    return figure


def draw_masks(image: Image, found: Predictions, min_score: float, title: str) -> Figure:
    """Draws the masks of one image before dim grey, each in its colour; the arguments are those above."""
    figure, (axes,) = new_panels(image.shape[:2], [title])
    colors = spread_colors(len(found))
    picture = dim(image)
    for index in rank_drawn(found, min_score):
        mask = read_mask(found, index, image.shape[:2])
        picture = tint(picture, mask, colors[index], STRONG)
        add_outline(axes, mask, colors[index])
    show_image(axes, picture)
    return figure


def rank_drawn(found: Predictions, min_score: float) -> list[int]:
    """Returns the objects that are drawn, the most certain last and so on top."""
    order = np.argsort(found.scores, kind="stable")
    return order[found.scores[order] >= min_score].tolist()


def read_mask(found: Predictions, index: int, image_shape: tuple[int, int]) -> Mask:
    """Returns the mask of one object at image size."""
    return fill_mask(decode_counts(found.rles[index], image_shape), image_shape)


def name_object(found: Predictions, index: int) -> str:
    """Returns class and score of one object."""
    return f"{CLASS_NAMES[found.class_ids[index]]} {found.scores[index]:.2f}"
