"""Persons, two-wheelers and their riders, seen from the side and heading to the right.

A cyclist is two figures, a bicycle and a rider, each an instance of its own.
"""

from dataclasses import dataclass

import numpy as np

from maskrcnn.street.figures import Colour, Figure, Part, Point, bar, box, ellipse, patch, rounded
from maskrcnn.street.vehicles import IRON, LAMP, METAL, TYRE, wheels
from maskrcnn.street.worlds import World, shade

LEATHER = (34.0, 30.0, 30.0)


@dataclass(frozen=True)
class Seat:
    """Where a rider touches the two-wheeler, in metres, and how often a rider wears a helmet."""

    hip: Point
    hand: Point
    foot: Point
    helmet_share: float


BICYCLE_SEAT = Seat(hip=(-0.2, 0.98), hand=(0.4, 1.08), foot=(0.02, 0.16), helmet_share=0.5)
MOTORCYCLE_SEAT = Seat(hip=(-0.3, 0.95), hand=(0.42, 1.08), foot=(0.05, 0.3), helmet_share=1.0)


def person(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a standing or walking person."""
    height = rng.uniform(1.6, 1.9) * rng.uniform(*world.height)
    top, trousers, skin = _outfit(rng, world)
    stride, swing, girth = rng.uniform(0.06, 0.32), rng.uniform(0.19, 0.44), rng.uniform(0.2, 0.26)
    hip, shoulder = 0.5 * height, 0.82 * height
    hem = height * (0.28 if rng.random() < world.coat_share else 0.46)
    torso = [(-0.9 * girth, hem), (-girth, shoulder), (girth, shoulder), (0.9 * girth, hem)]
    arms = [bar((side * 0.05, shoulder - 0.05), (side * swing, hip - 0.08), 0.14, 0.1) for side in (-1, 1)]
    parts = [
        patch(shade(top, 0.75), arms[0]),
        *(patch(trousers, bar((side * 0.08, hip + 0.05), (side * stride, 0.06), 0.2, 0.13)) for side in (-1, 1)),
        *(patch(LEATHER, box(side * stride - 0.09, 0.0, side * stride + 0.17, 0.1)) for side in (-1, 1)),
        patch(top, rounded(torso, 0.12)),
        patch(shade(top, 0.85), arms[1]),
        patch(skin, box(-0.06, shoulder - 0.03, 0.06, 0.92 * height)),
        *_head(rng, world, (0.0, 0.92 * height), skin, world.hat_share),
    ]
    return (Figure("person", tuple(parts)),)


def bicycle(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws two open wheels and a thin frame."""
    paint, radius = world.pick(rng, world.paint), 0.34 * world.wheel
    rear, front, crank, saddle, head = (
        (-0.52, radius),
        (0.54, radius),
        (-0.04, 0.3),
        (-0.2, 0.86),
        (0.38, 0.92),
    )
    tubes = [(rear, crank), (crank, saddle), (rear, saddle), (crank, head), (saddle, head), (head, front)]
    parts = [
        *(patch(TYRE, ellipse(x, radius, radius), ellipse(x, radius, radius - 0.075)) for x, _ in (rear, front)),
        *(patch(paint, bar(start, end, 0.075)) for start, end in tubes),
        patch(LEATHER, bar((-0.36, 0.93), (-0.08, 0.95), 0.1)),
        patch(IRON, bar((0.37, 0.9), (0.4, 1.06), 0.06)),
        patch(LEATHER, bar((0.28, 1.08), (0.5, 1.04), 0.07)),
    ]
    return (Figure("bicycle", tuple(parts)),)


def motorcycle(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws two thick wheels, an engine, a tank and a long seat."""
    paint, radius = world.pick(rng, world.paint), 0.33 * world.wheel
    parts = [
        *wheels((-0.7, 0.74), radius),
        patch(METAL, bar((0.74, radius), (0.46, 1.0), 0.1)),
        patch(IRON, [(-0.35, 0.22), (-0.4, 0.62), (0.4, 0.66), (0.34, 0.22)]),
        patch(METAL, bar((-0.1, 0.28), (-1.0, 0.36), 0.13)),
        patch(paint, rounded([(-0.1, 0.6), (-0.02, 0.92), (0.34, 1.0), (0.54, 0.78), (0.4, 0.52)], 0.12)),
        patch(paint, [(-1.04, 0.72), (-1.0, 0.84), (-0.4, 0.78), (-0.5, 0.55)]),
        patch(LEATHER, rounded([(-0.98, 0.82), (-0.94, 0.96), (-0.4, 0.86), (0.04, 0.9), (0.0, 0.74)], 0.08)),
        patch(LEATHER, bar((0.28, 1.1), (0.52, 1.02), 0.08)),
        patch(LAMP, ellipse(0.6, 0.9, 0.1)),
    ]
    return (Figure("motorcycle", tuple(parts)),)


def cyclist(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a rider on a bicycle."""
    return *bicycle(rng, world), _rider(rng, world, BICYCLE_SEAT)


def motorcyclist(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a rider on a motorcycle."""
    return *motorcycle(rng, world), _rider(rng, world, MOTORCYCLE_SEAT)


def _rider(rng: np.random.Generator, world: World, seat: Seat) -> Figure:
    """Draws a body that leans forward from a seat, a hand on the bar and a foot on the pedal."""
    top, trousers, skin = _outfit(rng, world)
    hip, hand, foot = seat.hip, seat.hand, seat.foot
    shoulder = (hip[0] + rng.uniform(0.12, 0.34), hip[1] + rng.uniform(0.55, 0.63))
    knee = (hip[0] + 0.4, (hip[1] + foot[1]) / 2 + 0.14)
    elbow = ((shoulder[0] + hand[0]) / 2, (shoulder[1] + hand[1]) / 2 - 0.08)
    face = (shoulder[0] + 0.07, shoulder[1] + 0.22)
    torso = bar((hip[0], hip[1] - 0.1), (shoulder[0], shoulder[1] + 0.08), 0.36, 0.42)
    parts = [
        patch(trousers, bar(hip, knee, 0.24, 0.18)),
        patch(trousers, bar(knee, foot, 0.18, 0.12)),
        patch(LEATHER, box(foot[0] - 0.08, foot[1] - 0.07, foot[0] + 0.2, foot[1] + 0.05)),
        patch(top, rounded(torso, 0.1)),
        patch(shade(top, 0.8), bar(shoulder, elbow, 0.15, 0.12)),
        patch(shade(top, 0.8), bar(elbow, hand, 0.12, 0.1)),
        patch(skin, bar(shoulder, face, 0.12)),
        *_head(rng, world, face, skin, seat.helmet_share),
    ]
    return Figure("rider", tuple(parts))


def _outfit(rng: np.random.Generator, world: World) -> tuple[Colour, Colour, Colour]:
    """Picks the colours of the upper clothes, the trousers and the skin."""
    return world.pick(rng, world.clothes), world.pick(rng, world.clothes), world.pick(rng, world.skin)


def _head(rng: np.random.Generator, world: World, centre: Point, skin: Colour, hat_share: float) -> list[Part]:
    """Draws a face below hair or, in a share of the cases, below a coloured hat or helmet."""
    cover = world.pick(rng, world.clothes if rng.random() < hat_share else world.hair)
    angles = np.linspace(-0.15 * np.pi, 1.15 * np.pi, 12)
    cap = np.stack([np.cos(angles) * 0.135, np.sin(angles) * 0.15 + 0.01], axis=1) + centre
    return [patch(skin, ellipse(*centre, 0.115, 0.14)), patch(cover, cap)]
