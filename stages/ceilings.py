"""Scores the test truth after it passed through mini-masks: the best scores that a network could reach.

Reads   data/processed/test.npz
Writes  metrics/ceilings/{28,56}.json
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.data.records import Records
from maskrcnn.data.splits import read_split
from maskrcnn.project.command import run
from maskrcnn.project.metrics import write_metrics
from maskrcnn.project.params import read_params
from maskrcnn.scoring.average_precision import PerImageAP, score_per_image
from maskrcnn.scoring.ceilings import squeeze_truth
from maskrcnn.scoring.matches import Matches, match
from maskrcnn.scoring.overlaps import find_regions, measure_overlaps
from maskrcnn.scoring.rows import iou_row, known, per_image_row
from maskrcnn.scoring.threads import map_in_threads

SIDES = (28, 56)  # of the mask head's output, and of the mini-masks that it learns from


def main(root: Path = Path()) -> None:
    """Writes the per-image scores of the truth squeezed through mini-masks, one file per size.

    Args:
        root: Folder of the repository.
    """
    records = read_split(root, "test", read_params(root / "params.yaml"))
    for side in SIDES:
        scores = score_squeezed(records, side)
        row = known({"rAP": scores.range_ap}) | iou_row(scores)
        row |= per_image_row(scores, records.catalogue.class_names, records.digest)
        write_metrics(root / f"metrics/ceilings/{side}.json", row)


def score_squeezed(records: Records, side: int) -> PerImageAP:
    """Returns the per-image scores of the truth squeezed through masks of `side` x `side`."""

    def match_image(index: int) -> Matches:
        instance_map = records.instance_map(index)
        regions = find_regions(instance_map, records.catalogue)
        return match(measure_overlaps(regions, squeeze_truth(instance_map, regions, (side, side))))

    matches = map_in_threads(match_image, len(records), f"Masks of {side} x {side}")
    return score_per_image(matches, len(records.catalogue.class_names))


if __name__ == "__main__":
    run(main, __doc__)
