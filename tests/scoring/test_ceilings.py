"""The truth through mini-masks."""

import cv2
import numpy as np
import pytest

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.scoring.ceilings import squeeze_truth
from maskrcnn.scoring.overlaps import find_regions, measure_overlaps

CATALOGUE = Catalogue(("background", "car", "person"), {26: 1, 24: 2}, frozenset())


def ious(instance_map, side):
    regions = find_regions(instance_map, CATALOGUE)
    squeezed = squeeze_truth(instance_map, regions, (side, side))
    return squeezed, measure_overlaps(regions, squeezed).ious


def test_filled_boxes_lose_nothing() -> None:
    instance_map = np.full((40, 60), 7, np.uint16)
    instance_map[3:23, 5:50] = 26000
    instance_map[30:31, 0:2] = 24000
    instance_map[35:38] = 26  # a crowd is no instance
    squeezed, overlaps = ious(instance_map, 7)
    assert squeezed.class_ids.tolist() == [2, 1] and squeezed.scores.tolist() == [1, 1]
    assert squeezed.boxes_px.tolist() == [[30, 0, 31, 2], [3, 5, 23, 50]]
    assert overlaps == pytest.approx(np.eye(2))


def test_score_is_the_iou() -> None:
    instance_map = np.full((200, 300), 7, np.uint16)
    cv2.circle(instance_map, (150, 100), 90, 26000, -1)
    squeezed, overlaps = ious(instance_map, 7)
    assert squeezed.scores[0] == pytest.approx(overlaps[0, 0])


def test_finer_masks_lose_less_of_a_disc() -> None:
    instance_map = np.full((200, 300), 7, np.uint16)
    cv2.circle(instance_map, (150, 100), 90, 26000, -1)
    coarse, fine = (ious(instance_map, side)[1][0, 0] for side in (7, 28))
    assert 0.7 < coarse < 0.97 < fine < 1


def test_image_without_instances() -> None:
    squeezed, _ = ious(np.full((4, 5), 26, np.uint16), 7)
    assert len(squeezed) == 0
