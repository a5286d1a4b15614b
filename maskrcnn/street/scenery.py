"""Scenery, which has no instances: sky, ground, houses, trees, poles, crowds, the bonnet of the camera's car."""

import numpy as np

from maskrcnn.street.figures import Figure, Part, Point, Points, bar, box, ellipse, patch, rounded
from maskrcnn.street.people import person
from maskrcnn.street.placement import FLAT, Camera, Sprite
from maskrcnn.street.vehicles import car
from maskrcnn.street.worlds import Palette, World, shade

OVERHANG = 9.0  # pixels that surfaces extend beyond the image
HOUSE_SCALES = (4.0, 9.0)  # units per metre, in the middle of the street and at its sides
TREE_SCALES = (4.0, 13.0)
POLE_SCALES = (12.0, 34.0)
CROWD_SHARE = 0.12  # of the images, for either kind of crowd
TRUNK = (84.0, 66.0, 52.0)
SIGNS: Palette = ((190, 40, 40), (40, 80, 170), (236, 236, 236), (220, 180, 40))


def backdrop(rng: np.random.Generator, world: World, camera: Camera) -> list[Sprite]:
    """Draws everything behind the traffic, in painter's order."""
    hills = rng.integers(*world.hills, endpoint=True)
    far = [
        _sky(rng, world, camera),
        *(_hill(rng, world, camera) for _ in range(hills)),
        _verge(rng, world, camera),
    ]
    return [
        *(Sprite((figure,), FLAT) for figure in far),
        *_row_of_houses(rng, world, camera),
        Sprite((_road(rng, world, camera),), FLAT),
        *_trees(rng, world, camera),
        *_crowds(rng, world, camera),
    ]


def poles(rng: np.random.Generator, world: World, camera: Camera) -> list[Sprite]:
    """Draws poles among the traffic, some with a sign."""
    count = rng.integers(*world.poles, endpoint=True)
    return [
        camera.stand(_pole(rng, world), rng.random(), rng.uniform(*POLE_SCALES), 1.0, (-0.2, 0.2)) for _ in range(count)
    ]


def bonnet(rng: np.random.Generator, world: World, camera: Camera) -> Sprite:
    """Draws the bonnet of the car that carries the camera."""
    height, width = camera.image_shape
    rise, foot = rng.uniform(0.03, 0.07) * height, height + OVERHANG
    right = [(0.15, height - rise), (0.34, height - 0.6 * rise), (0.42, foot)]
    curve = [((0.5 + side * x) * width, y) for side, half in ((-1, right[::-1]), (1, right)) for x, y in half]
    paint = shade(world.pick(rng, world.paint), 0.7)
    return Sprite((Figure("ego vehicle", (patch(paint, rounded(curve, 0.05 * width)),)),), FLAT)


def _sky(rng: np.random.Generator, world: World, camera: Camera) -> Figure:
    """Draws strips that grow paler towards the horizon, and clouds."""
    width, colour = camera.image_shape[1], world.pick(rng, world.sky)
    edges = np.linspace(-OVERHANG, camera.horizon + 2, 13)
    strips = [
        patch(shade(colour, gain), box(-OVERHANG, top, width + OVERHANG, bottom))
        for gain, top, bottom in zip(np.linspace(0.9, 1.1, 12), edges[:-1], edges[1:], strict=True)
    ]
    clouds = [
        patch(shade(colour, rng.uniform(1.05, 1.2)), ellipse(x, y, *rng.uniform((20, 3), (70, 9)) * camera.unit))
        for x, y in rng.uniform((0, 0), (width, 0.8 * camera.horizon), (rng.integers(0, 6), 2))
    ]
    return Figure("sky", (*strips, *clouds))


def _hill(rng: np.random.Generator, world: World, camera: Camera) -> Figure:
    """Draws a wooded ridge above the horizon."""
    width = camera.image_shape[1]
    x = np.linspace(-OVERHANG, width + OVERHANG, 40)
    waves, phases, heights = (rng.uniform(low, high, (3, 1)) for low, high in ((2, 14), (0, 6), (1, 6)))
    ridge = rng.uniform(6, 24) + (heights * np.sin(waves * x / width + phases)).sum(axis=0)
    top = np.stack([x, camera.horizon - camera.unit * ridge], axis=1)
    foot = [(width + OVERHANG, camera.horizon + 4), (-OVERHANG, camera.horizon + 4)]
    red, green, blue = (0.7 * channel + 50 for channel in world.pick(rng, world.leaf))
    return Figure("vegetation", (patch((red, green, blue), np.concatenate([top, foot])),))


def _verge(rng: np.random.Generator, world: World, camera: Camera) -> Figure:
    """Draws the ground beside the road, from the horizon to the lower border."""
    height, width = camera.image_shape
    ground = box(-OVERHANG, camera.horizon, width + OVERHANG, height + OVERHANG)
    return Figure(world.verge_label, (patch(world.pick(rng, world.verge), ground),))


def _road(rng: np.random.Generator, world: World, camera: Camera) -> Figure:
    """Draws asphalt from the houses to the lower border, with lane marks that meet at the horizon."""
    height, width = camera.image_shape
    far, near = camera.ground(rng.uniform(8, 11)), height + OVERHANG
    middle, reach = rng.uniform(0.35, 0.65) * width, rng.uniform(0.4, 0.6) * width
    left, right = rng.uniform(-0.5, 0.05) * width, rng.uniform(0.95, 1.5) * width
    colour = world.pick(rng, world.road)
    marks = [
        patch(shade(colour, 1.6), mark)
        for foot in rng.uniform(-0.2, 1.2, rng.integers(1, 4)) * width
        for mark in _dashes((middle, camera.horizon), (foot, near), far, camera.unit)
    ]
    asphalt = [(left, near), (middle - reach, far), (middle + reach, far), (right, near)]
    return Figure("road", (patch(colour, asphalt), *marks))


def _dashes(vanishing: Point, foot: Point, far: float, unit: float) -> list[Points]:
    """Returns the dashes of a lane mark between `foot` and the vanishing point, none above the row `far`."""
    (x, y), (run, drop) = vanishing, np.subtract(foot, vanishing)
    return [
        bar((x + run * start, y + drop * start), (x + run * end, y + drop * end), 5 * start * unit)
        for start, end in np.arange(0.1, 1.0, 0.18)[:, None] + (0.0, 0.07)
        if y + drop * start > far
    ]


def _row_of_houses(rng: np.random.Generator, world: World, camera: Camera) -> list[Sprite]:
    """Draws houses side by side, larger towards the sides, far ones first."""
    count = int(rng.integers(*world.houses, endpoint=True))
    sprites = []
    for x in (np.arange(count) + rng.uniform(0.2, 0.8, count)) / max(count, 1):
        scale = np.interp(abs(2 * x - 1) ** 1.5, (0, 1), HOUSE_SCALES) + rng.random()
        breadth = 1.15 * camera.image_shape[1] / camera.unit / count / scale
        sprites.append(camera.stand((_house(rng, world, breadth),), x, scale, 1.0, (-breadth / 2, breadth / 2)))
    return sorted(sprites, key=lambda sprite: sprite.placement.y)


def _house(rng: np.random.Generator, world: World, breadth: float) -> Figure:
    """Draws a facade with rows of windows and a roof."""
    half, storeys, storey = min(breadth, 26.0) / 2, int(rng.integers(2, 6)), rng.uniform(2.6, 3.4)
    wall, glass, roof = (world.pick(rng, palette) for palette in (world.facade, world.glass, world.roof))
    top, ridge = storeys * storey, rng.uniform(0.3, 3.0)
    columns = max(1, int(2 * half / rng.uniform(2.4, 3.6)))
    windows = [
        patch(glass, box(x - 0.55, y + 0.9, x + 0.55, y + 2.3))
        for x in (np.arange(columns) + 0.5) * 2 * half / columns - half
        for y in np.arange(storeys) * storey
    ]
    slope = min(half, ridge)
    gable = [(-half - 0.3, top), (slope - half, top + ridge), (half - slope, top + ridge), (half + 0.3, top)]
    return Figure("building", (patch(wall, box(-half, 0.0, half, top)), patch(roof, gable), *windows))


def _trees(rng: np.random.Generator, world: World, camera: Camera) -> list[Sprite]:
    """Draws trees along the road, far ones first."""
    scales = np.sort(rng.uniform(*TREE_SCALES, rng.integers(*world.trees, endpoint=True)))
    return [camera.stand((_tree(rng, world),), rng.random(), float(scale), 1.0, (-1.4, 1.4)) for scale in scales]


def _tree(rng: np.random.Generator, world: World) -> Figure:
    """Draws a trunk below a crown of overlapping blobs."""
    height, leaf = rng.uniform(4, 8), world.pick(rng, world.leaf)
    blobs = [
        patch(shade(leaf, rng.uniform(0.85, 1.2)), ellipse(x, y, *rng.uniform(0.14, 0.24, 2)) * height)
        for x, y in rng.uniform((-0.14, 0.55), (0.14, 0.85), (6, 2))
    ]
    return Figure("vegetation", (patch(TRUNK, bar((0.0, 0.0), (0.0, 0.7 * height), 0.5, 0.3)), *blobs))


def _pole(rng: np.random.Generator, world: World) -> tuple[Figure, ...]:
    """Draws a post; two of three carry a traffic sign."""
    height, grey = rng.uniform(2.6, 4.5), rng.uniform(80, 150)
    post = Figure("pole", (patch((grey, grey, grey), bar((0.0, 0.0), (0.0, height), 0.12)),))
    face = ellipse(0.0, height, 0.36) if rng.random() < 0.5 else box(-0.34, height - 0.3, 0.34, height + 0.4)
    sign = Figure("traffic sign", (patch(world.pick(rng, SIGNS), face),))
    return (post,) if rng.random() < 1 / 3 else (post, sign)


def _crowds(rng: np.random.Generator, world: World, camera: Camera) -> list[Sprite]:
    """Draws, in a share of the images, cars or persons too close to tell apart."""
    sprites = []
    for draw, label, spacing, scale in ((car, "cargroup", 1.4, 10.5), (person, "persongroup", 0.34, 14.0)):
        if rng.random() < CROWD_SHARE:
            members = [draw(rng, world)[0] for _ in range(rng.integers(4, 7))]
            parts: list[Part] = [part.moved(i * spacing) for i, member in enumerate(members) for part in member.parts]
            crowd = Figure(label, tuple(parts))
            sprites.append(camera.stand((crowd,), rng.random(), scale, 1.0, crowd.breadth))
    return sprites
