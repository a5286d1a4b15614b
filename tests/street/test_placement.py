"""Placements: from metres to pixels of the image."""

import numpy as np

from maskrcnn.street.figures import Figure, box, patch
from maskrcnn.street.placement import FLAT, Camera, Placement

POST = Figure("pole", (patch((0.0, 0.0, 0.0), box(-0.5, 0.0, 0.5, 2.0)),))


def test_up_in_metres_is_up_in_the_image() -> None:
    # origin at (100, 50), 10 pixels a metre: 2 m to the right and 3 m up is 20 right and 30 rows higher
    np.testing.assert_allclose(Placement(100.0, 50.0, 10.0, 10.0).to_image(np.array([[2.0, 3.0]])), [[120.0, 20.0]])


def test_a_negative_scale_mirrors() -> None:
    np.testing.assert_allclose(Placement(100.0, 50.0, -10.0, 10.0).to_image(np.array([[2.0, 0.0]])), [[80.0, 50.0]])


def test_flat_keeps_pixels() -> None:
    points = np.array([[3.0, 4.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(FLAT.to_image(points), points)


def test_the_nearer_the_lower_and_the_larger() -> None:
    # 512 rows: a unit is 2 pixels; scale 10 is 20 pixels a metre; 2.5 m below the horizon is row 200 + 50
    camera = Camera((512, 1024), 200.0, 2.5)
    sprite = camera.stand((POST,), 0.25, 10.0, -0.8, (-0.5, 0.5))
    assert sprite.placement == Placement(256.0, 250.0, -16.0, 20.0)
    assert camera.ground(20.0) == 300.0


def test_the_farther_the_hazier() -> None:
    camera = Camera((256, 512), 100.0, 2.0)
    hazes = [camera.stand((POST,), 0.5, scale, 1.0, (0.0, 0.0)).haze for scale in (2.0, 4.0, 8.0, 80.0)]
    assert hazes == [0.4, 0.4, 0.2, 0.02]  # 1.6 / scale, at most 0.4
