"""Writes the predictions of one variant as the Cityscapes benchmark takes them; no stage of DVC.

Reads   predictions/<variant>.json, data/processed/test.npz
Writes  submissions/<variant>/
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.data.cityscapes import CLASS_IDS, CLASS_NAMES, LABEL_IDS
from maskrcnn.data.records import read_records
from maskrcnn.project.command import run
from maskrcnn.results.predictions import read_predictions
from maskrcnn.results.submission import write_submission
from maskrcnn.scoring.cityscapes import VOID_IDS

BENCHMARK_SHAPE = (1024, 2048)


def main(variant: str, root: Path = Path()) -> None:
    """Writes one text file an image and one PNG of 1024 x 2048 an instance, for the eight official classes.

    Args:
        variant: Stem of the predictions.
        root: Folder of the repository.
    """
    records = read_records(root / "data/processed/test.npz")
    predictions = read_predictions(
        root / f"predictions/{variant}.json", len(records), records.image_shape, len(CLASS_NAMES)
    )
    label_ids = {CLASS_IDS[name]: LABEL_IDS[name] for name in CLASS_NAMES[1:] if LABEL_IDS[name] not in VOID_IDS}
    folder = root / f"submissions/{variant}"
    write_submission(folder, records.names, predictions, label_ids, records.image_shape, BENCHMARK_SHAPE)


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
