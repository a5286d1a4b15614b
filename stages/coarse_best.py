"""Compares the candidates at their best learning rates, and picks each optimizer's interval of learning rates.

Reads   tuning/coarse/<candidate>/sweep.yaml of every candidate
Writes  tuning/coarse_best.yaml
Params  candidates, coarse.comparisons, model.backbone, hyperband.start, variants.base.start
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.command import run
from maskrcnn.project.config import Candidate, Coarse, Hyperband, Model, Variant
from maskrcnn.project.params import read_params
from maskrcnn.project.tuning_rules import check_comparisons
from maskrcnn.tuning.candidates import (
    CoarseBest,
    choose,
    compare,
    find_changes,
    find_interval,
)
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.sweeps import read_sweep


def main(root: Path = Path()) -> None:
    """Writes who won and why, and each optimizer's interval of learning rates; prints which params to change.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    coarse = params.section(Coarse)
    candidates = {name: params.section(Candidate, f"candidates.{name}") for name in params.values["candidates"]}
    variants = {name: params.section(Variant, f"variants.{name}") for name in params.values["variants"]}
    check_comparisons(coarse.comparisons, candidates)
    sweeps = {name: read_sweep(root, name) for name in candidates}
    comparisons = {
        aspect: compare({name: sweeps[name] for name in names}) for aspect, names in coarse.comparisons.items()
    }
    optimizers = sorted({candidate.optimizer for candidate in candidates.values()})
    intervals = {optimizer: find_interval(optimizer, sweeps) for optimizer in optimizers}
    winner = choose(comparisons, sweeps)
    changes = find_changes(winner, params.section(Model), params.section(Hyperband), variants)
    write_finding(root / "tuning/coarse_best.yaml", CoarseBest(winner, not changes, comparisons, intervals))
    if changes:
        lines = [f"{winner.backbone} from {winner.start} won. To use it, set in params.yaml:"]
        print("\n".join(lines + [f"  {key}: {value}" for key, value in changes.items()]))


if __name__ == "__main__":
    run(main, __doc__)
