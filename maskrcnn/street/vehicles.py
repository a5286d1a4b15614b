"""Cars, buses, trucks, trams, caravans and trailers, seen from the side, the front or the rear.

Vehicles head to the right. Every function returns figures in painter's order, each with its own label.
"""

import numpy as np

from maskrcnn.street.figures import Colour, Figure, Part, bar, box, ellipse, patch, rounded
from maskrcnn.street.worlds import World, shade

TYRE = (30.0, 30.0, 32.0)
IRON = (62.0, 62.0, 65.0)
METAL = (126.0, 128.0, 130.0)
LAMP = (250.0, 244.0, 206.0)
TAIL_LAMP = (196.0, 28.0, 30.0)
PLATE = (238.0, 238.0, 226.0)
DISPLAY = (250.0, 190.0, 60.0)
GRAVEL = (112.0, 104.0, 96.0)
EARTH = (126.0, 104.0, 78.0)


def car(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a car from the side, the front or the rear."""
    return _car_aside(rng, world) if rng.random() < 0.6 else _car_on_end(rng, world)


def bus(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a long box with a dark band of windows, or its front with one wide screen."""
    return _bus_aside(rng, world) if rng.random() < 0.75 else _bus_on_end(rng, world)


def truck(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a cab before a cargo box, a tank or an open bed."""
    half = rng.uniform(3.2, 3.9) * rng.uniform(*world.length)
    height = rng.uniform(2.9, 3.4) * rng.uniform(*world.height)
    paint, glass = world.pick(rng, world.paint), world.pick(rng, world.glass)
    back, roof = half - 1.9, 0.84 * height
    cab = [(back, 0.5), (back, roof), (half - 0.45, roof), (half, 1.45), (half, 0.5)]
    window = [(back + 0.45, 1.5), (back + 0.45, roof - 0.25), (half - 0.52, roof - 0.25), (half - 0.14, 1.5)]
    parts = [
        patch(IRON, box(0.1 - half, 0.5, back + 0.4, 0.85)),
        *_cargo(rng, world, -half, back - 0.2, height),
        patch(paint, rounded(cab, 0.2 * world.rounding)),
        patch(glass, window),
        patch(shade(paint, 0.6), box(back, 0.5, half, 0.75)),
        patch(LAMP, box(half - 0.22, 0.85, half, 1.1)),
        *wheels((0.8 - half, 1.85 - half, half - 0.95), 0.5 * world.wheel),
    ]
    return (Figure("truck", tuple(parts)),)


def train(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a tram on its rails: coaches with skirts and sloping noses, a pantograph above."""
    coaches = int(rng.integers(2, 4))
    half = coaches * rng.uniform(2.5, 3.0) * rng.uniform(*world.length)
    height = rng.uniform(3.1, 3.4) * rng.uniform(*world.height)
    paint, glass = world.pick(rng, world.coach), world.pick(rng, world.glass)
    hull = [(-half, 0.3), (-half, 1.2), (0.7 - half, height), (half - 0.7, height), (half, 1.2), (half, 0.3)]
    screen = np.array([(half - 0.12, 1.5), (half - 0.52, 2.6), (half - 1.1, 2.6), (half - 1.1, 1.5)])
    parts = [
        *_pantograph(0.3 * half, height),
        patch(METAL, box(1.5 - half, height - 0.05, half - 1.5, height + 0.22)),
        patch(IRON, box(0.5 - half, 0.0, half - 0.5, 0.35)),
        patch(paint, rounded(hull, 0.35 * world.rounding)),
        patch(world.pick(rng, world.caravan), box(0.3 - half, 1.25, half - 0.3, 2.62)),
        *_panes(glass, 1.3 - half, half - 1.3, 1.5, 2.5, coaches * 4, 0.28),
        *(patch(glass, screen * (side, 1)) for side in (-1, 1)),
        *_posts(TYRE, -half, half, 0.35, height, coaches - 1, 0.32),
        patch(LAMP, box(half - 0.35, 0.75, half - 0.03, 0.98)),
    ]
    bed = (
        patch(GRAVEL, box(-60.0, -0.5, 60.0, 0.2)),
        *(patch(IRON, box(-60.0, y, 60.0, y + 0.08)) for y in (-0.35, 0.0)),
    )
    return Figure("rail track", bed), Figure("train", tuple(parts))


def caravan(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a rounded pale box with small windows, a wheel under its centre and a drawbar."""
    half = rng.uniform(1.8, 2.3) * rng.uniform(*world.length)
    height = rng.uniform(2.25, 2.5) * rng.uniform(*world.height)
    paint, glass = world.pick(rng, world.caravan), world.pick(rng, world.glass)
    hull = [(-half, 0.45), (-half, height), (half - 0.35, height), (half, 1.15), (half - 0.1, 0.45)]
    door = half * rng.uniform(-0.35, -0.05)
    parts = [
        patch(IRON, bar((half - 0.3, 0.5), (half + 0.7, 0.42), 0.16)),
        patch(IRON, box(half + 0.45, 0.0, half + 0.55, 0.5)),
        patch(paint, rounded(hull, 0.5 + 0.3 * world.rounding)),
        patch(world.pick(rng, world.coach), box(0.02 - half, 0.72, half - 0.06, 0.92)),
        patch(shade(paint, 0.86), box(door - 0.32, 0.5, door + 0.32, height - 0.25)),
        patch(glass, box(0.4 - half, 1.3, door - 0.5, height - 0.42)),
        patch(glass, box(door + 0.6, 1.3, half - 0.65, height - 0.42)),
        *wheels((0.1,), 0.34 * world.wheel),
    ]
    return (Figure("caravan", tuple(parts)),)


def trailer(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a low open box on one or two axles with a long drawbar and no cab."""
    half = rng.uniform(1.3, 1.8) * rng.uniform(*world.length)
    height = rng.uniform(1.0, 1.35) * rng.uniform(*world.height)
    paint = world.pick(rng, world.coach)
    parts = [
        patch(IRON, bar((half - 0.2, 0.5), (half + 0.8, 0.45), 0.14)),
        patch(IRON, box(half + 0.55, 0.0, half + 0.65, 0.6)),
        patch(paint, box(-half, 0.42, half, height)),
        *_posts(shade(paint, 0.7), -half, half, 0.42, height, 5, 0.08),
        patch(shade(paint, 0.6), box(-half, 0.42, half, 0.5)),
        patch(shade(paint, 1.25), box(-half, height - 0.1, half, height)),
        patch(TAIL_LAMP, box(-half, 0.5, 0.12 - half, 0.68)),
        *wheels((0.0,) if half < 1.5 else (-0.38, 0.38), 0.34 * world.wheel),
    ]
    return (Figure("trailer", tuple(parts)),)


def wheels(places: tuple[float, ...], radius: float) -> list[Part]:
    """Draws discs that stand on the ground; `places` are the x of their centres."""
    layers = ((TYRE, 1.0), (METAL, 0.55))
    return [patch(colour, ellipse(x, radius, share * radius)) for x in places for colour, share in layers]


def _car_aside(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws the side of a car; profile and windows come from the world."""
    length = rng.uniform(3.9, 4.6) * rng.uniform(*world.length)
    size = (length, rng.uniform(1.42, 1.62) * rng.uniform(*world.height))
    body = world.cars[rng.integers(len(world.cars))]
    paint, glass = world.pick(rng, world.paint), world.pick(rng, world.glass)
    rear_foot, rear_top, front_top, front_foot = body.window
    post = (rear_top + front_top) / 2
    panes = (
        [(rear_foot, 0.68), (rear_top, 0.93), (post - 0.015, 0.93), (post - 0.015, 0.68)],
        [(post + 0.015, 0.68), (post + 0.015, 0.93), (front_top, 0.93), (front_foot, 0.68)],
    )
    parts = [
        patch(paint, rounded(np.multiply(body.profile, size), 0.25 * world.rounding)),
        patch(shade(paint, 0.6), box(-0.48, 0.17, 0.48, 0.27) * size),
        *(patch(glass, np.multiply(pane, size)) for pane in panes),
        patch(shade(paint, 0.75), box(post - 0.004, 0.27, post + 0.004, 0.68) * size),
        patch(LAMP, box(0.44, 0.46, 0.495, 0.56) * size),
        patch(TAIL_LAMP, box(-0.497, 0.46, -0.46, 0.58) * size),
        *wheels((-0.31 * length, 0.31 * length), 0.33 * world.wheel),
    ]
    return (Figure("car", tuple(parts)),)


def _car_on_end(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws the front or the rear of a car, with its licence plate."""
    size = (rng.uniform(1.75, 1.95), rng.uniform(1.42, 1.62) * rng.uniform(*world.height))
    paint, glass = world.pick(rng, world.paint), world.pick(rng, world.glass)
    lamp = LAMP if rng.random() < 0.4 else TAIL_LAMP
    right = [(0.36, 1.0), (0.45, 0.66), (0.5, 0.56), (0.5, 0.16)]
    hull = [(-x, y) for x, y in reversed(right)] + right
    screen = [(-0.39, 0.66), (-0.32, 0.93), (0.32, 0.93), (0.39, 0.66)]
    parts = [
        *(patch(TYRE, box(x - 0.07, 0.0, x + 0.07, 0.3) * size) for x in (-0.4, 0.4)),
        patch(paint, rounded(np.multiply(hull, size), 0.18 * world.rounding)),
        patch(glass, np.multiply(screen, size)),
        patch(shade(paint, 0.55), box(-0.48, 0.17, 0.48, 0.3) * size),
        *(patch(lamp, box(x - 0.07, 0.45, x + 0.07, 0.57) * size) for x in (-0.4, 0.4)),
    ]
    plate = patch(PLATE, box(-0.15, 0.34, 0.15, 0.43) * size)
    return Figure("car", tuple(parts)), Figure("license plate", (plate,))


def _bus_aside(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws the side of a bus."""
    half = rng.uniform(3.9, 4.9) * rng.uniform(*world.length)
    height = rng.uniform(2.85, 3.15) * rng.uniform(*world.height)
    paint, glass = world.pick(rng, world.coach), world.pick(rng, world.glass)
    parts = [
        patch(paint, rounded(box(-half, 0.35, half, height), 0.3 * world.rounding)),
        patch(shade(paint, 0.65), box(0.05 - half, 0.35, half - 0.05, 0.6)),
        patch(shade(glass, 0.8), box(0.3 - half, 1.35, half - 0.02, height - 0.45)),
        *_panes(shade(glass, 1.3), 0.45 - half, half - 1.6, 1.45, height - 0.55, 5, 0.12),
        *(patch(glass, box(x, 0.5, x + 0.85, height - 0.45)) for x in (half - 1.25, -0.5)),
        patch(LAMP, box(half - 0.15, 0.75, half, 0.98)),
        patch(DISPLAY, box(half - 1.5, height - 0.36, half - 0.35, height - 0.14)),
        *wheels((-0.55 * half, 0.55 * half), 0.47 * world.wheel),
    ]
    return (Figure("bus", tuple(parts)),)


def _bus_on_end(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws the front of a bus, with its licence plate."""
    half, height = rng.uniform(1.2, 1.35), rng.uniform(2.85, 3.15) * rng.uniform(*world.height)
    paint, glass = world.pick(rng, world.coach), world.pick(rng, world.glass)
    parts = [
        *(patch(TYRE, box(x - 0.17, 0.0, x + 0.17, 0.6)) for x in (1 - half, half - 1)),
        patch(paint, rounded(box(-half, 0.3, half, height), 0.25 * world.rounding)),
        patch(glass, rounded(box(0.1 - half, 1.15, half - 0.1, height - 0.5), 0.12)),
        patch(IRON, box(0.25 - half, height - 0.42, half - 0.25, height - 0.12)),
        patch(DISPLAY, box(0.45 - half, height - 0.36, half - 0.45, height - 0.18)),
        patch(shade(paint, 0.6), box(0.04 - half, 0.32, half - 0.04, 0.5)),
        *(patch(LAMP, box(x - 0.16, 0.62, x + 0.16, 0.82)) for x in (0.3 - half, half - 0.3)),
        *(patch(TYRE, box(x - 0.1, 1.6, x + 0.1, 2.1)) for x in (-half - 0.08, half + 0.08)),
    ]
    return Figure("bus", tuple(parts)), Figure("license plate", (patch(PLATE, box(-0.26, 0.52, 0.26, 0.64)),))


def _cargo(rng: np.random.Generator, world: World, rear: float, front: float, height: float) -> list[Part]:
    """Draws the load of a truck: a box most of the time, else a tank or an open bed."""
    paint, kind = world.pick(rng, world.coach), rng.random()
    if kind < 0.65:
        ribs = _posts(shade(paint, 0.88), rear, front, 0.9, height, 4, 0.06)
        sill = patch(shade(paint, 0.7), box(rear, 0.8, front, 0.95))
        return [patch(paint, box(rear, 0.8, front, height)), *ribs, sill]
    if kind < 0.82:
        gleam = box(rear + 0.5, 0.68 * height, front - 0.5, 0.76 * height)
        tank = rounded(box(rear, 0.85, front, 0.86 * height), 0.7)
        return [patch(paint, tank), patch(shade(paint, 1.3), gleam)]
    load = [(rear + 0.3, 1.5), (rear + 1.4, 0.72 * height), (front - 1.0, 0.66 * height), (front - 0.2, 1.5)]
    return [patch(EARTH, load), patch(paint, box(rear, 0.8, front, 1.6))]


def _panes(glass: Colour, left: float, right: float, bottom: float, top: float, count: int, gap: float) -> list[Part]:
    """Draws a row of equal windows from the left to the right."""
    pitch = (right - left + gap) / count
    starts = left + pitch * np.arange(count)
    return [patch(glass, box(start, bottom, start + pitch - gap, top)) for start in starts]


def _posts(
    colour: Colour, left: float, right: float, bottom: float, top: float, count: int, width: float
) -> list[Part]:
    """Draws upright strips at equal distances between the left and the right."""
    middles = np.linspace(left, right, count + 2)[1:-1]
    return [patch(colour, box(x - width / 2, bottom, x + width / 2, top)) for x in middles]


def _pantograph(x: float, roof: float) -> list[Part]:
    """Draws the folded arm on the roof of a tram."""
    hinge, knee, shoe = (x + 0.3, roof), (x - 0.6, roof + 0.45), (x + 0.2, roof + 0.7)
    head = bar((x - 0.4, roof + 0.7), (x + 0.8, roof + 0.7), 0.1)
    return [patch(IRON, limb) for limb in (bar(hinge, knee, 0.12), bar(knee, shoe, 0.1), head)]
