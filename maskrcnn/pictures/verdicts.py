"""Pictures of truth against prediction: hits, missed objects and false alarms."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from maskrcnn.pictures.detections import name_object
from maskrcnn.pictures.labels import WHITE
from maskrcnn.pictures.overlay import Drawn, cut_object, draw_overlay, enlarge
from maskrcnn.pictures.panels import dim, new_panels, show_image
from maskrcnn.project.notation import Image, InstanceMap
from maskrcnn.project.palette import Color
from maskrcnn.results.predictions import Predictions, decode_mask
from maskrcnn.scoring.errors import BACKGROUND_IOU
from maskrcnn.scoring.matches import HIT_IOU, Verdicts, judge
from maskrcnn.scoring.overlaps import Overlaps

HIT, MISSED, ALARM, IGNORED = "#56B4E9", "#F0E442", "#D55E00", "#999999"
LEGEND = {
    "hit (white: the truth)": HIT,
    "missed": MISSED,
    "false alarm": ALARM,
    "in a crowd, not judged": IGNORED,
}


class Picture(NamedTuple):
    """The objects of one panel, the most important first, and the truths of hits, which have an outline only."""

    objects: list[Drawn]
    truths: list[Drawn]


def draw_verdicts(
    image: Image,
    instance_map: InstanceMap,
    panels: Mapping[str, tuple[Predictions, Overlaps]],
    min_score: float,
    class_names: Sequence[str],
) -> Figure:
    """Draws the verdicts on the predictions of one model, or of several models side by side.

    Args:
        image: What the networks saw.
        instance_map: The truth: the instance id of every pixel.
        panels: By title, the predictions of a model in this image and their overlaps with the truth.
        min_score: Predictions below it are left out.
        class_names: By class id.
    """
    figure, all_axes = new_panels(image.shape[:2], list(panels), LEGEND)
    for axes, (title, (predictions, overlaps)) in zip(all_axes, panels.items(), strict=True):
        verdicts = judge(overlaps, min_score)
        picture = compose(instance_map, predictions, overlaps, verdicts, class_names)
        grey = dim(image)
        larger, objects = enlarge(grey, picture.objects)
        _, truths = enlarge(grey, picture.truths)
        show_image(axes, draw_overlay(larger, objects, outlined=truths), image.shape[:2])
        axes.set_title(f"{title}   {count_verdicts(verdicts)}", fontsize=12)
    return figure


def compose(
    instance_map: InstanceMap,
    predictions: Predictions,
    overlaps: Overlaps,
    verdicts: Verdicts,
    class_names: Sequence[str],
) -> Picture:
    """Returns what is drawn in one panel; an object that was missed for a reason has one label with it."""
    reasons = find_reasons(overlaps, verdicts)
    explained = set(reasons.values())

    def predicted(index: int, color: str) -> Drawn:
        mask = decode_mask(predictions.rles[index], instance_map.shape)
        label = name_object(predictions, index, class_names)
        if index in reasons:
            label = explain(overlaps, index, reasons[index], label, class_names)
        return cut_object(mask, _to_bytes(color), label)

    def true(truth: int, color: Color, label: str = "") -> Drawn:
        return cut_object(instance_map == overlaps.truth_ids[truth], color, label)

    missed = {truth: f"{class_names[overlaps.truth_class_ids[truth]]}, missed" for truth in verdicts.missed}
    return Picture(
        objects=[
            *(predicted(index, ALARM) for index in verdicts.alarms),
            *(true(truth, _to_bytes(MISSED), "" if truth in explained else missed[truth]) for truth in missed),
            *(predicted(index, HIT) for index, _ in verdicts.hits),
            *(predicted(index, IGNORED) for index in verdicts.ignored),
        ],
        truths=[true(truth, WHITE) for _, truth in verdicts.hits],
    )


def find_reasons(overlaps: Overlaps, verdicts: Verdicts) -> dict[int, int]:
    """Returns false alarms that are missed objects, by index, with the index of that truth.

    Such an alarm covers the object but says another class, or says the class but does not cover enough of it. An object
    has one reason at most, the alarm of the highest score.
    """
    reasons: dict[int, int] = {}
    for index in verdicts.alarms:
        ious = overlaps.ious[index]
        is_own = overlaps.truth_class_ids == overlaps.class_ids[index]
        close = ious >= np.where(is_own, BACKGROUND_IOU, HIT_IOU)
        free = [truth for truth in verdicts.missed if close[truth] and truth not in reasons.values()]
        if free:
            reasons[index] = max(free, key=lambda truth: ious[truth])
    return reasons


def explain(overlaps: Overlaps, index: int, truth: int, name: str, class_names: Sequence[str]) -> str:
    """Returns why an object was missed: as which class it was found, or how little of it.

    Args:
        overlaps: Of the image.
        index: The false alarm.
        truth: The object.
        name: Class and score of the alarm.
        class_names: By class id.
    """
    meant = overlaps.truth_class_ids[truth]
    if meant != overlaps.class_ids[index]:
        return f"{class_names[meant]}, found as {name}"
    return f"{name}, IoU {overlaps.ious[index, truth]:.2f}"


def count_verdicts(verdicts: Verdicts) -> str:
    """Returns the counts as text."""
    return f"hits: {len(verdicts.hits)}, missed: {len(verdicts.missed)}, false alarms: {len(verdicts.alarms)}"


def _to_bytes(color: str) -> Color:
    red, green, blue = (round(255 * channel) for channel in to_rgb(color))
    return red, green, blue
