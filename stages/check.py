"""Checks all of params.yaml before anything is drawn, trained or overwritten.

Every stage without an input from another one depends on the file written here. Its content never changes, so a
change of params.yaml runs this check again and nothing that does not read the change.

Writes  data/params_checked.txt
Params  all
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.data.augmentation import check_strengths
from maskrcnn.project.command import run
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params
from maskrcnn.project.rules import check_params


def main(root: Path = Path()) -> None:
    """Writes that params.yaml is valid, or raises.

    Args:
        root: Folder of the repository.

    Raises:
        InputError: naming all faults at once by the full path of their keys.
    """
    study = check_params(read_params(root / "params.yaml"), root)
    for name, variant in study.variants.items():
        check_strengths(variant.augment, f"variants.{name}.augment")
    write_text(root / "data/params_checked.txt", "params.yaml keeps the rules of maskrcnn/project/config.py.\n")


if __name__ == "__main__":
    run(main, __doc__)
