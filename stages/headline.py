"""Puts the scores of one variant where `dvc metrics diff` compares them between revisions and experiments.

Reads   metrics/{test,classes,iou}/<headline.variant>.json
Writes  metrics/ap.json
Params  headline
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import re

from maskrcnn.project.command import run
from maskrcnn.project.config import Headline
from maskrcnn.project.metrics import Metrics, read_metrics, write_metrics
from maskrcnn.project.params import read_params

AP = r"AP\d\d|rAP|cAP_.*|(cityscapes|coco)_AP(50)?"
TEST_SET = r"images|instances|test_set"  # `dvc metrics diff` prints them where two revisions scored other images


def main(root: Path = Path()) -> None:
    """Writes the averages of all protocols, the per-image AP by class and by IoU, and the test set as one flat file.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    variant = params.section(Headline).variant
    row: Metrics = {}
    for table in ("test", "classes", "iou"):
        row |= read_metrics(root / f"metrics/{table}/{variant}.json", f"evaluate@{variant}")
    kept = {name: value for name, value in row.items() if re.fullmatch(f"{AP}|{TEST_SET}", name)}
    write_metrics(root / "metrics/ap.json", kept)


if __name__ == "__main__":
    run(main, __doc__)
