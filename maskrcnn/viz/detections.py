"""Pictures of what the network finds: masks, boxes, classes and scores over the image."""

import numpy as np
from matplotlib.figure import Figure

from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.evaluation.predictions import Predictions
from maskrcnn.evaluation.runs import decode_counts, fill_mask
from maskrcnn.notation import Image
from maskrcnn.viz.panels import Color, add_box, show, spread_colors

OPACITY = 0.5


def draw_detections(image: Image, found: Predictions, min_score: float, title: str) -> Figure:
    """Draws the objects of one image, the most certain on top.

    Args:
        image: What the network saw.
        found: What it found there.
        min_score: Objects below this score are left out.
        title: Stands above the picture.
    """
    figure = Figure(figsize=(12, 12 * image.shape[0] / image.shape[1] + 0.4), layout="constrained")
    axes = figure.subplots()
    drawn = [index for index in np.argsort(found.scores, kind="stable") if found.scores[index] >= min_score]
    colors = spread_colors(len(found))
    picture = image / 255
    for index in drawn:
        picture = tint(picture, found.rles[index], colors[index])
        label = f"{CLASS_NAMES[found.class_ids[index]]} {found.scores[index]:.2f}"
        add_box(axes, found.boxes_px[index], colors[index], label)
    show(axes, picture, title)
    return figure


def tint(picture: np.ndarray, rle: str, color: Color) -> np.ndarray:
    """Lays a mask over a picture (H, W, 3) in [0, 1]."""
    image_shape = picture.shape[:2]
    mask = fill_mask(decode_counts(rle, image_shape), image_shape)[..., None]
    return np.where(mask, (1 - OPACITY) * picture + OPACITY * color, picture)
