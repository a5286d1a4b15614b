"""The fill rule: worked examples, and slow oracles in exact fractions and in float32."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.readers.polygons import find_spans, paint_polygons

SHAPE = (12, 15)
SLACK = Fraction(1, 10_000)  # pixels; more than float32 rounds off at this size

whole_points = st.tuples(st.integers(-6, 20), st.integers(-6, 18))
half_points = st.tuples(*(st.integers(-12, 40).map(lambda half: half / 2),) * 2)
corners = st.lists(whole_points | half_points, min_size=3, max_size=9)


def paint(*polygons: list) -> np.ndarray:
    points = [np.array(polygon, np.float64) for polygon in polygons]
    return paint_polygons(points, range(1, len(points) + 1), SHAPE)


def covered(polygon: list, shape: tuple[int, int], wider: Fraction = Fraction(0)) -> np.ndarray:
    """The rule as it is written, one row and one edge at a time, without rounding; `wider` is added at both ends."""
    mask = np.zeros(shape, bool)
    exact = [(Fraction(x), Fraction(y)) for x, y in polygon]
    for row in range(shape[0]):
        middle = row + Fraction(1, 2)
        crossings = sorted(
            x0 + (middle - y0) * (x1 - x0) / (y1 - y0)
            for (x0, y0), (x1, y1) in zip(exact, exact[1:] + exact[:1], strict=True)
            if min(y0, y1) <= middle < max(y0, y1)
        )
        for x0, x1 in zip(crossings[::2], crossings[1::2], strict=True):
            first, last = ceil(x0 - wider - Fraction(1, 2)), floor(x1 + wider + Fraction(1, 2))
            mask[row, max(first, 0) : max(last + 1, 0)] = True
    return mask


def covered_in_float32(polygon: list, shape: tuple[int, int]) -> np.ndarray:
    """The rule with crossings computed one at a time, each step rounded to float32, slope first."""
    mask = np.zeros(shape, bool)
    for row in range(shape[0]):
        crossings = sorted(
            np.float32(x0) + np.float32(row + 0.5 - y0) * (np.float32(x1 - x0) / np.float32(y1 - y0))
            for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True)
            if min(y0, y1) <= row + 0.5 < max(y0, y1)
        )
        for x0, x1 in zip(crossings[::2], crossings[1::2], strict=True):
            mask[row, max(ceil(float(x0) - 0.5), 0) : max(floor(float(x1) + 0.5) + 1, 0)] = True
    return mask


def assert_close(painted: np.ndarray, polygon: list) -> None:
    """Compares with the exact rule; where a crossing is an exact half, rounding may decide."""
    assert not (covered(polygon, SHAPE, wider=-SLACK) & ~painted).any()
    assert not (painted & ~covered(polygon, SHAPE, wider=SLACK)).any()


@given(corners)
def test_equals_the_rule_in_exact_fractions_but_for_rounding(polygon: list) -> None:
    assert_close(paint(polygon) == 1, polygon)


@given(corners)
def test_equals_the_rule_in_float32(polygon: list) -> None:
    np.testing.assert_array_equal(paint(polygon) == 1, covered_in_float32(polygon, SHAPE))


@pytest.mark.parametrize(
    ("polygon", "row", "painted", "exact"),
    [
        # The edge from (0, 0) to (13, 11) crosses row 5 at 5.5 * 13 / 11 = 6.5, in float32 at 6.4999995.
        ([(0, 0), (13, 11), (0, 11)], 5, range(0, 7), range(0, 8)),
        # Read backwards, 13 - 5.5 * 13 / 11, it is 6.5000005.
        ([(0, 11), (13, 11), (0, 0)], 5, range(0, 8), range(0, 8)),
        # As the left edge of a polygon: from ceil(6.4999995 - 0.5) = 6 on, or from ceil(6.5000005 - 0.5) = 7 on.
        ([(0, 0), (13, 11), (13, 0)], 5, range(6, 14), range(6, 14)),
        ([(13, 0), (13, 11), (0, 0)], 5, range(7, 14), range(6, 14)),
        # 14 - 5.5 * 13 / 11 = 7.5, in float32 7.5000005.
        ([(14, 11), (1, 0), (14, 0)], 5, range(8, 15), range(7, 15)),
    ],
)
def test_an_exact_half_is_rounded_as_in_the_published_maps(
    polygon: list, row: int, painted: range, exact: range
) -> None:
    assert np.flatnonzero(covered(polygon, SHAPE)[row]).tolist() == list(exact)
    assert np.flatnonzero(paint(polygon)[row]).tolist() == list(painted)


@given(st.lists(corners, max_size=4))
def test_later_polygons_lie_over_earlier_ones(polygons: list) -> None:
    expected = np.zeros(SHAPE, np.uint16)
    for number, polygon in enumerate(polygons, start=1):
        expected[covered_in_float32(polygon, SHAPE)] = number
    np.testing.assert_array_equal(paint(*polygons), expected)


@given(corners, st.integers(0, 8))
def test_the_first_corner_does_not_matter(polygon: list, shift: int) -> None:
    np.testing.assert_array_equal(paint(polygon[shift:] + polygon[:shift]), paint(polygon))


@given(corners)
def test_the_direction_matters_in_rounding_alone(polygon: list) -> None:
    assert_close(paint(polygon[::-1]) == 1, polygon)


@given(st.lists(whole_points, min_size=3, max_size=9))
def test_upside_down_whole_corners_paint_upside_down(polygon: list) -> None:
    mirrored = [(x, SHAPE[0] - y) for x, y in polygon]
    assert_close(paint(mirrored)[::-1] == 1, polygon)


@pytest.mark.parametrize(
    ("polygon", "rows", "columns"),
    [
        # Rows 1 to 3 have their middles in [1, 4). Columns ceil(2 - 0.5) = 2 to floor(5 + 0.5) = 5.
        ([(2, 1), (5, 1), (5, 4), (2, 4)], slice(1, 4), slice(2, 6)),
        # Crossings at x = 2.5 and 5.5: ceil(2.0) = 2 to floor(6.0) = 6, a half on each side counts.
        ([(2.5, 1), (5.5, 1), (5.5, 4), (2.5, 4)], slice(1, 4), slice(2, 7)),
        # A vertical line crosses every row twice at x = 3: ceil(2.5) = 3 to floor(3.5) = 3.
        ([(3, 0), (3, 2), (3, 1)], slice(0, 2), slice(3, 4)),
        # A middle on the upper edge counts, one on the lower edge does not: 1.5 <= 1.5 and 2.5 < 2.5.
        ([(2, 1.5), (5, 1.5), (5, 2.5), (2, 2.5)], slice(1, 2), slice(2, 6)),
        # Beyond all four sides; the image is filled.
        ([(-9, -9), (99, -9), (99, 99), (-9, 99)], slice(0, 12), slice(0, 15)),
        # The last column is 14; a polygon from 14 on covers ceil(13.5) = 14.
        ([(14, 0), (30, 0), (30, 1), (14, 1)], slice(0, 1), slice(14, 15)),
        # Left of the image, up to x = -0.5: floor(0.0) = 0 is still covered.
        ([(-5, 0), (-0.5, 0), (-0.5, 1), (-5, 1)], slice(0, 1), slice(0, 1)),
    ],
)
def test_worked_examples(polygon: list, rows: slice, columns: slice) -> None:
    expected = np.zeros(SHAPE, np.uint16)
    expected[rows, columns] = 1
    np.testing.assert_array_equal(paint(polygon), expected)


@pytest.mark.parametrize(
    "polygon",
    [
        [(1, 3), (9, 3), (4, 3)],  # no row's middle lies between 3 and 3
        [(20, 2), (30, 2), (30, 8)],  # right of the image
        [(-9, 2), (-2, 2), (-2, 8)],  # left of it
        [(2, -9), (8, -9), (8, -1)],  # above
        [(2, 20), (8, 20), (8, 30)],  # below
    ],
)
def test_a_flat_or_distant_polygon_paints_nothing(polygon: list) -> None:
    assert not paint(polygon).any()
    assert len(find_spans([np.array(polygon, np.float64)], SHAPE)) == 0


def test_a_crossing_at_half_a_pixel_counts() -> None:
    # Row 5 is crossed at 0 and 5.5 * 15 / 11 = 7.5, exact in float32, too: up to floor(8.0) = 8.
    assert np.flatnonzero(paint([(0, 0), (15, 11), (0, 11)])[5]).tolist() == list(range(9))


def test_a_polygon_around_itself_has_a_hole() -> None:
    # Row 4 is crossed at 1, 4, 8, 13: columns 1 to 4 and 8 to 13 are filled.
    ring = [(1, 1), (13, 1), (13, 9), (1, 9), (1, 1), (4, 2), (8, 2), (8, 8), (4, 8), (4, 2)]
    assert np.flatnonzero(paint(ring)[4]).tolist() == [1, 2, 3, 4, 8, 9, 10, 11, 12, 13]


def test_no_polygons_leave_the_ground() -> None:
    assert paint().shape == SHAPE
    assert not paint().any()


def test_spans_come_polygon_by_polygon_and_stay_inside() -> None:
    square = np.array([(-4, 1), (40, 1), (40, 3), (-4, 3)], np.float64)
    # Rows 1 and 2 of 15 pixels, whole: 15 to 30 and 30 to 45.
    assert find_spans([square, square], SHAPE).tolist() == [
        [0, 15, 30],
        [0, 30, 45],
        [1, 15, 30],
        [1, 30, 45],
    ]
