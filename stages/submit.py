"""Writes the predictions of one variant in the format of the Cityscapes benchmark; not a stage of DVC.

Reads   predictions/<variant>.json, data/processed/test.npz
Writes  submissions/<variant>/
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.data.images import STRETCH
from maskrcnn.data.splits import read_split
from maskrcnn.project.command import run
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_params
from maskrcnn.project.variant_rules import check_variant
from maskrcnn.results.predictions import read_found
from maskrcnn.results.submission import write_submission
from maskrcnn.scoring.cityscapes_ap import IMAGE_SHAPE, official_label_ids


def main(variant: str, root: Path = Path()) -> None:
    """Writes one text file per image and one PNG of 1024 x 2048 per instance of an official class.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.

    Raises:
        InputError: if there is no such variant, or if the images were letterboxed.
    """
    params = read_params(root / "params.yaml")
    check_variant(params, variant)
    records = read_split(root, "test", params)
    if records.fit != STRETCH:
        raise InputError(f"`preprocess.fit` must be {STRETCH} for a submission; got {records.fit}.")
    predictions = read_found(root, variant, records)
    label_ids = official_label_ids(records.catalogue)
    folder = root / f"submissions/{variant}"
    write_submission(folder, records.names, predictions, label_ids, records.image_shape, IMAGE_SHAPE)


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
