"""Draws what the tuning found: candidates by learning rate, and the trials of every search.

Reads   tuning/{coarse,hyperband}/
Writes  plots/{sweeps,trials}.png
Params  candidates, search
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from dataclasses import asdict

from maskrcnn.pictures.charts import draw_sweeps, draw_trials
from maskrcnn.pictures.panels import write_figure
from maskrcnn.project.command import run
from maskrcnn.project.params import read_params
from maskrcnn.tuning.comparison import Sweep
from maskrcnn.tuning.findings import read_finding
from maskrcnn.tuning.trials import Search


def main(root: Path = Path()) -> None:
    """Writes both charts.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    sweeps, searches = {}, {}
    for name in params.values["candidates"]:
        sweep = read_finding(Sweep, root / f"tuning/coarse/{name}.yaml", f"coarse@{name}")
        sweeps[name] = [asdict(rate) for rate in sweep.rates]
    for name in params.values["search"]:
        search = read_finding(Search, root / f"tuning/hyperband/{name}.yaml", f"hyperband@{name}")
        searches[name] = [asdict(trial) for trial in search.trials]
    write_figure(root / "plots/sweeps.png", draw_sweeps(sweeps))
    write_figure(root / "plots/trials.png", draw_trials(searches))


if __name__ == "__main__":
    run(main, __doc__)
