"""Anchors of one image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.network.ops.boxes import make_anchors


def test_anchors_run_row_by_row_and_list_the_ratios_of_each_cell():
    # 8 x 12 in strides of 4: 2 x 3 cells. Ratio 1: 4 x 4 pixels; ratio 4: 4/2 high, 4*2 wide.
    anchors = make_anchors((8, 12), scales=[4], ratios=[1, 4], strides=[4])
    assert anchors.shape == (2 * 3 * 2, 4)
    assert anchors.dtype == np.float32
    np.testing.assert_array_equal(anchors[0], [-2, -2, 2, 2])  # around the corner of cell (0, 0)
    np.testing.assert_array_equal(anchors[1], [-1, -4, 1, 4])
    np.testing.assert_array_equal(anchors[2], [-2, 2, 2, 6])  # cell (0, 1): 4 to the right
    np.testing.assert_array_equal(anchors[6], [2, -2, 6, 2])  # cell (1, 0): 4 down


@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    scales=st.lists(st.floats(1, 600), min_size=2, max_size=2),
    ratios=st.lists(st.floats(0.1, 10), min_size=1, max_size=3),
)
def test_every_level_has_its_scale_and_every_anchor_its_ratio(
    height: int, width: int, scales: list[float], ratios: list[float]
):
    strides = (8, 64)
    anchors = make_anchors((height, width), scales, ratios, strides).astype(np.float64)
    heights, widths = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
    cells = [int(np.ceil(height / stride) * np.ceil(width / stride)) for stride in strides]
    np.testing.assert_allclose(widths / heights, np.tile(ratios, sum(cells)), rtol=1e-3)
    np.testing.assert_allclose(np.sqrt(heights * widths), np.repeat(scales, np.multiply(cells, len(ratios))), rtol=1e-3)


def test_one_scale_a_level_is_asked_for():
    with pytest.raises(ValueError, match="`scales` must list one scale for every level; got 2 for 5 strides"):
        make_anchors((64, 64), scales=[32, 64])


@pytest.mark.parametrize(
    ("name", "value"), [("image_shape", (0, 64)), ("scales", (-4,)), ("ratios", (1, 0)), ("strides", (0,))]
)
def test_numbers_must_be_positive(name: str, value: tuple[int, ...]):
    arguments = {"image_shape": (64, 64), "scales": (32,), "ratios": (1,), "strides": (4,)} | {name: value}
    with pytest.raises(ValueError, match=f"`{name}` must hold positive numbers; got"):
        make_anchors(**arguments)
