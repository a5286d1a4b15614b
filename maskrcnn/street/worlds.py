"""The two worlds that streets are drawn in: all numbers and colours in which they differ."""

from dataclasses import dataclass

import numpy as np

from maskrcnn.project.errors import InputError
from maskrcnn.street.figures import Colour, Point, Range

Palette = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class CarBody:
    """The side view of a car in units of its length (x, front at 0.5) and height (y, from 0 to 1).

    `window` holds the x of the rear foot, rear top, front top and front foot of the side windows.
    """

    profile: tuple[Point, ...]
    window: tuple[float, float, float, float]


@dataclass(frozen=True)
class World:
    """How one world looks: absent classes, camera, proportions of figures, palettes and scenery."""

    absent: frozenset[str]  # classes without instances
    camera_height: float  # metres above the ground
    horizon: Range  # fractions of the image height
    rounding: float  # factor on the radii of corners
    length: Range  # factor on the lengths of vehicles
    height: Range  # factor on the heights of vehicles
    wheel: float  # factor on the radii of wheels
    cars: tuple[CarBody, ...]
    coat_share: float  # of the persons
    hat_share: float
    clothes: Palette
    skin: Palette
    hair: Palette
    paint: Palette  # of cars, motorcycles, cabs
    coach: Palette  # of buses, trains, cargo boxes
    caravan: Palette
    glass: Palette
    sky: Palette
    road: Palette
    verge: Palette
    verge_label: str
    facade: Palette
    roof: Palette
    leaf: Palette
    jitter: float  # standard deviation of every colour, in grey levels
    hills: tuple[int, int]
    houses: tuple[int, int]
    trees: tuple[int, int]
    poles: tuple[int, int]

    def pick(self, rng: np.random.Generator, palette: Palette) -> Colour:
        """Draws a colour of a palette and shifts its brightness and its hue a little."""
        noise = rng.normal(0, self.jitter) + rng.normal(0, self.jitter / 2, 3)
        red, green, blue = np.clip(palette[rng.integers(len(palette))] + noise, 0, 255)
        return float(red), float(green), float(blue)


SEDAN = CarBody(
    profile=(
        (-0.5, 0.2), (-0.5, 0.58), (-0.46, 0.66), (-0.31, 0.68), (-0.19, 0.98),
        (0.1, 1.0), (0.25, 0.7), (0.45, 0.6), (0.5, 0.5), (0.5, 0.2),
    ),
    window=(-0.28, -0.17, 0.08, 0.2),
)  # fmt: skip
HATCHBACK = CarBody(
    profile=(
        (-0.5, 0.2), (-0.5, 0.6), (-0.43, 0.94), (-0.35, 1.0),
        (0.08, 1.0), (0.25, 0.7), (0.46, 0.6), (0.5, 0.48), (0.5, 0.2),
    ),
    window=(-0.43, -0.37, 0.06, 0.2),
)  # fmt: skip
VAN = CarBody(
    profile=(
        (-0.5, 0.18), (-0.5, 0.95), (-0.47, 1.0),
        (0.18, 1.0), (0.33, 0.66), (0.47, 0.58), (0.5, 0.48), (0.5, 0.18),
    ),
    window=(-0.46, -0.44, 0.16, 0.28),
)  # fmt: skip
BEETLE = CarBody(
    profile=(
        (-0.5, 0.2), (-0.49, 0.4), (-0.4, 0.62), (-0.22, 0.95), (-0.02, 1.02),
        (0.15, 0.94), (0.24, 0.64), (0.42, 0.58), (0.5, 0.36), (0.5, 0.2),
    ),
    window=(-0.28, -0.16, 0.1, 0.19),
)  # fmt: skip
ESTATE = CarBody(
    profile=(
        (-0.5, 0.22), (-0.5, 0.66), (-0.46, 1.0),
        (0.1, 1.0), (0.17, 0.68), (0.5, 0.64), (0.5, 0.22),
    ),
    window=(-0.46, -0.42, 0.07, 0.13),
)  # fmt: skip
JEEP = CarBody(
    profile=(
        (-0.5, 0.24), (-0.5, 1.0),
        (0.14, 1.0), (0.18, 0.66), (0.48, 0.64), (0.5, 0.24),
    ),
    window=(-0.46, -0.46, 0.11, 0.14),
)  # fmt: skip

WORLDS = {
    "city": World(
        absent=frozenset(),
        camera_height=2.2,
        horizon=(0.36, 0.46),
        rounding=1.0,
        length=(0.92, 1.08),
        height=(0.95, 1.06),
        wheel=1.0,
        cars=(SEDAN, HATCHBACK, VAN),
        coat_share=0.2,
        hat_share=0.12,
        clothes=((38, 42, 56), (92, 34, 38), (58, 74, 108), (128, 122, 112), (30, 30, 32), (178, 150, 62),
                  (64, 92, 70), (196, 196, 200), (150, 66, 52)),
        skin=((224, 180, 150), (198, 148, 118), (138, 96, 72), (96, 66, 50)),
        hair=((60, 44, 34), (28, 24, 22), (150, 112, 66), (130, 126, 122)),
        paint=((196, 200, 206), (44, 46, 52), (140, 24, 30), (36, 62, 122), (232, 232, 232), (112, 118, 126),
               (66, 92, 78), (172, 152, 116), (190, 96, 32)),
        coach=((206, 182, 44), (178, 34, 40), (40, 92, 150), (226, 226, 222), (52, 122, 80), (120, 60, 110)),
        caravan=((238, 236, 228), (226, 222, 208), (216, 220, 224)),
        glass=((54, 66, 78), (38, 46, 56), (84, 100, 112)),
        sky=((176, 196, 214), (206, 212, 216), (132, 170, 210), (222, 214, 200)),
        road=((104, 104, 108), (90, 92, 96), (120, 118, 116)),
        verge=((152, 146, 140), (164, 154, 146), (138, 136, 138)),
        verge_label="sidewalk",
        facade=((182, 160, 132), (160, 110, 88), (196, 188, 172), (142, 140, 138), (204, 176, 120),
                (122, 92, 78)),
        roof=((112, 58, 46), (78, 72, 74), (96, 84, 78)),
        leaf=((58, 88, 46), (76, 104, 52), (46, 72, 44)),
        jitter=7.0,
        hills=(0, 1),
        houses=(7, 11),
        trees=(0, 4),
        poles=(0, 4),
    ),
    "countryside": World(
        absent=frozenset({"rider", "trailer", "caravan"}),  # COCO has none of these classes either
        camera_height=2.8,
        horizon=(0.26, 0.4),
        rounding=0.4,
        length=(0.8, 1.2),
        height=(0.9, 1.18),
        wheel=1.12,
        cars=(BEETLE, ESTATE, JEEP, SEDAN, HATCHBACK),
        coat_share=0.4,
        hat_share=0.45,
        clothes=((112, 84, 58), (70, 96, 56), (150, 40, 70), (214, 204, 184), (48, 56, 84), (90, 88, 140),
                  (204, 120, 60), (40, 36, 34)),
        skin=((236, 194, 166), (206, 156, 124), (150, 106, 80), (88, 62, 48)),
        hair=((72, 50, 34), (36, 30, 26), (172, 128, 70), (160, 150, 140)),
        paint=((88, 128, 164), (206, 190, 140), (60, 84, 52), (164, 60, 48), (40, 40, 44), (220, 220, 214),
               (128, 84, 132), (150, 150, 146), (222, 170, 40)),
        coach=((150, 44, 52), (60, 106, 70), (64, 84, 140), (222, 200, 150), (196, 110, 50), (150, 152, 156)),
        caravan=((240, 236, 220), (222, 226, 226), (232, 218, 190)),
        glass=((70, 80, 84), (44, 50, 54), (120, 140, 150), (30, 34, 44)),
        sky=((120, 168, 222), (214, 190, 168), (160, 190, 220), (196, 200, 204), (110, 128, 156)),
        road=((142, 126, 104), (112, 108, 106), (126, 118, 110), (96, 94, 92)),
        verge=((112, 136, 66), (146, 142, 80), (92, 120, 62), (170, 150, 90)),
        verge_label="terrain",
        facade=((224, 216, 200), (150, 84, 66), (128, 96, 70), (206, 190, 150)),
        roof=((140, 70, 50), (90, 64, 50), (70, 74, 84)),
        leaf=((70, 112, 48), (110, 130, 54), (44, 84, 52), (156, 120, 50)),
        jitter=16.0,
        hills=(2, 4),
        houses=(0, 3),
        trees=(5, 12),
        poles=(0, 3),
    ),
}  # fmt: skip


def world_named(name: str) -> World:
    """Returns the world of this name.

    Raises:
        InputError: if there is no such world.
    """
    if name not in WORLDS:
        raise InputError(f"`world` must be one of {', '.join(WORLDS)}; got {name!r}.")
    return WORLDS[name]


def shade(colour: Colour, factor: float) -> Colour:
    """Returns a darker colour (factor below 1) or a lighter one."""
    red, green, blue = (min(channel * factor, 255.0) for channel in colour)
    return red, green, blue
