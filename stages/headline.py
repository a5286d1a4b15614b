"""Puts the scores of one variant where `dvc metrics diff` compares them between revisions and experiments.

Reads   metrics/test/<headline.variant>.json, metrics/iou/<headline.variant>.json
Writes  metrics/ap.json
Params  headline
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.command import run
from maskrcnn.project.config import Headline
from maskrcnn.project.metrics import read_metrics, write_metrics
from maskrcnn.project.params import read_params

COUNTS = "images"  # how many images hold a class: the same for every variant


def main(root: Path = Path()) -> None:
    """Writes every average precision of the variant as one flat file.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    variant = params.section(Headline).variant
    tables = [
        read_metrics(root / f"metrics/{table}/{variant}.json", f"evaluate@{variant}") for table in ("test", "iou")
    ]
    row = {name: value for name, value in (tables[0] | tables[1]).items() if not name.startswith(COUNTS)}
    write_metrics(root / "metrics/ap.json", row)


if __name__ == "__main__":
    run(main, __doc__)
