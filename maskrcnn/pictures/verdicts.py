"""Pictures of truth against prediction: what was hit, what was missed, what is a false alarm."""

from collections.abc import Mapping
from typing import NamedTuple

from matplotlib.figure import Figure

from maskrcnn.data.cityscapes import CLASS_IDS, CLASS_NAMES, LABEL_IDS
from maskrcnn.pictures.detections import name_object, read_mask
from maskrcnn.pictures.panels import Mask, add_label, add_outline, dim, new_panels, show_image, tint
from maskrcnn.project.notation import Boxes, Image, InstanceMap
from maskrcnn.results.predictions import Predictions
from maskrcnn.scoring.cityscapes import VOID_IDS
from maskrcnn.scoring.overlaps import Overlaps, measure_overlaps
from maskrcnn.scoring.regions import find_regions
from maskrcnn.scoring.verdicts import Verdicts, judge

CLASSES = {LABEL_IDS[name]: class_id for name, class_id in CLASS_IDS.items() if class_id}
HIT, MISSED, ALARM, IGNORED = "#56B4E9", "#F0E442", "#D55E00", "#999999"
LEGEND = {
    "hit (white: the truth)": HIT,
    "missed": MISSED,
    "false alarm": ALARM,
    "in a crowd, not judged": IGNORED,
}


class Layer(NamedTuple):
    """One object of a panel: its mask, what it counts as, its name and the box that the name stands above."""

    mask: Mask
    verdict: str
    name: str
    box_px: Boxes


def draw_verdicts(
    image: Image, instance_map: InstanceMap, found: Mapping[str, Predictions], min_score: float
) -> Figure:
    """Draws the verdicts on what one model found, or on what several found, side by side.

    Args:
        image: What the networks saw.
        instance_map: The truth: Cityscapes' id of every pixel.
        found: What a model found, by the title of its panel.
        min_score: Objects below this score are left out.
    """
    figure, panels = new_panels(image.shape[:2], list(found), LEGEND)
    for axes, (title, predictions) in zip(panels, found.items(), strict=True):
        overlaps = measure_image(instance_map, predictions)
        verdicts = judge(overlaps, min_score)
        picture = dim(image)
        for layer in stack_layers(instance_map, predictions, overlaps, verdicts):
            picture = tint(picture, layer.mask, layer.verdict)
            add_outline(axes, layer.mask, layer.verdict)
            add_label(axes, layer.box_px, layer.verdict, layer.name)
        for _, truth in verdicts.hits:
            add_outline(axes, instance_map == overlaps.truth_ids[truth], "white", ":")
        show_image(axes, picture)
        axes.set_title(f"{title}   {count_verdicts(verdicts)}", fontsize=12)
    return figure


def measure_image(instance_map: InstanceMap, found: Predictions) -> Overlaps:
    """Returns what the predictions and the true instances of one image have in common."""
    return measure_overlaps(find_regions(instance_map), found, CLASSES, VOID_IDS)


def stack_layers(instance_map: InstanceMap, found: Predictions, overlaps: Overlaps, verdicts: Verdicts) -> list[Layer]:
    """Returns the objects of one panel, what is wrong on top of what is right."""

    def predicted(index: int, verdict: str) -> Layer:
        mask = read_mask(found, index, instance_map.shape)
        return Layer(mask, verdict, name_object(found, index), found.boxes_px[index])

    def missed(truth: int) -> Layer:
        name = CLASS_NAMES[overlaps.truth_class_ids[truth]]
        return Layer(instance_map == overlaps.truth_ids[truth], MISSED, name, overlaps.truth_boxes_px[truth])

    return [
        *(predicted(index, IGNORED) for index in reversed(verdicts.ignored)),
        *(predicted(index, HIT) for index, _ in reversed(verdicts.hits)),
        *(missed(truth) for truth in verdicts.missed),
        *(predicted(index, ALARM) for index in reversed(verdicts.alarms)),
    ]


def count_verdicts(verdicts: Verdicts) -> str:
    """Returns the counts in words."""
    return f"hits: {len(verdicts.hits)}, missed: {len(verdicts.missed)}, false alarms: {len(verdicts.alarms)}"
