"""Pictures of what the network finds."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from maskrcnn.pictures.detections import RANKS, STRONG, draw_detections, draw_masks, draw_proposals
from maskrcnn.pictures.panels import OPACITY, spread_colors
from maskrcnn.results.predictions import encode_predictions

SHAPE = (8, 16)
IMAGE = np.full((*SHAPE, 3), 51, np.uint8)
NAMES = ("background", "car", "person", "rider", "motorcycle", "bicycle", "bus")


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


def test_uncertain_objects_are_left_out(found) -> None:
    axes = draw_detections(np.zeros((*SHAPE, 3), np.uint8), found, 0.5, "street", NAMES).axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["bus 0.60", "car 0.90"]
    assert [patch.get_bbox().bounds for patch in axes.patches] == [(6, 2, 10, 6), (0, 0, 4, 4)]  # the best on top
    assert axes.get_title() == "street"


def test_the_picture_is_tinted_where_the_masks_are(found) -> None:
    axes = draw_detections(IMAGE, found, 0.5, "", NAMES).axes[0]
    picture = axes.images[0].get_array()
    car, bus, _ = spread_colors(3)
    np.testing.assert_allclose(picture[7, 0], 0.2)
    np.testing.assert_allclose(picture[0, 0], 0.2 * (1 - OPACITY) + OPACITY * car)
    np.testing.assert_allclose(picture[7, 15], 0.2 * (1 - OPACITY) + OPACITY * bus)


def test_masks_are_drawn_before_dim_grey(found) -> None:
    axes = draw_masks(IMAGE, found, 0.5, "street").axes[0]
    picture = axes.images[0].get_array()
    np.testing.assert_allclose(picture[7, 0], 0.6 * 0.2)
    np.testing.assert_allclose(picture[0, 0], (1 - STRONG) * 0.6 * 0.2 + STRONG * spread_colors(3)[0])
    np.testing.assert_allclose(picture[2, 3], (1 - STRONG) * 0.6 * 0.2 + STRONG * spread_colors(3)[0])  # no third
    assert len(axes.patches) == 2  # outlines
    assert not axes.texts and axes.get_title() == "street"


def test_the_best_region_is_brightest_and_on_top() -> None:
    axes = draw_proposals(IMAGE, np.array([[0.0, 1, 4, 5], [2, 6, 8, 16], [1, 1, 3, 3]]), "street").axes[0]
    assert [patch.get_bbox().bounds for patch in axes.patches] == [(1, 1, 2, 2), (6, 2, 10, 6), (1, 0, 4, 4)]
    colors = np.array([to_rgb(patch.get_edgecolor()) for patch in axes.patches])
    np.testing.assert_allclose(colors, [RANKS(rank)[:3] for rank in (1.0, 0.5, 0.0)])
    assert (np.diff(colors.mean(axis=1)) > 0).all()
    assert axes.get_title() == "street"


def test_no_regions() -> None:
    assert not draw_proposals(IMAGE, np.zeros((0, 4)), "").axes[0].patches
