"""Scores the test truth squeezed through mini-masks: what a perfect network could reach.

Reads   data/processed/test.npz
Writes  metrics/ceilings/{28,56}.json
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import json
import os
from concurrent.futures import ThreadPoolExecutor

from rich.progress import track

from maskrcnn.data.cityscapes import CLASS_IDS, CLASS_NAMES, LABEL_IDS
from maskrcnn.data.mini_masks import resize_mask
from maskrcnn.data.records import Records, read_records
from maskrcnn.project.command import run
from maskrcnn.project.files import write_text
from maskrcnn.scoring.average_precision import PerImageScores, score_per_image
from maskrcnn.scoring.ceilings import squeeze_truth
from maskrcnn.scoring.matching import Matches, match
from maskrcnn.scoring.overlaps import measure_overlaps
from maskrcnn.scoring.regions import find_regions
from maskrcnn.scoring.tables import iou_row, per_image_row

CLASSES = {LABEL_IDS[name]: class_id for name, class_id in CLASS_IDS.items() if class_id}
SIDES = (28, 56)  # of the mask head's output, and of the mini-masks that it learns from


def main(root: Path = Path()) -> None:
    """Writes the per-image scores of squeezed truth, one file a side.

    Args:
        root: Folder of the repository.
    """
    records = read_records(root / "data/processed/test.npz")
    for side in SIDES:
        scores = score_squeezed(records, side)
        row = {"rAP": scores.range_ap, **iou_row(scores), **per_image_row(scores, CLASS_NAMES)}
        write_text(root / f"metrics/ceilings/{side}.json", json.dumps(row, indent=2) + "\n")


def score_squeezed(records: Records, side: int) -> PerImageScores:
    """Returns the per-image scores of the truth through masks of `side` x `side`."""

    def match_image(index: int) -> Matches:
        regions = find_regions(records.instance_map(index))
        squeezed = squeeze_truth(regions, CLASSES, (side, side), resize_mask)
        return match(measure_overlaps(regions, squeezed, CLASSES, frozenset()))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        images = pool.map(match_image, range(len(records)))
        matches = list(track(images, f"Masks of {side} x {side}", total=len(records)))
    return score_per_image(matches, len(CLASS_NAMES))


if __name__ == "__main__":
    run(main, __doc__)
