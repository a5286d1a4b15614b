"""Trains one candidate at every learning rate of the coarse comparison, all in one process.

Reads   data/processed/{reduced_training,reduced_validation}.npz, the images below data.root,
        candidates.<candidate>.start
Writes  tuning/coarse/<candidate>.yaml, plots/coarse/<candidate>.csv
Params  data, preprocess, model, sampling, coarse, candidates.<candidate>
"""

import argparse
from pathlib import Path

import keras
import pandas as pd

from maskrcnn.config import (
    Candidate,
    Coarse,
    Data,
    Hyperparameters,
    Model,
    Preprocess,
    Sampling,
    read_params,
    read_section,
)
from maskrcnn.files import write_text
from maskrcnn.training.checkpoints import fingerprint, open_checkpoints
from maskrcnn.tuning.bench import Bench, set_up_bench
from maskrcnn.tuning.comparison import Sweep, summarize
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.runs import Run


def main(candidate: str, root: Path = Path()) -> None:
    """Writes the losses at every rate; a stopped stage goes on with the next epoch of its rate.

    Args:
        candidate: A key of the section `candidates`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    data = read_section(Data, params.get("data"), "data")
    preprocess = read_section(Preprocess, params.get("preprocess"), "preprocess")
    model = read_section(Model, params.get("model"), "model")
    sampling = read_section(Sampling, params.get("sampling"), "sampling")
    coarse = read_section(Coarse, params.get("coarse"), "coarse")
    settings = read_section(Candidate, params.get("candidates", {}).get(candidate), f"candidates.{candidate}")
    bench = set_up_bench(
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


def train_rates(bench: Bench, coarse: Coarse, optimizer: str, folder: Path) -> dict[float, Run]:
    """Returns the run of every learning rate; one that diverges ends there, and the next begins."""
    runs = {}
    for rate in coarse.learning_rates:
        print(f"Learning rate {rate:g}", flush=True)
        hyperparameters = Hyperparameters(optimizer, rate, coarse.momentum, coarse.weight_decay)
        runs[rate] = bench.train(hyperparameters, coarse.schedule.epochs, folder)
    return runs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains one candidate at every learning rate.")
    parser.add_argument("candidate", help="a key of the section `candidates` of params.yaml")
    main(parser.parse_args().candidate)
