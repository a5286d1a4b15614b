"""The canvas that figures are painted on, and the polygons of what was painted.

It is larger and finer than the image: `FINENESS` times the size, with `MARGIN` image pixels more on every
side, so that edges are smooth and polygons reach a little beyond the image, as in Cityscapes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Int, UInt8

from maskrcnn.project.notation import Image
from maskrcnn.street.figures import Colour, Figure, Points
from maskrcnn.street.placement import Placement

FINENESS = 2
MARGIN = 3
SUBPIXEL_BITS = 4
TOLERANCE = 0.6  # image pixels between a polygon and its silhouette, at most

Canvas = UInt8[np.ndarray, "_ _ 3"]
Polygon = Int[np.ndarray, "_ 2"]


@dataclass(frozen=True)
class Silhouette:
    """The canvas pixels that figures cover: a mask and the rows and columns where it lies."""

    mask: Bool[np.ndarray, "_ _"]
    crop: tuple[slice, slice]


def blank_canvas(image_shape: tuple[int, int]) -> Canvas:
    """Returns the black canvas of an image."""
    height, width = ((side + 2 * MARGIN) * FINENESS for side in image_shape)
    return np.zeros((height, width, 3), np.uint8)


def develop(canvas: Canvas) -> Image:
    """Returns the image: the canvas without its margin, averaged to the size of the image."""
    height, width = (side // FINENESS for side in canvas.shape[:2])
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return small[MARGIN:-MARGIN, MARGIN:-MARGIN]


def to_canvas(points: Points) -> Points:
    """Converts points from image pixels to canvas pixels."""
    return (points + MARGIN) * FINENESS


def paint(canvas: Canvas, figure: Figure, placement: Placement, haze: float, air: Colour) -> None:
    """Paints a figure over the canvas; `haze` is the share of the air in every colour."""
    for part in figure.parts:
        colour = (1 - haze) * np.asarray(part.colour) + haze * np.asarray(air)
        contours = [_fixed_point(placement.to_image(contour)) for contour in part.contours]
        cv2.fillPoly(canvas, contours, colour.tolist(), shift=SUBPIXEL_BITS)


def silhouette(figures: Iterable[Figure], placement: Placement, canvas_shape: tuple[int, ...]) -> Silhouette:
    """Returns the canvas pixels that figures cover; holes of their parts are filled."""
    outers = [part.contours[0] for figure in figures for part in figure.parts]
    contours = [_fixed_point(placement.to_image(outer)) for outer in outers]
    pixels = np.concatenate(contours) >> SUBPIXEL_BITS
    low = np.clip(pixels.min(axis=0), 0, canvas_shape[1::-1])
    high = np.clip(pixels.max(axis=0) + 2, low, canvas_shape[1::-1])
    mask = np.zeros((high - low)[::-1], np.uint8)
    for contour in contours if mask.size else []:
        cv2.fillPoly(mask, [contour - (low << SUBPIXEL_BITS).astype(np.int32)], 1, shift=SUBPIXEL_BITS)
    return Silhouette(mask.astype(bool), (slice(low[1], high[1]), slice(low[0], high[0])))


def outline(shape: Silhouette) -> Polygon | None:
    """Traces the largest piece of a silhouette.

    Returns:
        Whole `(x, y)` image pixels, at most `MARGIN` outside the image; `maskrcnn.readers.polygons` fills them to the
        silhouette again. None if they enclose nothing.
    """
    contours, _ = cv2.findContours(shape.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    contour = cv2.approxPolyDP(max(contours, key=cv2.contourArea), TOLERANCE * FINENESS, closed=True)[:, 0]
    centres = np.add(contour, (shape.crop[1].start + 0.5, shape.crop[0].start + 0.5))
    polygon = np.rint(centres / FINENESS - MARGIN - (0.5, 0.0)).astype(int)
    polygon = polygon[np.any(polygon != np.roll(polygon, 1, axis=0), axis=1)]
    return polygon if len(polygon) >= 3 and np.ptp(polygon, axis=0).min() > 0 else None


def _fixed_point(points: Points) -> Int[np.ndarray, "_ 2"]:
    """Converts image pixels to the fixed-point canvas coordinates of OpenCV, where 0 is the middle of a pixel."""
    return np.rint((to_canvas(points) - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)
