"""The errors in an image by kind: wrong predictions and missed truths.

Source:
    TIDE (arXiv:2008.08115), section 2.2. Difference: a prediction of the wrong class whose IoU is below
    the foreground threshold counts as background, not as a kind of its own.
"""

from collections.abc import Iterable
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from maskrcnn.project.notation import Array
from maskrcnn.scoring.matches import HIT_IOU, UNMATCHED, match, rank
from maskrcnn.scoring.overlaps import Overlaps

BACKGROUND_IOU = 0.1  # below it a prediction of the right class counts as background
KINDS = ("class", "localisation", "duplicate", "background", "missed")


class Error(NamedTuple):
    """One error; area and box in pixels.

    Attributes:
        kind: `class`: matches a truth of another class. `localisation`: overlaps a truth of its class, but
            not enough. `duplicate`: matches a truth that a better prediction already matches. `background`:
            overlaps no truth of its class. `missed`: a truth that no prediction matches or overlaps so.
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


def find_errors(
    overlaps: Overlaps, min_score: float, foreground_iou: float = HIT_IOU, background_iou: float = BACKGROUND_IOU
) -> list[Error]:
    """Lists the errors in one image.

    Args:
        overlaps: Of the image.
        min_score: Predictions below it are left out.
        foreground_iou: IoU from which a prediction matches a truth.
        background_iou: IoU from which a prediction is badly localised instead of background.
    """
    image = overlaps.select(rank(overlaps, min_score), np.arange(len(overlaps.truth_ids)))
    matches = match(image, np.array([foreground_iou]))
    truths = matches.truths[0]
    is_wrong = (truths == UNMATCHED) & ~matches.ignored[0]
    own_ious = np.where(image.class_ids[:, None] == image.truth_class_ids, image.ious, 0.0)
    is_localised = own_ious >= background_iou
    is_explained = ((image.ious >= foreground_iou) | is_localised)[is_wrong].any(axis=0)
    is_explained[truths[truths != UNMATCHED]] = True
    alarms = [
        _describe_alarm(image, index, own_ious[index], foreground_iou, bool(is_localised[index].any()))
        for index in np.flatnonzero(is_wrong).tolist()
    ]
    return alarms + [_describe_miss(image, index) for index in np.flatnonzero(~is_explained).tolist()]


def _describe_alarm(
    image: Overlaps, index: int, own_ious: Float[Array, " G"], foreground_iou: float, is_localised: bool
) -> Error:
    """Returns the error of a wrong prediction."""
    ious = image.ious[index]
    nearest = _nearest(ious)
    if own_ious.max(initial=0.0) >= foreground_iou:
        kind = "duplicate"
    elif ious.max(initial=0.0) >= foreground_iou:
        kind = "class"
    elif is_localised:
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
    """Returns the error of a missed truth."""
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
    """Returns the index of the highest IoU; None if all are 0."""
    return int(ious.argmax()) if ious.any() else None


def worst_errors(errors: Iterable[tuple[str, Error]], count: int = 20) -> list[tuple[str, Error]]:
    """Returns the worst errors of each class and kind, the worst first.

    The worst false alarms have the highest scores, the worst misses the largest areas.

    Args:
        errors: With the name of their image.
        count: Maximum number for each class and kind.
    """
    ranked = sorted(errors, key=lambda named: (named[1].class_id, named[1].kind, -named[1].score, -named[1].area))
    groups = groupby(ranked, key=lambda named: (named[1].class_id, named[1].kind))
    return [named for _, group in groups for named in islice(group, count)]
