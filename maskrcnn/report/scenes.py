"""Scenes: what the picture browser shows of one image, as plain values for JSON.

A scene holds the truth once and the objects of every variant with their verdicts. Boxes are `[x, y, width, height]` and
outlines are in pixels of the size that the network saw. Kinds of errors are those of `maskrcnn.scoring.errors`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from maskrcnn.data.records import Records
from maskrcnn.project.notation import Boxes
from maskrcnn.report.outlines import trace
from maskrcnn.results.predictions import Predictions, decode_runs
from maskrcnn.scoring.average_precision import image_average_precisions
from maskrcnn.scoring.errors import Error, find_errors
from maskrcnn.scoring.matches import Matches, Verdicts, judge
from maskrcnn.scoring.overlaps import Overlaps, Regions

HIT, IGNORED, MISSED, EXPLAINED, CROWD = "hit", "ignored", "missed", "explained", "crowd"
# COCO's limits, 32 and 96 pixels squared in an image of 640 x 480, as shares of the image.
SIZES = {"small": 0.0, "medium": 32**2 / (640 * 480), "large": 96**2 / (640 * 480)}

KIND_NAMES = {
    "class": "wrong class",
    "localisation": "badly placed",
    "duplicate": "found twice",
    "background": "nothing there",
    "missed": "missed",
}

Values = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """What one variant found in one image.

    Attributes:
        predictions: All of them.
        overlaps: With the truth.
        matches: With the truth, at the ten thresholds of COCO.
        regions_px: Regions of interest as `(y1, x1, y2, x2)`, the best first; empty where none were recorded.
    """

    predictions: Predictions
    overlaps: Overlaps
    matches: Matches
    regions_px: Boxes


def describe_scene(index: int, regions: Regions, found: Mapping[str, Found], score: float) -> Values:
    """Returns all that is drawn over one image.

    Args:
        index: Of the image.
        regions: Its truth.
        found: By variant, what was found in the image.
        score: Predictions below it are left out.
    """
    truths = np.flatnonzero(regions.is_instance & (regions.class_ids > 0)).tolist()
    crowds = np.flatnonzero(~regions.is_instance & (regions.class_ids > 0)).tolist()
    return {
        "index": index,
        "truth": [describe_truth(regions, region) for region in truths],
        "crowds": [describe_truth(regions, region) for region in crowds],
        "variants": {name: describe_found(one, regions.image_shape, score) for name, one in found.items()},
    }


def describe_truth(regions: Regions, region: int) -> Values:
    """Returns one instance or crowd of the truth."""
    return {
        "class": int(regions.class_ids[region]),
        "size": name_size(int(regions.areas[region]), regions.image_shape),
        "box": to_corner(regions.boxes_px()[region]),
        "path": trace(regions.runs(region), regions.image_shape[0]),
    }


def describe_found(found: Found, image_shape: tuple[int, int], score: float) -> Values:
    """Returns the objects of one variant, the verdict on each truth, and the regions of interest."""
    verdicts = judge(found.overlaps, score)
    errors = find_errors(found.overlaps, score)
    return {
        "objects": describe_objects(found, verdicts, errors, image_shape),
        "truth": judge_truths(found.overlaps, verdicts, errors),
        "regions": [to_corner(box) for box in found.regions_px],
    }


def describe_objects(
    found: Found, verdicts: Verdicts, errors: Sequence[Error], image_shape: tuple[int, int]
) -> list[Values]:
    """Returns the predictions with their verdicts, the highest score first."""
    hits = dict(verdicts.hits)
    # Both list the false alarms by falling score.
    alarms = dict(zip(verdicts.alarms, (error for error in errors if error.kind != MISSED), strict=True))
    objects = []
    for index in sorted([*hits, *alarms, *verdicts.ignored], key=lambda index: -found.predictions.scores[index]):
        truth, error = hits.get(index), alarms.get(index)
        verdict = HIT if truth is not None else error.kind if error else IGNORED
        iou = found.overlaps.ious[index, truth] if truth is not None else error.iou if error else 0.0
        objects.append(
            {
                "class": int(found.predictions.class_ids[index]),
                "score": round(float(found.predictions.scores[index]), 3),
                "verdict": verdict,
                "iou": round(float(iou), 3),
                "truth_class": error.other_class_id if error else 0,
                "size": name_size(int(found.overlaps.areas[index]), image_shape),
                "box": to_corner(found.predictions.boxes_px[index]),
                "path": trace(decode_runs(found.predictions.rles[index], image_shape), image_shape[0]),
            }
        )
    return objects


def judge_truths(overlaps: Overlaps, verdicts: Verdicts, errors: Sequence[Error]) -> list[str]:
    """Returns the verdict on each truth: hit, missed, or explained by an error of a prediction that overlaps it."""
    missed = [(error.class_id, error.area, error.box_px) for error in errors if error.kind == MISSED]
    hit = {truth for _, truth in verdicts.hits}
    truths = zip(
        overlaps.truth_class_ids.tolist(),
        overlaps.truth_areas.tolist(),
        map(tuple, overlaps.truth_boxes_px.tolist()),
        strict=True,
    )
    return [HIT if index in hit else MISSED if truth in missed else EXPLAINED for index, truth in enumerate(truths)]


def list_image(records: Records, scene: Values, found: Mapping[str, Found]) -> Values:
    """Returns what the browser filters and sorts an image by.

    Args:
        records: The split.
        scene: From `describe_scene`.
        found: By variant, what was found in the image.
    """
    index = scene["index"]
    return {
        "name": records.names[index],
        "city": PurePosixPath(records.image_path(index)).parent.name,
        "variants": {
            name: {"rap": _average(one.matches), "errors": list_errors(scene["truth"], scene["variants"][name])}
            for name, one in found.items()
        },
    }


def list_errors(truths: Sequence[Values], found: Values) -> list[tuple[str, int, str]]:
    """Returns kind, class id and size of every error of a variant in an image."""
    alarms = [
        (one["verdict"], one["class"], one["size"]) for one in found["objects"] if one["verdict"] not in (HIT, IGNORED)
    ]
    pairs = zip(truths, found["truth"], strict=True)
    return alarms + [(MISSED, truth["class"], truth["size"]) for truth, verdict in pairs if verdict == MISSED]


def name_size(area: int, image_shape: tuple[int, int]) -> str:
    """Returns `small`, `medium` or `large` by the share of the image that an object covers."""
    share = area / prod(image_shape)
    return [name for name, limit in SIZES.items() if share >= limit][-1]


def to_corner(box: Boxes) -> list[float]:
    """Returns `(y1, x1, y2, x2)` as `[x, y, width, height]`, to a tenth of a pixel."""
    y1, x1, y2, x2 = (float(edge) for edge in box)
    return [round(edge, 1) for edge in (x1, y1, x2 - x1, y2 - y1)]


def _average(matches: Matches) -> float | None:
    """Returns the AP of an image over the thresholds; None without truth."""
    return round(float(image_average_precisions(matches).mean()), 4) if len(matches.truth_class_ids) else None
