"""Puts the scores of one variant where `dvc metrics diff` compares them between revisions and experiments.

Reads   metrics/test/<report.variant>.json, metrics/iou/<report.variant>.json
Writes  metrics/ap.json
Params  report
"""

import json
from pathlib import Path

from maskrcnn.command import run
from maskrcnn.config import Report
from maskrcnn.evaluation.scores import read_scores
from maskrcnn.files import write_text
from maskrcnn.params import read_params

COUNTS = "images"  # how many images hold a class: the same for every variant


def main(root: Path = Path()) -> None:
    """Writes every average precision of the variant as one flat file.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    variant = params.section(Report).variant
    scores = read_scores(root / "metrics/test", variant) | read_scores(root / "metrics/iou", variant)
    row = {name: value for name, value in scores.items() if not name.startswith(COUNTS)}
    write_text(root / "metrics/ap.json", json.dumps(row, indent=2) + "\n")


if __name__ == "__main__":
    run(main, __doc__)
