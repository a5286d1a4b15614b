"""What the panels of all pictures share, and the size that labels can be read at."""

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from maskrcnn.pictures.overlay import SMALLEST_WIDTH
from maskrcnn.pictures.panels import (
    DOTS_PER_INCH,
    add_outline,
    dim,
    new_panels,
    show_image,
    spread_indices,
    write_figure,
)


def test_indices_are_spread_from_the_first_to_the_last() -> None:
    assert spread_indices(3, 11) == [0, 5, 10]
    assert spread_indices(8, 3) == [0, 1, 2]
    assert spread_indices(1, 5) == [0]


def test_dim_is_grey_and_darker() -> None:
    image = np.full((2, 2, 3), (0, 51, 102), np.uint8)
    np.testing.assert_array_equal(dim(image), 30)  # 0.6 * 51


def test_an_outline_runs_through_the_outermost_pixels() -> None:
    _, (axes,) = new_panels((8, 16), [""])
    mask = np.zeros((8, 16), bool)
    mask[2:5, 3:9] = True
    mask[7, 15] = True  # a second part
    add_outline(axes, mask, "red", "--")
    lone, part = sorted((patch.get_xy() for patch in axes.patches), key=len)
    np.testing.assert_array_equal(lone[0], [15.5, 7.5])
    np.testing.assert_array_equal([part.min(axis=0), part.max(axis=0)], [[3.5, 2.5], [8.5, 4.5]])
    assert axes.patches[0].get_edgecolor()[:3] == to_rgb("red")


@pytest.mark.parametrize(("width", "scale"), [(256, 4), (512, 2), (2048, 1), (1000, 1)])
def test_small_images_are_enlarged_and_large_ones_keep_their_pixels(width: int, scale: int) -> None:
    figure, (axes,) = new_panels((width // 2, width), ["street"])
    figure.canvas.draw()
    extent = axes.get_window_extent()
    assert extent.width == pytest.approx(scale * width) and extent.height == pytest.approx(scale * width / 2)
    assert scale * width >= 0.9 * SMALLEST_WIDTH


def test_panels_stand_side_by_side_above_their_legend() -> None:
    figure, (left, right) = new_panels((64, 128), ["base", "flip"], {"hit": "blue", "missed": "yellow"})
    assert [left.get_title(), right.get_title()] == ["base", "flip"]
    assert left.get_position().x1 == pytest.approx(right.get_position().x0) == pytest.approx(0.5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["hit", "missed"]
    assert left.get_position().y0 > 0 == new_panels((64, 128), ["base"])[1][0].get_position().y0


def test_equal_figures_give_equal_bytes(tmp_path) -> None:
    def draw() -> Figure:
        figure, (axes,) = new_panels((64, 128), ["street"])
        show_image(axes, np.zeros((64, 128, 3)))
        return figure

    for name in ("one", "two"):
        write_figure(tmp_path / "plots" / name, draw())
    assert (tmp_path / "plots/one").read_bytes() == (tmp_path / "plots/two").read_bytes()
    height, width = cv2.imread(str(tmp_path / "plots/one")).shape[:2]
    assert width == 1024 and height == pytest.approx(512 + 0.36 * DOTS_PER_INCH, abs=1)
