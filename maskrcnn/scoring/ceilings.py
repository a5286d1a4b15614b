"""The best scores that masks of a fixed small size can reach."""

import numpy as np

from maskrcnn.data.mini_masks import resize_mask
from maskrcnn.project.notation import InstanceMap
from maskrcnn.results.predictions import Predictions, encode_part
from maskrcnn.scoring.overlaps import Regions


def squeeze_truth(instance_map: InstanceMap, regions: Regions, mini_mask_shape: tuple[int, int]) -> Predictions:
    """Predicts every truth of an image in its own box and class, its mask resized to a mini-mask and back.

    The score of a prediction is the IoU of its mask with the truth. So everything but the resizing is right.

    Args:
        instance_map: The truth.
        regions: The same, from `find_regions`.
        mini_mask_shape: Height and width of the mini-mask.
    """
    chosen = np.flatnonzero(regions.is_instance & (regions.class_ids > 0))
    boxes = regions.boxes_px()[chosen]
    rles, scores = [], []
    for instance_id, (y1, x1, y2, x2) in zip(regions.ids[chosen], boxes.tolist(), strict=True):
        mask = instance_map[y1:y2, x1:x2] == instance_id
        squeezed = resize_mask(resize_mask(mask, mini_mask_shape) > 0.5, mask.shape) > 0.5
        rles.append(encode_part(squeezed, (y1, x1), regions.image_shape))
        scores.append((mask & squeezed).sum() / (mask | squeezed).sum())
    return Predictions(boxes.astype(np.float64), regions.class_ids[chosen], np.array(scores, float), tuple(rles))
