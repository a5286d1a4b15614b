"""The verdict on every object of one image, for pictures: hit, missed or false alarm."""

from typing import NamedTuple

import numpy as np

from maskrcnn.scoring.matching import UNMATCHED, match
from maskrcnn.scoring.overlaps import Overlaps


class Verdicts(NamedTuple):
    """Indices of predictions and truths; predictions in order of falling score.

    Attributes:
        hits: Predictions, each with the truth that it found.
        missed: Truths that no prediction found.
        alarms: Predictions that found no truth.
        ignored: Predictions that lie mostly in a crowd of their class and count neither way.
    """

    hits: list[tuple[int, int]]
    missed: list[int]
    alarms: list[int]
    ignored: list[int]


def judge(overlaps: Overlaps, min_score: float, iou_threshold: float = 0.5) -> Verdicts:
    """Judges one image by the matching of the scores.

    Args:
        overlaps: Of the image.
        min_score: Predictions below it do not exist.
        iou_threshold: What a prediction must share with a truth of its class.
    """
    order = np.argsort(-overlaps.scores, kind="stable")
    kept = order[overlaps.scores[order] >= min_score]
    matches = match(overlaps.select(kept, np.arange(len(overlaps.truth_ids))), np.array([iou_threshold]))
    truths, ignored = matches.truths[0], matches.ignored[0]
    is_hit = truths != UNMATCHED
    found = truths[is_hit].tolist()
    return Verdicts(
        hits=list(zip(kept[is_hit].tolist(), found, strict=True)),
        missed=[truth for truth in range(len(overlaps.truth_ids)) if truth not in found],
        alarms=kept[~is_hit & ~ignored].tolist(),
        ignored=kept[ignored].tolist(),
    )
