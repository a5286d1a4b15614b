"""Trains one candidate at every learning rate of the coarse comparison, all in one process.

Reads   data/processed/{reduced_training,reduced_validation}.npz, the images below data.root,
        candidates.<candidate>.start
Writes  tuning/coarse/<candidate>.yaml, plots/coarse/<candidate>.csv
Params  data, preprocess, model, sampling, coarse, candidates.<candidate>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import keras
import pandas as pd

from maskrcnn.learning.checkpoints import fingerprint, open_checkpoints
from maskrcnn.project.command import run
from maskrcnn.project.config import Candidate, Coarse, Data, Hyperparameters, Model, Preprocess, Sampling
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params
from maskrcnn.tuning.comparison import Sweep, summarize
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.runs import Run
from maskrcnn.tuning.trial_runner import TrialRunner, set_up_runner


def main(candidate: str, root: Path = Path()) -> None:
    """Writes the losses at every rate; a stopped stage goes on with the next epoch of its rate.

    Args:
        candidate: A key of the section `candidates`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    data = params.section(Data)
    preprocess = params.section(Preprocess)
    model = params.section(Model)
    sampling = params.section(Sampling)
    coarse = params.section(Coarse)
    settings = params.section(Candidate, f"candidates.{candidate}")
    bench = set_up_runner(
        root,
        data,
        preprocess,
        model,
        sampling,
        coarse.schedule,
        start=settings.start,
        backbone=settings.backbone,
        layers=coarse.layers,
        optimizer=settings.optimizer,
    )
    files = [root / f"data/processed/reduced_{split}.npz" for split in ("training", "validation")]
    followed = [preprocess, model, sampling, coarse, settings, keras.backend.backend()]
    name = fingerprint(followed, [*files, root / settings.start])
    with open_checkpoints(root, f"coarse/{candidate}", name) as folder:
        runs = train_rates(bench, coarse, settings.optimizer, folder)
        rows = [{"learning_rate": rate} | row for rate, run in runs.items() for row in run.rows]
        write_text(root / f"plots/coarse/{candidate}.csv", pd.DataFrame(rows).to_csv(index=False))
        sweep = Sweep(settings, [summarize(rate, run) for rate, run in runs.items()])
        write_finding(root / f"tuning/coarse/{candidate}.yaml", sweep)


def train_rates(bench: TrialRunner, coarse: Coarse, optimizer: str, folder: Path) -> dict[float, Run]:
    """Returns the run of every learning rate; one that diverges ends there, and the next begins."""
    runs = {}
    for rate in coarse.learning_rates:
        print(f"Learning rate {rate:g}", flush=True)
        hyperparameters = Hyperparameters(optimizer, rate, coarse.momentum, coarse.weight_decay)
        runs[rate] = bench.train(hyperparameters, coarse.schedule.epochs, folder)
    return runs


if __name__ == "__main__":
    run(main, __doc__, candidate="a key of the section `candidates` of params.yaml")
