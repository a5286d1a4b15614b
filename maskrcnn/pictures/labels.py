"""Labels of objects: where they stand, so that they hide neither each other nor an object, and how they are drawn.

Places are searched on a grid of cells, a third of a label high. Rectangles are `(y1, x1, y2, x2)`, outer edge excluded.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image as Drawing
from PIL import ImageDraw, ImageFont

from maskrcnn.project.notation import Image
from maskrcnn.project.palette import Color

Rectangle = tuple[int, int, int, int]
Plate = UInt8[np.ndarray, "_ _ 3"]

FONT = "fonts/ttf/DejaVuSans.ttf"  # of matplotlib
SIDE_BY_FONT = 55  # mean side of an image / height of its letters: still 9 pixels in a column of 700
SMALLEST_FONT = 12  # pixels
CELLS = 3  # a label's height in cells
HIDING = 5.0  # hiding a small object, or as much of a large one as the label covers, is as bad as 5 heights of distance
STRAYING = 0.05  # weight of the distance to the usual place, above the left corner
NEAR = 4  # label heights around the box that are searched first
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
RAMP = np.linspace(0, 1, 256)[:, None]  # of the values of a channel


def choose_font_size(image_shape: tuple[int, int]) -> int:
    """Returns the height of letters in pixels, in proportion to the image."""
    return max(SMALLEST_FONT, round(sum(image_shape) / 2 / SIDE_BY_FONT))


def draw_plate(text: str, color: Color, font_size: int) -> Plate:
    """Returns a label: text on a plate of the colour, black or white, whichever is easier to read."""
    font = _load_font(font_size)
    margin, height = font_size // 4, sum(font.getmetrics())
    letters = Drawing.new("L", (round(font.getlength(text)) + 2 * margin, height))
    ImageDraw.Draw(letters).text((margin, 0), text, fill=255, font=font)
    ink = BLACK if np.dot(color, (0.299, 0.587, 0.114)) > 110 else WHITE
    return fade(cv2.cvtColor(np.asarray(letters), cv2.COLOR_GRAY2RGB), color, ink)


def fade(pixels: Image, low: Sequence[float], high: Sequence[float]) -> Image:
    """Returns an image with every value between two colours: 0 becomes `low`, 255 `high`.

    Args:
        pixels: Each channel on its own.
        low: Red, green and blue.
        high: The same.
    """
    table = np.array(low) + RAMP * np.subtract(high, low)
    return cv2.LUT(pixels, np.rint(table).astype(np.uint8)[None])


@cache
def _load_font(size: int) -> ImageFont.FreeTypeFont:
    # The basic layout suffices for Latin letters, and takes a third of the time.
    path = Path(matplotlib.get_data_path(), FONT)
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def add_labels(
    picture: Image,
    plates: Sequence[Plate],
    boxes: Int[np.ndarray, "N 4"],
    parts: Sequence[Bool[np.ndarray, "_ _"]],
    colors: Sequence[Color],
) -> None:
    """Draws labels into a picture, with a line to the object where one stands apart from it.

    Args:
        picture: Is changed.
        plates: Of the first objects, the most important one first. One that finds no free place is left out.
        boxes: Of all objects, inside the picture.
        parts: Their masks inside the boxes.
        colors: Of their lines.
    """
    places = place_labels([plate.shape[:2] for plate in plates], boxes, parts, picture.shape[:2])
    for place, plate, box, part, color in zip(places, plates, boxes, parts, colors, strict=False):
        if place and _distance(place, box) > plate.shape[0] / 2:
            _draw_line(picture, place, box, part, color)
    for place, plate in zip(places, plates, strict=True):
        if place:
            y1, x1, y2, x2 = place
            picture[y1:y2, x1:x2] = plate


def place_labels(
    sizes: Sequence[tuple[int, int]],
    boxes: Int[np.ndarray, "N 4"],
    parts: Sequence[Bool[np.ndarray, "_ _"]],
    image_shape: tuple[int, int],
) -> list[Rectangle | None]:
    """Returns a place for every label: near its object, on no other label, and if possible on no object.

    Args:
        sizes: Height and width of the labels of the first objects, the most important one first.
        boxes: Of all objects.
        parts: Their masks inside the boxes.
        image_shape: Height and width of the picture.

    Returns:
        None for a label for which there is no room.
    """
    if not sizes:
        return []
    cell = max(1, min(height for height, _ in sizes) // CELLS)
    grid = (image_shape[0] // cell, image_shape[1] // cell)
    hidden = _integrate(_weigh_objects(boxes, parts, grid, cell, sizes[0]))
    taken, places = np.zeros(grid, np.float32), list[Rectangle | None]()
    for (height, width), box in zip(sizes, boxes.tolist(), strict=False):
        spread = (-(-height // cell), -(-width // cell))
        corner = _find_place(spread, [side / cell for side in box], hidden, _integrate(taken))
        if corner is None:
            places.append(None)
            continue
        row, column = corner
        taken[row : row + spread[0], column : column + spread[1]] = 1
        places.append((row * cell, column * cell, row * cell + height, column * cell + width))
    return places


def _weigh_objects(
    boxes: Int[np.ndarray, "N 4"],
    parts: Sequence[Bool[np.ndarray, "_ _"]],
    grid: tuple[int, int],
    cell: int,
    size: tuple[int, int],
) -> Float[np.ndarray, "h w"]:
    """Returns what it costs to hide each cell: 1 for a whole object, or for a label's area of a larger one."""
    weights = np.zeros(grid, np.float32)
    label_area = size[0] * size[1] / cell**2
    for (y1, x1, y2, x2), part in zip(boxes.tolist(), parts, strict=True):
        if not part.size:
            continue
        edges = y1 % cell, -y2 % cell, x1 % cell, -x2 % cell  # so that whole cells are averaged
        whole = cv2.copyMakeBorder(255 * part.view(np.uint8), *edges, cv2.BORDER_CONSTANT)
        rows, columns = whole.shape[0] // cell, whole.shape[1] // cell
        share = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA) / 255
        cells = weights[y1 // cell : y1 // cell + rows, x1 // cell : x1 // cell + columns]  # without those cut off
        cells += (share / max(min(float(share.sum()), label_area), 1e-3))[: cells.shape[0], : cells.shape[1]]
    return weights


def _integrate(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "H W"]:
    """Returns sums from the first corner on, from which the sum of any rectangle follows."""
    return cv2.integral(values, sdepth=cv2.CV_64F)


def _find_place(
    spread: tuple[int, int], box: Sequence[float], hidden: np.ndarray, taken: np.ndarray
) -> tuple[int, int] | None:
    """Returns the best first cell of a label, among those around its box, or else in the whole picture."""
    last = hidden.shape[0] - 1 - spread[0], hidden.shape[1] - 1 - spread[1]  # that a label may begin at
    if min(last) < 0:
        return None
    y1, x1, y2, x2 = box
    reach = NEAR * spread[0]
    near = np.clip([y1 - spread[0] - reach, y2 + reach], 0, last[0]), np.clip([x1 - spread[1], x2], 0, last[1])
    for (top, bottom), (left, right) in (near, ((0, last[0]), (0, last[1]))):
        rows = np.arange(int(top), int(bottom) + 1)[:, None]
        columns = np.arange(int(left), int(right) + 1)
        free = _sum(taken, rows, columns, spread) < 0.5
        if free.any():
            down = np.maximum(np.maximum(y1 - rows - spread[0], rows - y2), 0)
            across = np.maximum(np.maximum(x1 - columns - spread[1], columns - x2), 0)
            straying = _length(rows + spread[0] - y1, columns - x1)
            cost = (_length(down, across) + STRAYING * straying) / spread[0]
            cost += HIDING * _sum(hidden, rows, columns, spread)
            row, column = divmod(int(np.where(free, cost, np.inf).argmin()), len(columns))
            return int(rows[row, 0]), int(columns[column])
    return None


def _length(down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Returns `np.hypot`, which takes much longer because it guards against an overflow."""
    return np.sqrt(np.square(down) + np.square(across))


def _sum(integral: np.ndarray, rows: np.ndarray, columns: np.ndarray, spread: tuple[int, int]) -> np.ndarray:
    """Returns the sums below a label at every place."""
    top, left = integral[rows[0, 0] : rows[-1, 0] + 1], slice(columns[0], columns[-1] + 1)
    bottom = integral[rows[0, 0] + spread[0] : rows[-1, 0] + spread[0] + 1]
    right = slice(columns[0] + spread[1], columns[-1] + spread[1] + 1)
    return bottom[:, right] - bottom[:, left] - top[:, right] + top[:, left]


def _distance(place: Rectangle, box: Int[np.ndarray, "4"]) -> float:
    """Returns how far a label is from a box, in pixels."""
    down = max(box[0] - place[2], place[0] - box[2], 0)
    across = max(box[1] - place[3], place[1] - box[3], 0)
    return float(np.hypot(down, across))


def _draw_line(picture: Image, place: Rectangle, box: Int[np.ndarray, "4"], part: np.ndarray, color: Color) -> None:
    """Draws a line from a label to the nearest pixel of its object, dark beneath so that it is seen everywhere."""
    pixels = np.argwhere(part) + box[:2] if part.any() else np.array([(box[:2] + box[2:]) // 2])
    y1, x1, y2, x2 = place
    ends = np.clip(pixels, (y1, x1), (y2 - 1, x2 - 1))
    nearest = int(np.square(pixels - ends).sum(axis=1).argmin())
    start, end = ends[nearest][::-1].tolist(), pixels[nearest][::-1].tolist()
    width = max(1, (y2 - y1) // 14)
    cv2.line(picture, start, end, BLACK, width + 2, cv2.LINE_AA)
    cv2.line(picture, start, end, color, width, cv2.LINE_AA)
