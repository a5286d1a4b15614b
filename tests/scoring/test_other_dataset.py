"""All protocols on a dataset that is not Cityscapes: other labels, another numbering, no void."""

import numpy as np
import pytest

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.results.predictions import Predictions, encode_predictions
from maskrcnn.scoring.average_precision import mean_ap, score_per_image
from maskrcnn.scoring.cityscapes_ap import official_label_ids, score_cityscapes
from maskrcnn.scoring.coco_ap import annotate, make_dataset, score_coco
from maskrcnn.scoring.matches import match
from maskrcnn.scoring.overlaps import Overlaps, Regions, find_regions, measure_overlaps

SHAPE = (32, 48)
# Two labels are pets; an instance of label 5 is 500 + number, and 29 is the floor, not a caravan.
CATALOGUE = Catalogue(("background", "pet", "sheep"), {5: 1, 6: 1, 30: 2}, frozenset(), instance_base=100)
CAT, DOG, SHEEP, FLOOR = 501, 600, 3007, 29


@pytest.fixture
def regions() -> Regions:
    instance_map = np.full(SHAPE, FLOOR, np.uint16)
    instance_map[:, :10], instance_map[:, 12:20], instance_map[:, 30:45] = CAT, DOG, SHEEP
    return find_regions(instance_map, CATALOGUE)


@pytest.fixture
def found() -> Predictions:
    """Cat and dog in full, a sheep on the floor."""
    masks = np.zeros((3, *SHAPE), bool)
    masks[0, :, :10] = masks[1, :, 12:20] = masks[2, :, 20:30] = True
    return encode_predictions(np.zeros((3, 4)), np.array([1, 1, 2]), np.array([0.9, 0.8, 0.7]), masks)


@pytest.fixture
def overlaps(regions: Regions, found: Predictions) -> Overlaps:
    return measure_overlaps(regions, found)


def test_labels_may_share_a_class(overlaps: Overlaps) -> None:
    assert overlaps.truth_ids.tolist() == [CAT, DOG, SHEEP]
    assert overlaps.truth_class_ids.tolist() == [1, 1, 2]
    assert overlaps.void_pixels.tolist() == overlaps.crowd_pixels.tolist() == [0, 0, 0]


def test_per_image_ap(overlaps: Overlaps) -> None:
    scores = score_per_image([match(overlaps)], 3)
    assert scores.ap == pytest.approx(2 / 3)  # two of three truths, before any alarm
    assert scores.class_ap[0, 1:].tolist() == [1, 0]


def test_cityscapes_ap(overlaps: Overlaps) -> None:
    official = list(official_label_ids(CATALOGUE))
    assert official == [1, 2]
    assert score_cityscapes([overlaps], official)[0].tolist() == [1, 0]


def test_coco_ap(regions: Regions, found: Predictions) -> None:
    dataset = make_dataset([annotate(regions)], CATALOGUE.class_names, SHAPE)
    assert mean_ap(score_coco(dataset, [found], SHAPE)) == pytest.approx(0.5)
