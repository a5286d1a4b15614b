"""Selects the hyperparameters of the final trainings, and notes where they come from.

Reads   tuning/hyperband/<optimizer>/search.yaml of every optimizer that is searched
Writes  tuning/selected.yaml, tuning/selected_why.yaml
Params  search, select

The script of the stage `select`; a file of that name would hide the module of the standard library.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.command import run
from maskrcnn.project.config import Select
from maskrcnn.project.params import read_params
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.selection import select
from maskrcnn.tuning.trials import read_search


def main(root: Path = Path()) -> None:
    """Writes the hyperparameters, and where they come from in a second file.

    The trainings depend on the first file alone: a value of `select` that equals the found one changes only
    the second, and nothing is trained again.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    overrule = params.section(Select)
    searches = {name: read_search(root, name) for name in params.values["search"]}
    hyperparameters, selection = select(searches, overrule)
    write_finding(root / "tuning/selected_why.yaml", selection)
    write_finding(root / "tuning/selected.yaml", hyperparameters)


if __name__ == "__main__":
    run(main, __doc__)
