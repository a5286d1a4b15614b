"""What kind of mistake every wrong prediction and every missed truth is.

Source:
    TIDE (arXiv:2008.08115), section 2.2. Difference: a prediction that lies badly on a truth of
    another class counts as background, not as a kind of its own.
"""

from collections.abc import Iterable
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from maskrcnn.project.notation import Array
from maskrcnn.scoring.matching import UNMATCHED, match
from maskrcnn.scoring.overlaps import Overlaps

FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1
KINDS = ("class", "localisation", "duplicate", "background", "missed")


class Error(NamedTuple):
    """One mistake; area and box in pixels.

    Attributes:
        kind: `class`: on a truth of another class. `localisation`: badly on a truth of its class.
            `duplicate`: on a truth that a better prediction found. `background`: on no truth; where the
            score is high, the truth may lack an instance. `missed`: a truth that no prediction explains.
        class_id: Of the prediction; of the truth if missed.
        score: Of the prediction; 0 if missed.
        iou: With the truth (if missed, the prediction) that it overlaps most.
        other_class_id: Class of that truth or prediction; 0 if they share no pixel.
        area: Of the predicted mask; of the truth if missed.
        box_px: `(y1, x1, y2, x2)`.
    """

    kind: str
    class_id: int
    score: float
    iou: float
    other_class_id: int
    area: int
    box_px: tuple[float, ...]


def find_errors(overlaps: Overlaps, min_score: float) -> list[Error]:
    """Lists the mistakes in one image.

    Args:
        overlaps: Of the image.
        min_score: Predictions below it do not exist.
    """
    order = np.argsort(-overlaps.scores, kind="stable")
    kept = order[overlaps.scores[order] >= min_score]
    image = overlaps.select(kept, np.arange(len(overlaps.truth_ids)))
    matches = match(image, np.array([FOREGROUND_IOU]))
    truths = matches.truths[0]
    is_wrong = (truths == UNMATCHED) & ~matches.ignored[0]
    ious = image.ious
    own_ious = np.where(image.class_ids[:, None] == image.truth_class_ids, ious, 0.0)
    explains = (ious >= FOREGROUND_IOU) | (own_ious >= BACKGROUND_IOU)
    is_explained = explains[is_wrong].any(axis=0)
    is_explained[truths[truths != UNMATCHED]] = True
    alarms = [_describe_alarm(image, index, own_ious[index]) for index in np.flatnonzero(is_wrong).tolist()]
    return alarms + [_describe_miss(image, index) for index in np.flatnonzero(~is_explained).tolist()]


def _describe_alarm(image: Overlaps, index: int, own_ious: Float[Array, " G"]) -> Error:
    """Returns the mistake that a prediction is."""
    ious = image.ious[index]
    own_iou, nearest = own_ious.max(initial=0.0), _nearest(ious)
    if own_iou >= FOREGROUND_IOU:
        kind = "duplicate"
    elif nearest is not None and ious[nearest] >= FOREGROUND_IOU:
        kind = "class"
    elif own_iou >= BACKGROUND_IOU:
        kind, nearest = "localisation", int(own_ious.argmax())
    else:
        kind = "background"
    return Error(
        kind=kind,
        class_id=int(image.class_ids[index]),
        score=float(image.scores[index]),
        iou=0.0 if nearest is None else float(ious[nearest]),
        other_class_id=0 if nearest is None else int(image.truth_class_ids[nearest]),
        area=int(image.areas[index]),
        box_px=tuple(image.boxes_px[index].tolist()),
    )


def _describe_miss(image: Overlaps, index: int) -> Error:
    """Returns the mistake of having missed a truth."""
    ious = image.ious[:, index]
    nearest = _nearest(ious)
    return Error(
        kind="missed",
        class_id=int(image.truth_class_ids[index]),
        score=0.0,
        iou=0.0 if nearest is None else float(ious[nearest]),
        other_class_id=0 if nearest is None else int(image.class_ids[nearest]),
        area=int(image.truth_areas[index]),
        box_px=tuple(image.truth_boxes_px[index].tolist()),
    )


def _nearest(ious: Float[Array, " N"]) -> int | None:
    """Returns what overlaps most, if anything does."""
    return int(ious.argmax()) if ious.any() else None


def worst_errors(errors: Iterable[tuple[str, Error]], count: int) -> list[tuple[str, Error]]:
    """Returns the worst mistakes of each class and kind, the worst first.

    The worst false alarms have the highest scores, the worst misses the largest areas.

    Args:
        errors: With the name of their image.
        count: At most that many of one class and kind.
    """
    ranked = sorted(errors, key=lambda named: (named[1].class_id, named[1].kind, -named[1].score, -named[1].area))
    groups = groupby(ranked, key=lambda named: (named[1].class_id, named[1].kind))
    return [named for _, group in groups for named in islice(group, count)]
