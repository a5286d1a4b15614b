"""Flat figures of coloured parts, and the contours they are made of.

A figure is drawn in its own frame: x to the right, y up, in metres, the ground at y = 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Colour = tuple[float, float, float]  # red, green, blue from 0 to 255
Point = tuple[float, float]
Range = tuple[float, float]
Points = Float[np.ndarray, "_ 2"]
Contour = Points | Sequence[Point]


@dataclass(frozen=True)
class Part:
    """One patch of one colour: an outer contour, then holes that show what lies behind."""

    colour: Colour
    contours: tuple[Points, ...]

    def moved(self, x: float) -> "Part":
        """Returns the part, `x` metres further right."""
        return Part(self.colour, tuple(np.add(contour, (x, 0.0)) for contour in self.contours))


@dataclass(frozen=True)
class Figure:
    """One labelled thing: its parts in painter's order, later ones over earlier ones."""

    label: str
    parts: tuple[Part, ...]

    @property
    def breadth(self) -> Range:
        """The least and the greatest x in metres."""
        x = np.concatenate([part.contours[0][:, 0] for part in self.parts])
        return float(x.min()), float(x.max())

    @property
    def height(self) -> float:
        """The greatest y in metres."""
        return max(float(part.contours[0][:, 1].max()) for part in self.parts)


def patch(colour: Colour, *contours: Contour) -> Part:
    """Builds a part from its outer contour and its holes."""
    return Part(colour, tuple(np.asarray(contour, float) for contour in contours))


def box(left: float, bottom: float, right: float, top: float) -> Points:
    """Returns the corners of an upright rectangle."""
    return np.array([(left, bottom), (left, top), (right, top), (right, bottom)], float)


def ellipse(x: float, y: float, radius_x: float, radius_y: float | None = None) -> Points:
    """Returns 24 points of an upright ellipse, a circle when one radius is given."""
    angles = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
    radii = (radius_x, radius_x if radius_y is None else radius_y)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii + (x, y)


def bar(start: Point, end: Point, width: float, end_width: float | None = None) -> Points:
    """Returns a straight bar between two points; it is tapered if its end has another width."""
    axis = np.subtract(end, start)
    normal = np.array((-axis[1], axis[0])) / max(float(np.hypot(*axis)), 1e-9) / 2
    near, far = normal * width, normal * (width if end_width is None else end_width)
    return np.array([start + near, end + far, end - far, start - near])


def rounded(points: Contour, radius: float) -> Points:
    """Replaces every corner of a closed contour by a curve that starts `radius` before it.

    A curve takes at most 0.4 of each side, so that some of a short side stays straight.
    """
    corners = np.asarray(points, float)
    towards = np.stack([np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)], axis=1) - corners[:, None]
    sides = np.linalg.norm(towards, axis=2, keepdims=True)
    cuts = towards * np.minimum(0.4, radius / np.maximum(sides, 1e-9))
    middle = cuts.sum(axis=1) / 4  # of the quadratic Bezier curve from cut to cut
    return (corners[:, None] + np.stack([cuts[:, 0], middle, cuts[:, 1]], axis=1)).reshape(-1, 2)
