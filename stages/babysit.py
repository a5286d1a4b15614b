"""Watches the network learn the reduced training split, which it is also judged by, and says whether it learns.

Reads   data/processed/reduced_training.npz, the images below data.root, babysit.start
Writes  tuning/babysit.yaml, plots/history/babysit.csv
Params  data, preprocess, model, sampling, babysit
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import keras
import pandas as pd

from maskrcnn.learning.checkpoints import fingerprint, open_checkpoints
from maskrcnn.project.command import run
from maskrcnn.project.config import Babysit, Data, Model, Preprocess, Sampling
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params
from maskrcnn.tuning.babysitting import judge
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.trial_runner import set_up_runner


def main(root: Path = Path()) -> None:
    """Writes the losses and the verdict; a stopped training goes on with its next epoch.

    Args:
        root: Folder of the repository.
    Raises:
        ValueError: if the loss does not fall far enough.
    """
    params = read_params(root / "params.yaml")
    data = params.section(Data)
    preprocess = params.section(Preprocess)
    model = params.section(Model)
    sampling = params.section(Sampling)
    babysit = params.section(Babysit)
    hyperparameters, schedule = babysit.hyperparameters, babysit.schedule
    bench = set_up_runner(
        root,
        data,
        preprocess,
        model,
        sampling,
        schedule,
        start=babysit.start,
        backbone=babysit.backbone,
        layers=babysit.layers,
        optimizer=hyperparameters.optimizer,
        validation="reduced_training",
    )
    bench.trainer.reset(hyperparameters)
    before = bench.trainer.evaluate(bench.validation)
    files = [root / "data/processed/reduced_training.npz", root / babysit.start]
    name = fingerprint([preprocess, model, sampling, babysit, keras.backend.backend()], files)
    with open_checkpoints(root, "babysit", name) as folder:
        run = bench.train(hyperparameters, schedule.epochs, folder)
    write_text(root / "plots/history/babysit.csv", pd.DataFrame(run.rows).to_csv(index=False))
    write_finding(root / "tuning/babysit.yaml", judge(before, run, babysit.fall))


if __name__ == "__main__":
    run(main, __doc__)
