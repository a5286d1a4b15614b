"""Checks all of params.yaml before anything is drawn, trained or overwritten.

Every stage without an input from another one depends on the file written here. Its content never changes, so a
change of params.yaml runs this check again and nothing that does not read the change.

Writes  data/params_checked.txt
Params  all
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.command import run
from maskrcnn.project.files import write_text
from maskrcnn.readers.study import check_start_weights, check_study


def main(root: Path = Path()) -> None:
    """Writes that params.yaml is valid, or raises.

    Args:
        root: Folder of the repository.

    Raises:
        InputError: naming all faults of a kind at once by the full path of their keys.
    """
    check_start_weights(check_study(root), root)
    write_text(root / "data/params_checked.txt", "params.yaml keeps the rules of maskrcnn/project/config.py.\n")


if __name__ == "__main__":
    run(main, __doc__)
