"""Trains on the reduced training split and validates on the same images: the loss must fall.

Reads   data/processed/reduced_training.npz, the images below data.root, babysit.start
Writes  tuning/babysit/{verdict.yaml,history.csv}
Params  backend, precision, deterministic, devices,
        data.root, preprocess.image_shape, preprocess.instance_cap, sampling, babysit,
        model.backbone_width, model.fpn_channels, model.rpn_channels, model.box_channels, model.mask_channels,
        model.anchor_scales, model.canonical_roi_size, model.num_candidates
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
from maskrcnn.project.config import Babysit, Feeder, Model, Preprocess, Sampling, Variant
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params, read_runtime
from maskrcnn.project.rules import read_images_root
from maskrcnn.tuning.babysitting import judge_learning
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.trial_runner import TrialRunner


def main(root: Path = Path()) -> None:
    """Writes the losses and the verdict; a stopped training continues with its next epoch.

    After a verdict of failure the run is kept: with a lower `babysit.fall` it is judged again without training.

    Args:
        root: Folder of the repository.
    Raises:
        InputError: if the loss does not fall far enough.
    """
    params = read_params(root / "params.yaml")
    preprocess = params.section(Preprocess)
    settings = params.section(Babysit)
    hyperparameters = settings.hyperparameters
    check_splits(root, params, "reduced_training")
    recipe = Recipe(
        images=read_images_root(params, root),
        image_shape=preprocess.image_shape,
        instance_cap=preprocess.instance_cap,
        model=replace(params.section(Model), backbone=settings.backbone),
        sampling=params.section(Sampling),
        variant=Variant(settings.start, settings.layers),
        schedule=settings.schedule,
        optimizer=hyperparameters.optimizer,
        hyperparameters=hyperparameters,
        training="reduced_training",
        validation="reduced_training",
        runtime=read_runtime(params),
    )
    runner = TrialRunner(*assemble(recipe, root, params.section(Feeder)))
    runner.trainer.reset(hyperparameters)
    before = runner.trainer.evaluate(runner.validation)
    with open_checkpoints(root, "babysit", fingerprint_recipe(recipe, root)) as folder:
        training_run = runner.train(hyperparameters, settings.schedule.epochs, folder)
        write_text(root / "tuning/babysit/history.csv", pd.DataFrame(training_run.rows).to_csv(index=False))
        verdict = judge_learning(before, training_run, settings.fall)
        write_finding(root / "tuning/babysit/verdict.yaml", verdict)


if __name__ == "__main__":
    run(main, __doc__)
