"""Trains one candidate at every learning rate of the coarse comparison, all in one process.

Reads   data/processed/{reduced_training,reduced_validation}.npz, the images below data.root,
        candidates.<candidate>.start
Writes  tuning/coarse/<candidate>/{sweep.yaml,history.csv}
Params  backend, precision, deterministic, devices,
        data.root, preprocess.image_shape, preprocess.instance_cap, sampling, candidates.<candidate>,
        model.backbone_width, model.fpn_channels, model.rpn_channels, model.box_channels, model.mask_channels,
        model.anchor_scales, model.canonical_roi_size, model.num_candidates,
        coarse.layers, coarse.learning_rates, coarse.momentum, coarse.weight_decay, coarse.schedule
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.runtime import prepare_runtime

if __name__ == "__main__":
    prepare_runtime()

from dataclasses import replace

import pandas as pd

from maskrcnn.data.splits import check_splits
from maskrcnn.learning.checkpoints import open_checkpoints
from maskrcnn.learning.recipe import Recipe, assemble, fingerprint_recipe
from maskrcnn.project.command import run
from maskrcnn.project.config import Candidate, Coarse, Feeder, Hyperparameters, Model, Preprocess, Sampling, Variant
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params, read_runtime
from maskrcnn.project.rules import read_images_root
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.sweeps import SWEEP_FILE, Sweep, summarize, sweep_folder
from maskrcnn.tuning.training_runs import TrainingRun
from maskrcnn.tuning.trial_runner import TrialRunner


def main(candidate: str, root: Path = Path()) -> None:
    """Writes the losses at every rate; a stopped stage continues with the next epoch of its rate.

    Args:
        candidate: A key of the section `candidates`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    preprocess = params.section(Preprocess)
    coarse = params.section(Coarse)
    settings = params.section(Candidate, f"candidates.{candidate}")
    check_splits(root, params, "reduced_training", "reduced_validation")
    recipe = Recipe(
        images=read_images_root(params, root),
        image_shape=preprocess.image_shape,
        instance_cap=preprocess.instance_cap,
        model=replace(params.section(Model), backbone=settings.backbone),
        sampling=params.section(Sampling),
        variant=Variant(settings.start, coarse.layers),
        schedule=coarse.schedule,
        optimizer=settings.optimizer,
        hyperparameters=None,
        training="reduced_training",
        validation="reduced_validation",
        runtime=read_runtime(params),
    )
    runner = TrialRunner(*assemble(recipe, root, params.section(Feeder)))
    with open_checkpoints(root, f"coarse/{candidate}", fingerprint_recipe(recipe, root)) as folder:
        runs = train_rates(runner, coarse, settings.optimizer, folder)
        rows = [{"learning_rate": rate} | row for rate, training_run in runs.items() for row in training_run.rows]
        sweep = Sweep(settings, [summarize(rate, training_run) for rate, training_run in runs.items()])
        write_text(sweep_folder(root, candidate) / "history.csv", pd.DataFrame(rows).to_csv(index=False))
        write_finding(sweep_folder(root, candidate) / SWEEP_FILE, sweep)


def train_rates(runner: TrialRunner, coarse: Coarse, optimizer: str, folder: Path) -> dict[float, TrainingRun]:
    """Returns the run of every learning rate; a run that diverges ends there."""
    runs = {}
    for rate in coarse.learning_rates:
        print(f"Learning rate {rate:g}", flush=True)
        hyperparameters = Hyperparameters(optimizer, rate, coarse.momentum, coarse.weight_decay)
        runs[rate] = runner.train(hyperparameters, coarse.schedule.epochs, folder)
    return runs


if __name__ == "__main__":
    run(main, __doc__, candidate="a key of the section `candidates` of params.yaml")
