"""The canvas: what is painted, and polygons that follow it."""

import cv2
import numpy as np
import pytest

from maskrcnn.readers.polygons import paint_polygons
from maskrcnn.street.canvas import MARGIN, blank_canvas, develop, outline, paint, silhouette
from maskrcnn.street.figures import Figure, box, ellipse, patch
from maskrcnn.street.placement import FLAT, Placement
from maskrcnn.street.traffic import ACCESSORIES, KINDS
from maskrcnn.street.worlds import WORLDS

SHAPE = (128, 256)
WHITE, BLACK = (255.0, 255.0, 255.0), (0.0, 0.0, 0.0)


def figure_of(*contours):
    return Figure("static", tuple(patch(WHITE, contour) for contour in contours))


def draw(figure, placement=FLAT, haze=0.0):
    canvas = blank_canvas(SHAPE)
    paint(canvas, figure, placement, haze, BLACK)
    return develop(canvas)


def trace(figure, placement=FLAT):
    return outline(silhouette([figure], placement, blank_canvas(SHAPE).shape))


def without_holes(mask):
    """Fills what is enclosed, as between the tubes of a bicycle."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros(SHAPE, np.uint8), contours, -1, 1, cv2.FILLED) > 0


def fill(polygon):
    return paint_polygons([polygon.astype(float)], [1], SHAPE) > 0


def test_a_box_covers_its_pixels() -> None:
    # from x 10 to 20 and y 30 to 50, edges inclusive at half a canvas pixel: 10 columns and 20 rows
    image = draw(figure_of(box(10.0, 30.0, 20.0, 50.0)))
    assert image.shape == (*SHAPE, 3)
    assert (image[30:50, 10:20] == 255).all()
    assert image[:29].max() == image[52:].max() == image[:, :9].max() == image[:, 22:].max() == 0


def test_a_hole_shows_what_lies_behind() -> None:
    ring = Figure("static", (patch(WHITE, box(10.0, 10.0, 60.0, 60.0), box(20.0, 20.0, 50.0, 50.0)),))
    image = draw(ring)
    assert image[35, 35].max() == 0
    assert image[15, 35].min() == 255
    assert fill(trace(ring))[11:59, 11:59].all()  # the annotators fill holes


def test_haze_mixes_the_colour_of_the_air() -> None:
    # 0.75 * 255 + 0.25 * 0 = 191.25
    assert draw(figure_of(box(10.0, 30.0, 20.0, 50.0)), haze=0.25)[40, 15].tolist() == [191, 191, 191]


def test_a_traced_box_fills_the_same_pixels() -> None:
    filled = fill(trace(figure_of(box(10.0, 30.0, 20.0, 50.0))))
    rows, columns = np.where(filled)
    assert abs(rows.min() - 30) + abs(rows.max() - 49) + abs(columns.min() - 10) + abs(columns.max() - 19) <= 2


def test_a_figure_beyond_the_border_is_cut_a_little_outside() -> None:
    polygon = trace(figure_of(box(-50.0, 100.0, 20.0, 300.0)))
    assert polygon[:, 0].min() == -MARGIN
    assert polygon[:, 1].max() == SHAPE[0] + MARGIN


def test_the_largest_piece_is_traced() -> None:
    polygon = trace(figure_of(box(10.0, 10.0, 20.0, 20.0), box(50.0, 10.0, 90.0, 60.0)))
    assert polygon[:, 0].min() >= 49


@pytest.mark.parametrize("contour", [box(-90.0, 10.0, -50.0, 20.0), box(10.0, 10.0, 10.1, 10.1)])
def test_nothing_is_traced_where_nothing_is_seen(contour) -> None:
    assert trace(figure_of(contour)) is None


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.draw.__name__)
def test_polygons_follow_what_is_drawn(kind, world) -> None:
    """Filling the polygon gives the painted pixels back: few are missed, few are added."""
    rng = np.random.default_rng(1)
    for mirror in (-1, 1):
        for figure in kind.draw(rng, world):
            if figure.label in ACCESSORIES:
                continue
            white = Figure(figure.label, tuple(patch(WHITE, part.contours[0]) for part in figure.parts))
            scale = 90 / figure.height if figure.label != "train" else 40 / figure.height
            placement = Placement(128.0, 110.0, mirror * scale * 0.6, scale)
            painted = without_holes(draw(white, placement)[..., 0] > 127)
            filled = fill(trace(white, placement))
            assert (painted & filled).sum() / (painted | filled).sum() > 0.92


def test_an_ellipse_is_traced_within_its_tolerance() -> None:
    polygon = trace(figure_of(ellipse(100.0, 60.0, 40.0)))
    radii = np.hypot(polygon[:, 0] + 0.5 - 100, polygon[:, 1] - 60)
    assert np.abs(radii - 40).max() < 1.2
