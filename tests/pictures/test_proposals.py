import numpy as np
from matplotlib.colors import to_rgb

from maskrcnn.pictures.proposals import RANKS, draw_proposals

IMAGE = np.full((8, 16, 3), 51, np.uint8)


def test_the_best_region_is_brightest_and_on_top():
    axes = draw_proposals(IMAGE, np.array([[0.0, 1, 4, 5], [2, 6, 8, 16], [1, 1, 3, 3]]), "street").axes[0]
    assert [patch.get_bbox().bounds for patch in axes.patches] == [(1, 1, 2, 2), (6, 2, 10, 6), (1, 0, 4, 4)]
    colors = np.array([to_rgb(patch.get_edgecolor()) for patch in axes.patches])
    np.testing.assert_allclose(colors, [RANKS(rank)[:3] for rank in (1.0, 0.5, 0.0)])
    assert (np.diff(colors.mean(axis=1)) > 0).all()
    assert axes.get_title() == "street"


def test_no_regions():
    assert not draw_proposals(IMAGE, np.zeros((0, 4)), "").axes[0].patches
