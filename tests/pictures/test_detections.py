"""Pictures of what the network finds."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from maskrcnn.pictures import detections
from maskrcnn.pictures.detections import RANKS, STRONG, draw_detections, draw_masks, draw_proposals
from maskrcnn.pictures.overlay import OPACITY
from maskrcnn.project.palette import spread_colors
from maskrcnn.results.predictions import Predictions, encode_predictions

SHAPE = (8, 16)
IMAGE = np.full((*SHAPE, 3), 51, np.uint8)
NAMES = ("background", "car", "person", "rider", "motorcycle", "bicycle", "bus")
COLORS = spread_colors(len(NAMES))


def paint(*corners: tuple[int, int, int, int]) -> np.ndarray:
    """Returns one filled mask a box."""
    masks = np.zeros((len(corners), *SHAPE), bool)
    for mask, (y1, x1, y2, x2) in zip(masks, corners, strict=True):
        mask[y1:y2, x1:x2] = True
    return masks


@pytest.fixture
def found() -> Predictions:
    boxes = [(0, 0, 4, 4), (2, 6, 8, 16), (1, 1, 3, 3)]
    return encode_predictions(np.array(boxes), np.array([1, 6, 2]), np.array([0.9, 0.6, 0.3]), paint(*boxes))


def pixel(axes: Axes, row: int, column: int) -> np.ndarray:
    """The middle of a pixel of the image, in the enlarged picture."""
    picture = axes.images[0].get_array()
    assert picture is not None
    factor = picture.shape[1] // SHAPE[1]
    return picture[row * factor + factor // 2, column * factor + factor // 2]


def mix(ground: tuple[int, ...], color: tuple[int, ...], opacity: float) -> np.ndarray:
    return (1 - opacity) * np.array(ground) + opacity * np.array(color)


def test_objects_have_the_colours_of_their_classes_and_uncertain_ones_are_left_out(found: Predictions) -> None:
    axes = draw_detections(IMAGE, found, 0.5, "street", NAMES, COLORS).axes[0]
    np.testing.assert_array_equal(pixel(axes, 7, 0), 51)
    np.testing.assert_allclose(pixel(axes, 1, 1), mix((51, 51, 51), COLORS[1], OPACITY), atol=1)  # no third on top
    np.testing.assert_allclose(pixel(axes, 6, 13), mix((51, 51, 51), COLORS[6], OPACITY), atol=1)
    assert axes.get_title() == "street"
    assert axes.get_xlim() == (0, 16) and axes.get_ylim() == (8, 0)


def test_objects_are_named_with_their_scores(found: Predictions, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(detections, "draw_overlay", lambda image, objects: drawn.extend(objects) or image)
    draw_detections(IMAGE, found, 0.5, "street", NAMES, COLORS)
    assert [one.label for one in drawn] == ["car 0.90", "bus 0.60"]  # the best first, which is on top


def test_masks_are_drawn_over_dim_grey_each_in_its_colour(found: Predictions) -> None:
    two_cars = replace(found, class_ids=np.array([1, 1, 1]))
    axes = draw_masks(IMAGE, two_cars, 0.5, "street").axes[0]
    grey, colors = (30, 30, 30), spread_colors(3)
    np.testing.assert_array_equal(pixel(axes, 7, 0), 30)
    np.testing.assert_allclose(pixel(axes, 1, 1), mix(grey, colors[1], STRONG), atol=1)
    np.testing.assert_allclose(pixel(axes, 6, 13), mix(grey, colors[2], STRONG), atol=1)
    assert axes.get_title() == "street"


def test_the_best_region_is_brightest_and_on_top() -> None:
    axes = draw_proposals(IMAGE, np.array([[0.0, 1, 4, 5], [2, 6, 8, 16], [1, 1, 3, 3]]), "street").axes[0]
    assert [patch.get_bbox().bounds for patch in axes.patches] == [(1, 1, 2, 2), (6, 2, 10, 6), (1, 0, 4, 4)]
    colors = np.array([to_rgb(patch.get_edgecolor()) for patch in axes.patches])
    np.testing.assert_allclose(colors, [RANKS(rank)[:3] for rank in (1.0, 0.5, 0.0)])
    assert (np.diff(colors.mean(axis=1)) > 0).all()
    assert axes.get_title() == "street"


def test_no_regions() -> None:
    assert not draw_proposals(IMAGE, np.zeros((0, 4)), "").axes[0].patches
