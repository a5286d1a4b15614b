"""Light: shadows, light from above, exposure."""

import numpy as np

from maskrcnn.street.canvas import Silhouette, blank_canvas, develop
from maskrcnn.street.light import BOTTOM_LIGHT, TOP_LIGHT, cast_shadow, expose, light_from_above
from maskrcnn.street.placement import Placement

SHAPE = (128, 256)


def grey_canvas():
    return blank_canvas(SHAPE) + np.uint8(100)


def test_a_shadow_darkens_the_ground_around_its_stretch() -> None:
    canvas = grey_canvas()
    cast_shadow(canvas, (-2.0, 2.0), Placement(128.0, 100.0, 20.0, 20.0))
    image = develop(canvas)[..., 0]
    assert image[100, 128] < 60  # 100 * (1 - 0.55) in the middle
    assert (np.diff(image[100, 128:180].astype(int)) >= 0).all()
    assert (image[:90] == 100).all()
    assert (image[:, :80] == 100).all()


def test_a_shadow_beyond_the_border_darkens_nothing() -> None:
    canvas = grey_canvas()
    cast_shadow(canvas, (-1.0, 1.0), Placement(128.0, 400.0, 20.0, 20.0))
    assert (canvas == 100).all()


def test_light_falls_from_above_on_the_silhouette_alone() -> None:
    canvas, mask = grey_canvas(), np.zeros((40, 30), bool)
    mask[:, 10:20] = True
    light_from_above(canvas, Silhouette(mask, (slice(20, 60), slice(50, 80))))
    np.testing.assert_allclose(canvas[20, 60:70], 100 * TOP_LIGHT, atol=1)
    np.testing.assert_allclose(canvas[59, 60:70], 100 * BOTTOM_LIGHT, atol=1)
    assert (canvas[20:60, 50:60] == 100).all()


def test_exposure_keeps_the_picture() -> None:
    image = np.repeat(np.linspace(40, 200, 256, dtype=np.uint8)[None, :, None], 128, axis=0).repeat(3, axis=2)
    exposed = expose(np.random.default_rng(0), image)
    assert exposed.shape == image.shape
    assert np.corrcoef(exposed[..., 0].ravel(), image[..., 0].ravel())[0, 1] > 0.95
    assert np.diff(exposed[..., 0].astype(int), axis=0).std() > 1  # noise: rows are alike before
