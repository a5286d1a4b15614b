"""Compares the candidates at their best learning rates: which start, backbone and optimizer, and where to search on.

Reads   tuning/coarse/<candidate>.yaml of every candidate
Writes  tuning/coarse_best.yaml
Params  candidates, coarse, model.backbone, variants.base.start
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.command import run
from maskrcnn.project.config import Candidate, Coarse, Model, Variant
from maskrcnn.project.params import read_params
from maskrcnn.tuning.comparison import CoarseBest, Sweep, check_comparisons, choose, compare, find_interval
from maskrcnn.tuning.findings import read_finding, write_finding


def main(root: Path = Path()) -> None:
    """Writes who won and why, and each optimizer's interval of learning rates.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    coarse = params.section(Coarse)
    model = params.section(Model)
    base = params.section(Variant, "variants.base")
    candidates = {name: params.section(Candidate, f"candidates.{name}") for name in params.values["candidates"]}
    check_comparisons(coarse.comparisons, candidates)
    sweeps = {name: read_finding(Sweep, root / f"tuning/coarse/{name}.yaml", f"coarse@{name}") for name in candidates}
    comparisons = {
        aspect: compare({name: sweeps[name] for name in names}) for aspect, names in coarse.comparisons.items()
    }
    optimizers = sorted({candidate.optimizer for candidate in candidates.values()})
    intervals = {optimizer: find_interval(optimizer, sweeps) for optimizer in optimizers}
    winner = choose(comparisons, sweeps)
    follows = (winner.start, winner.backbone) == (base.start, model.backbone)
    write_finding(root / "tuning/coarse_best.yaml", CoarseBest(winner, follows, comparisons, intervals))
    if not follows:
        print(
            f"The final trainings are set to {model.backbone} from {base.start}; {winner.backbone} from "
            f"{winner.start} won. See `model.backbone` and `variants.base.start` of params.yaml."
        )


if __name__ == "__main__":
    run(main, __doc__)
