"""Pictures of the truth: instances, their boxes, and what mini-masks make of their masks."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from maskrcnn.data.mini_masks import paste_masks
from maskrcnn.data.records import Record
from maskrcnn.pictures.overlay import Drawn, draw_overlay, enlarge
from maskrcnn.pictures.panels import Picture, dim, show
from maskrcnn.project.notation import Image, InstanceMap
from maskrcnn.project.palette import Color, spread_colors

Colors = Float[np.ndarray, "N 3"]

LOST, GAINED = (0.95, 0.15, 0.15), (0.1, 0.55, 1.0)


def draw_truth(image: Image, instance_map: InstanceMap, record: Record, class_names: Sequence[str]) -> Figure:
    """Draws four panels: boxes, masks, masks rebuilt from mini-masks, and the pixels where the last two differ.

    Crowds have a box, named as such, and no mask.

    Args:
        image: At the size of the record.
        instance_map: Instance id of every pixel.
        record: The truth of the image.
        class_names: By class id.
    """
    original, rebuilt = number_masks(instance_map, record), number_mini_masks(record, image.shape[:2])
    colors = np.array(spread_colors(len(record.boxes) + 1)[1:]).reshape(-1, 3) / 255
    figure = Figure(figsize=(16, 16 * image.shape[0] / image.shape[1] + 1), layout="constrained")
    crowd_count = np.count_nonzero(record.is_crowd)
    figure.suptitle(f"{record.name}   instances: {len(record.boxes) - crowd_count}, crowds: {crowd_count}", fontsize=14)
    boxes, difference, masks, mini_masks = figure.subplots(2, 2).flat
    show(boxes, draw_boxes(image, record, class_names), "Boxes")
    show(difference, *_compare(image, original, rebuilt))
    show(masks, _tint(image, original, colors), "Masks from the polygons")
    height, width = record.mini_masks.shape[1:]
    show(mini_masks, _tint(image, rebuilt, colors), f"Masks rebuilt from mini-masks of {height} x {width}")
    return figure


def draw_boxes(image: Image, record: Record, class_names: Sequence[str]) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the image, enlarged if it is small, with the outline and class of every box; small ones are on top."""
    colors = spread_colors(len(record.boxes) + 1)[1:]
    order = np.argsort(record.areas, kind="stable").tolist()
    boxes = [_box(record, index, colors[index], class_names) for index in order]
    return draw_overlay(*enlarge(image, boxes), opacity=0)


def _box(record: Record, index: int, color: Color, class_names: Sequence[str]) -> Drawn:
    """Returns a box as an object that fills it."""
    y1, x1, y2, x2 = record.boxes[index].tolist()
    crowd = ", crowd" if record.is_crowd[index] else ""
    label = f"{class_names[record.class_ids[index]]}{crowd}"
    return Drawn(record.boxes[index], np.ones((y2 - y1, x2 - x1), bool), color, label)


def number_masks(instance_map: InstanceMap, record: Record) -> InstanceMap:
    """Returns the instance of every pixel, counted from 1 in the order of the record; 0 where there is none."""
    numbers = np.zeros(np.iinfo(np.uint16).max + 1, np.uint16)
    instances = np.flatnonzero(~record.is_crowd)
    numbers[record.instance_ids[instances]] = instances + 1
    return numbers[instance_map]


def number_mini_masks(record: Record, image_shape: tuple[int, int]) -> InstanceMap:
    """Returns the same from the mini-masks; where several overlap, the smallest instance is on top."""
    numbered = np.zeros(image_shape, np.uint16)
    for index in np.argsort(-record.areas, kind="stable"):
        if not record.is_crowd[index]:
            one = slice(index, index + 1)
            numbered[paste_masks(record.mini_masks[one], record.boxes[one], image_shape)[0]] = index + 1
    return numbered


def _tint(image: Image, numbered: InstanceMap, colors: Colors) -> Picture:
    """Returns the image in dim grey, every instance in its colour."""
    grey = image.mean(axis=2, keepdims=True) / 255
    palette = np.concatenate([np.zeros((1, 3)), colors])
    return np.where(numbered[..., None] > 0, 0.35 * grey + 0.65 * palette[numbered], 0.6 * grey)


def _compare(image: Image, original: InstanceMap, rebuilt: InstanceMap) -> tuple[Picture, str]:
    """Returns the image in dim grey with the pixels that mini-masks lose or gain, and its title."""
    lost = (original > 0) & (rebuilt != original)
    gained = (original == 0) & (rebuilt > 0)
    picture = dim(image) / 255
    picture[lost], picture[gained] = LOST, GAINED
    pixels = max(np.count_nonzero(original), 1)
    shares = f"lose (red, {lost.sum() / pixels:.1%}) and gain (blue, {gained.sum() / pixels:.1%})"
    return picture, f"Pixels that mini-masks {shares}"
