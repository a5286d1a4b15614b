"""Overlays: an image with its objects on it, each with fill, outline and label."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Int, UInt8

from maskrcnn.pictures.labels import BLACK, add_labels, choose_font_size, draw_plate, fade
from maskrcnn.project.notation import Image
from maskrcnn.project.palette import Color

OPACITY = 0.4
SIDE_BY_LINE = 700  # mean side of an image / width of its outlines
STRAIGHT = 0.4  # of a line's width, that an outline may be off: fewer corners take less time
SMALLEST_WIDTH = 1024  # pixels; smaller images are enlarged, so that labels do not hide them

Outline = Int[np.ndarray, "_ 1 2"]  # corners, x and y


class Drawn(NamedTuple):
    """One object of a picture.

    Args:
        box_px: `(y1, x1, y2, x2)`, whole pixels inside the image, outer edge excluded.
        part: The mask inside the box.
        color: Red, green and blue, from 0 to 255.
        label: Written beside it; nothing if empty.
    """

    box_px: Int[np.ndarray, "4"]
    part: Bool[np.ndarray, "_ _"]
    color: Color
    label: str = ""


def cut_object(mask: Bool[np.ndarray, "H W"], color: Color, label: str = "") -> Drawn:
    """Returns the object of a mask of image size; one without a pixel has an empty box and is not drawn."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Drawn(np.zeros(4, np.int64), mask[:0, :0], color)
    box = np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])
    return Drawn(box, mask[box[0] : box[2], box[1] : box[3]], color, label)


def draw_overlay(
    image: Image, objects: Sequence[Drawn], opacity: float = OPACITY, outlined: Sequence[Drawn] = ()
) -> Image:
    """Returns the image with its objects.

    Args:
        image: Is not changed.
        objects: The most important first; it is drawn on top, and its label is placed first.
        opacity: Of the fill, from 0 to 1.
        outlined: Have a thin outline and nothing else, over all others.
    """
    picture = np.ascontiguousarray(image).copy()
    width = max(1, round(sum(image.shape[:2]) / 2 / SIDE_BY_LINE))
    for drawn in reversed(objects):
        _fill(picture, drawn, opacity)
    for drawn in reversed(objects):
        outlines = _find_outlines(drawn, width)
        _add_lines(picture, outlines, BLACK, width + 2)  # seen on any ground, and without colours
        _add_lines(picture, outlines, drawn.color, width)
    for drawn in outlined:
        _add_lines(picture, _find_outlines(drawn, 1), drawn.color, 1)
    ordered = sorted(objects, key=lambda drawn: not drawn.label)  # those without one matter only as what is not hidden
    font_size = choose_font_size(image.shape[:2])
    plates = [draw_plate(drawn.label, drawn.color, font_size) for drawn in ordered if drawn.label]
    boxes = np.array([drawn.box_px for drawn in ordered], np.int64).reshape(-1, 4)
    add_labels(picture, plates, boxes, [drawn.part for drawn in ordered], [drawn.color for drawn in ordered])
    return picture


def enlarge(
    image: Image, objects: Sequence[Drawn], smallest_width: int = SMALLEST_WIDTH
) -> tuple[UInt8[np.ndarray, "h w 3"], list[Drawn]]:
    """Returns image and objects with every pixel repeated, if the image is narrower than a picture should be."""
    factor = max(1, round(smallest_width / image.shape[1]))
    if factor == 1:
        return image, list(objects)
    larger = [drawn._replace(box_px=factor * drawn.box_px, part=_repeat(drawn.part, factor)) for drawn in objects]
    return _repeat(image, factor), larger


def _repeat(pixels: np.ndarray, factor: int) -> np.ndarray:
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _fill(picture: Image, drawn: Drawn, opacity: float) -> None:
    """Tints the mask."""
    y1, x1, y2, x2 = drawn.box_px.tolist()
    inside = picture[y1:y2, x1:x2]
    if inside.size:
        dark = [opacity * channel for channel in drawn.color]
        bright = [channel + (1 - opacity) * 255 for channel in dark]
        cv2.copyTo(fade(inside, dark, bright), drawn.part.view(np.uint8), inside)


def _find_outlines(drawn: Drawn, width: int) -> list[Outline]:
    """Returns the outlines of a mask along the centres of its outermost pixels, as exact as lines of a width need."""
    y1, x1 = drawn.box_px.tolist()[:2]
    # One empty pixel around the mask, so that the outline closes at the edges of its box.
    part = cv2.copyMakeBorder(drawn.part.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    outlines, _ = cv2.findContours(part, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE, offset=(x1 - 1, y1 - 1))
    return [cv2.approxPolyDP(outline, STRAIGHT * width, True) for outline in outlines]


def _add_lines(picture: Image, outlines: Sequence[Outline], color: Color, width: int) -> None:
    """Adds closed, smoothed lines."""
    cv2.polylines(picture, outlines, True, color, width, cv2.LINE_AA)
