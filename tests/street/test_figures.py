"""Figures: areas of their contours, rounded corners, spans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.street.figures import Figure, bar, box, ellipse, patch, rounded

GREY = (128.0, 128.0, 128.0)


def area(contour):
    """The shoelace formula, without sign."""
    x, y = contour.T
    return abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def test_box_has_the_area_of_its_sides() -> None:
    assert area(box(-1.0, 0.0, 2.0, 4.0)) == 12.0


def test_ellipse_fills_almost_its_round_area() -> None:
    # 24 corners on an ellipse span 24/2 sin(360/24 degrees) = 3.106 of the radii's product, pi in the limit
    assert area(ellipse(3.0, 1.0, 2.0, 0.5)) == pytest.approx(3.1058, abs=1e-3)


def test_bar_is_tapered() -> None:
    # from 2 wide to 1 wide over a length of 5 (3-4-5): (2 + 1) / 2 * 5
    assert area(bar((0.0, 0.0), (3.0, 4.0), 2.0, 1.0)) == pytest.approx(7.5)


def test_bar_without_length_is_empty() -> None:
    assert area(bar((1.0, 1.0), (1.0, 1.0), 2.0)) == 0.0


def test_rounded_corner_passes_halfway() -> None:
    # corner (0, 0) of a square of side 10, radius 2: cuts at (0, 2) and (2, 0), in between (.5, .5)
    curve = rounded(box(0.0, 0.0, 10.0, 10.0), 2.0)
    assert {(0.0, 2.0), (0.5, 0.5), (2.0, 0.0)} <= set(map(tuple, np.round(curve, 9).tolist()))


@given(st.floats(0, 20), st.floats(0.1, 10), st.floats(0.1, 10))
def test_rounding_stays_inside_and_keeps_most(radius, width, height) -> None:
    contour = box(0.0, 0.0, width, height)
    curve = rounded(contour, radius)
    assert curve.min() >= -1e-9
    assert (curve.max(axis=0) <= (width + 1e-9, height + 1e-9)).all()
    assert 0.7 * area(contour) < area(curve) <= area(contour) * (1 + 1e-9)


def test_figure_spans_its_parts() -> None:
    figure = Figure("pole", (patch(GREY, box(-1.0, 0.0, 1.0, 3.0)), patch(GREY, box(0.5, 2.0, 4.0, 2.5))))
    assert figure.breadth == (-1.0, 4.0)
    assert figure.height == 3.0


def test_a_moved_part_takes_its_holes_along() -> None:
    part = patch(GREY, box(0.0, 0.0, 4.0, 4.0), box(1.0, 1.0, 2.0, 2.0)).moved(5.0)
    np.testing.assert_array_equal(part.contours[0], box(5.0, 0.0, 9.0, 4.0))
    np.testing.assert_array_equal(part.contours[1], box(6.0, 1.0, 7.0, 2.0))
