"""Sheets of confused objects."""

import numpy as np
import pytest

from maskrcnn.pictures.confusions import MARGIN, SMALLEST_SIDE, Mistake, draw_confusions, find_window

SHAPE = (64, 128)


def make_mistake(box_px=(20, 30, 40, 45)) -> Mistake:
    truth = np.zeros(SHAPE, bool)
    y1, x1, y2, x2 = box_px
    truth[y1:y2, x1:x2] = True
    return Mistake(np.zeros((*SHAPE, 3), np.uint8), "munster_1", truth, truth, np.array(box_px), 0.75, 0.5)


def test_the_object_stands_in_the_middle_with_its_surroundings() -> None:
    # The longer side of 20 pixels and 35 % on both sides: 34 around the centre (30, 37.5).
    assert MARGIN == 0.35
    assert find_window(np.array([20, 30, 40, 45]), SHAPE) == (13, 20.5, 47, 54.5)


def test_a_small_object_is_shown_in_a_larger_place() -> None:
    top, left, bottom, right = find_window(np.array([30, 60, 32, 61]), SHAPE)
    assert bottom - top == right - left == SMALLEST_SIDE


@pytest.mark.parametrize("box", [(0, 0, 5, 5), (59, 120, 64, 128), (0, 0, 64, 128), (40, 0, 64, 30)])
def test_the_window_is_a_square_within_the_image(box) -> None:
    top, left, bottom, right = find_window(np.array(box), SHAPE)
    assert bottom - top == right - left <= 64
    assert top >= 0 and left >= 0 and bottom <= 64 and right <= 128


def test_a_panel_shows_the_window_with_both_outlines_and_names_the_image() -> None:
    axes = draw_confusions([make_mistake()], "rider taken for person").axes[0]
    assert (axes.get_xlim(), axes.get_ylim()) == ((20.5, 54.5), (47, 13))
    assert [patch.get_linestyle() for patch in axes.patches] == ["-", "--"]
    assert axes.get_title() == "munster_1\nscore 0.75, IoU 0.50"


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (2, 2), (3, 3), (4, 6), (7, 9)])
def test_sheets_have_rows_of_three(count, panels) -> None:
    figure = draw_confusions([make_mistake()] * count, "rider taken for person")
    assert "rider taken for person" in figure.get_suptitle()
    assert len(figure.axes) == panels
    assert sum(axes.axison and bool(axes.images) for axes in figure.axes) == count
    assert sum(axes.axison for axes in figure.axes) == count
