"""Pictures of truth against prediction: hits, missed objects and false alarms."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from maskrcnn.pictures.detections import name_object
from maskrcnn.pictures.panels import Mask, add_label, add_outline, dim, new_panels, show_image, tint
from maskrcnn.project.notation import Boxes, Image, InstanceMap
from maskrcnn.results.predictions import Predictions, decode_mask
from maskrcnn.scoring.matches import Verdicts, judge
from maskrcnn.scoring.overlaps import Overlaps

HIT, MISSED, ALARM, IGNORED = "#56B4E9", "#F0E442", "#D55E00", "#999999"
LEGEND = {
    "hit (white: the truth)": HIT,
    "missed": MISSED,
    "false alarm": ALARM,
    "in a crowd, not judged": IGNORED,
}


class Layer(NamedTuple):
    """One object of a panel: its mask, the colour of its verdict, and its name, which is written above the box."""

    mask: Mask
    color: str
    name: str
    box_px: Boxes


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
        picture = dim(image)
        for layer in stack_layers(instance_map, predictions, overlaps, verdicts, class_names):
            picture = tint(picture, layer.mask, layer.color)
            add_outline(axes, layer.mask, layer.color)
            add_label(axes, layer.box_px, layer.color, layer.name)
        for _, truth in verdicts.hits:
            add_outline(axes, instance_map == overlaps.truth_ids[truth], "white", ":")
        show_image(axes, picture)
        axes.set_title(f"{title}   {count_verdicts(verdicts)}", fontsize=12)
    return figure


def stack_layers(
    instance_map: InstanceMap,
    predictions: Predictions,
    overlaps: Overlaps,
    verdicts: Verdicts,
    class_names: Sequence[str],
) -> list[Layer]:
    """Returns the objects of one panel; those drawn last, the false alarms, are on top."""

    def predicted(index: int, color: str) -> Layer:
        mask = decode_mask(predictions.rles[index], instance_map.shape)
        return Layer(mask, color, name_object(predictions, index, class_names), predictions.boxes_px[index])

    def missed(truth: int) -> Layer:
        name = class_names[overlaps.truth_class_ids[truth]]
        return Layer(instance_map == overlaps.truth_ids[truth], MISSED, name, overlaps.truth_boxes_px[truth])

    return [
        *(predicted(index, IGNORED) for index in reversed(verdicts.ignored)),
        *(predicted(index, HIT) for index, _ in reversed(verdicts.hits)),
        *(missed(truth) for truth in verdicts.missed),
        *(predicted(index, ALARM) for index in reversed(verdicts.alarms)),
    ]


def count_verdicts(verdicts: Verdicts) -> str:
    """Returns the counts as text."""
    return f"hits: {len(verdicts.hits)}, missed: {len(verdicts.missed)}, false alarms: {len(verdicts.alarms)}"
