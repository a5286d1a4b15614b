import numpy as np
import pytest

from maskrcnn.evaluation.predictions import encode_predictions
from maskrcnn.viz.detections import OPACITY, draw_detections, tint
from maskrcnn.viz.panels import spread_colors

SHAPE = (8, 16)


def paint(*corners: tuple[int, int, int, int]) -> np.ndarray:
    """Returns one filled mask a box."""
    masks = np.zeros((len(corners), *SHAPE), bool)
    for mask, (y1, x1, y2, x2) in zip(masks, corners, strict=True):
        mask[y1:y2, x1:x2] = True
    return masks


@pytest.fixture
def found():
    boxes = [(0, 0, 4, 4), (2, 6, 8, 16), (1, 1, 3, 3)]
    return encode_predictions(np.array(boxes), np.array([1, 6, 2]), np.array([0.9, 0.6, 0.3]), paint(*boxes))


def test_uncertain_objects_are_left_out(found):
    axes = draw_detections(np.zeros((*SHAPE, 3), np.uint8), found, 0.5, "street").axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["bus 0.60", "car 0.90"]
    assert [patch.get_bbox().bounds for patch in axes.patches] == [(6, 2, 10, 6), (0, 0, 4, 4)]  # the best on top
    assert axes.get_title() == "street"


def test_the_picture_is_tinted_where_the_masks_are(found):
    axes = draw_detections(np.full((*SHAPE, 3), 51, np.uint8), found, 0.5, "").axes[0]
    picture = axes.images[0].get_array()
    car, bus, _ = spread_colors(3)
    np.testing.assert_allclose(picture[7, 0], 0.2)
    np.testing.assert_allclose(picture[0, 0], 0.2 * (1 - OPACITY) + OPACITY * car)
    np.testing.assert_allclose(picture[7, 15], 0.2 * (1 - OPACITY) + OPACITY * bus)


def test_a_tint_keeps_what_it_covers_visible(found):
    picture = np.random.default_rng(1).random((*SHAPE, 3))
    tinted = tint(picture, found.rles[0], np.array([1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(tinted[4:], picture[4:])
    np.testing.assert_allclose(tinted[:4, :4, 1:], (1 - OPACITY) * picture[:4, :4, 1:])
