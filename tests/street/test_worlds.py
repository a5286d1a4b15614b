"""Worlds: names, palettes and shades."""

import numpy as np
import pytest

from maskrcnn.street.worlds import WORLDS, shade, world_named


def test_worlds_are_found_by_name() -> None:
    assert world_named("city") is WORLDS["city"]
    assert world_named("city") != world_named("countryside")


def test_refuses_an_unknown_world() -> None:
    with pytest.raises(ValueError, match=r"`world` must be one of city, countryside; got 'City'\."):
        world_named("City")


@pytest.mark.parametrize("name", WORLDS)
def test_picked_colours_scatter_around_the_palette(name) -> None:
    world, rng = WORLDS[name], np.random.default_rng(0)
    colours = np.array([world.pick(rng, ((100, 120, 140),)) for _ in range(400)])
    np.testing.assert_allclose(colours.mean(axis=0), (100, 120, 140), atol=4)
    # brightness and hue: sqrt(jitter^2 + (jitter / 2)^2) = 1.118 jitter
    np.testing.assert_allclose(colours.std(axis=0), 1.118 * world.jitter, rtol=0.15)


def test_picked_colours_are_bytes() -> None:
    colours = np.array([WORLDS["countryside"].pick(np.random.default_rng(0), ((0, 128, 255),)) for _ in range(50)])
    assert colours.min() >= 0
    assert colours.max() <= 255


def test_shade_darkens_and_stops_at_white() -> None:
    assert shade((100.0, 50.0, 200.0), 0.5) == (50.0, 25.0, 100.0)
    assert shade((100.0, 50.0, 200.0), 2.0) == (200.0, 100.0, 255.0)
