"""What masks of a fixed small size can reach at best: the truth itself, squeezed and stretched back."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from maskrcnn.project.notation import Array
from maskrcnn.results.predictions import Predictions
from maskrcnn.results.runs import Spans, encode_part, fill_mask
from maskrcnn.scoring.regions import Regions

Resize = Callable[[Array, tuple[int, int]], Float[Array, "h w"]]


def squeeze_truth(
    regions: Regions, classes: Mapping[int, int], mini_mask_shape: tuple[int, int], resize: Resize
) -> Predictions:
    """Predicts every truth of an image in its own box and class, its mask through a mini-mask.

    Scored like any predictions, they tell what the mini-masks cost when all else is right: every
    prediction is as sure as its mask is good.

    Args:
        regions: The truth.
        classes: Class id of every label id that is a class.
        mini_mask_shape: Height and width that masks are squeezed to.
        resize: Resizes a mask to a shape, with values in [0, 1].
    """
    class_ids = regions.class_ids(classes)
    chosen = np.flatnonzero(regions.is_instance() & (class_ids > 0))
    boxes = regions.boxes_px()[chosen]
    rles, scores = [], []
    for index, (y1, x1, y2, x2) in zip(chosen.tolist(), boxes.tolist(), strict=True):
        height = regions.image_shape[0]
        starts, stops = regions.spans(index)
        columns = fill_mask(Spans(starts - x1 * height, stops - x1 * height), (height, x2 - x1))
        mask = columns[y1:y2]
        squeezed = resize(resize(mask, mini_mask_shape) > 0.5, mask.shape) > 0.5
        rles.append(encode_part(squeezed, (y1, x1), regions.image_shape))
        scores.append((mask & squeezed).sum() / (mask | squeezed).sum())
    return Predictions(boxes.astype(np.float64), class_ids[chosen], np.array(scores, float), tuple(rles))
