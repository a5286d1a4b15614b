"""`maskrcnn experiments`: a table of DVC's experiments that fits into a terminal.

`dvc exp show` has a column for each parameter, each score of each variant and each file.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dvc.api import exp_show
from dvc.exceptions import DvcException
from dvc.scm import SCMError
from rich import box
from rich.console import Console
from rich.table import Table

from maskrcnn.project.errors import InputError

SCORES = ("AP50", "rAP", "cityscapes_AP", "coco_AP")
COLUMNS = frozenset({"Experiment", "rev", "typ", "Created", "parent", "State", "Executor"})

HASH = r"[0-9a-f]{32}(\.dir)?"  # of a dependency without a folder

Row = Mapping[str, Any]


def main(variant: str) -> int:
    """Prints the table of this repository.

    Args:
        variant: Whose scores.
    Returns:
        The exit code.
    Raises:
        InputError: outside a repository of git and DVC.
    """
    try:
        rows = exp_show()
    except (DvcException, SCMError) as fault:
        raise InputError(f"`maskrcnn experiments` must run in a repository of git and DVC; got {fault}.") from fault
    Console().print(make_table(rows, variant))
    return 0


def make_table(rows: Iterable[Row], variant: str) -> Table:
    """Returns the experiments, each with its scores and the parameters that differ from the last commit.

    Args:
        rows: Of `dvc.api.exp_show`: the working tree, the last commit, the experiments.
        variant: Whose scores.
    """
    caption = f"Scores of the variant {variant}; --variant NAME shows those of another one."
    table = Table("experiment", box=box.SIMPLE, caption=caption, caption_justify="left")
    for score in SCORES:
        table.add_column(score, justify="right")
    table.add_column("what it changes", overflow="fold")
    workspace, *others = rows
    baseline = others[0] if others else workspace
    for row in (workspace, *others):
        scores = (row.get(f"metrics/test/{variant}.json:{score}") for score in SCORES)
        cells = ["-" if score is None else f"{score:.4f}" for score in scores]
        table.add_row(str(row["Experiment"] or row["rev"]), *cells, "\n".join(list_changes(row, baseline)))
    return table


def list_changes(row: Row, baseline: Row) -> list[str]:
    """Returns the parameters of an experiment that the baseline has with another value, or has not."""
    names = [name for name in {**baseline, **row} if name not in COLUMNS and "/" not in name]
    changed = [name for name in names if row.get(name) != baseline.get(name)]
    return [f"{name}: {row.get(name, 'removed')}" for name in changed if not re.fullmatch(HASH, str(row.get(name)))]
