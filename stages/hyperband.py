"""Searches one optimizer's hyperparameters with Hyperband.

Reads   data/processed/{reduced_training,reduced_validation}.npz, the images below data.root, hyperband.start,
        tuning/coarse_best.yaml
Writes  tuning/hyperband/<optimizer>.yaml, plots/hyperband/<optimizer>.csv
Params  data, preprocess, model, sampling, hyperband, search.<optimizer>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

import keras
import pandas as pd

from maskrcnn.learning.checkpoints import fingerprint, open_checkpoints
from maskrcnn.project.command import run
from maskrcnn.project.config import Data, Hyperband, Model, Preprocess, Sampling, SearchSpace
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params
from maskrcnn.tuning.comparison import CoarseBest
from maskrcnn.tuning.findings import read_finding, write_finding
from maskrcnn.tuning.hyperband import HyperbandSearch, is_worker
from maskrcnn.tuning.trial_runner import set_up_runner
from maskrcnn.tuning.trials import Search, find_best


def main(optimizer: str, root: Path = Path()) -> None:
    """Writes all trials and the two best; a stopped search goes on with the next epoch of its trial.

    Args:
        optimizer: A key of the section `search`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    data = params.section(Data)
    preprocess = params.section(Preprocess)
    model = params.section(Model)
    sampling = params.section(Sampling)
    settings = params.section(Hyperband)
    space = params.section(SearchSpace, f"search.{optimizer}")
    space = fill_space(space, optimizer, root)
    set_up = partial(
        set_up_runner,
        root,
        data,
        preprocess,
        model,
        sampling,
        settings.schedule,
        start=settings.start,
        backbone=model.backbone,
        layers=settings.layers,
        optimizer=optimizer,
    )
    files = [root / f"data/processed/reduced_{split}.npz" for split in ("training", "validation")]
    followed = [preprocess, model, sampling, settings, space, keras.backend.backend()]
    name = fingerprint(followed, [*files, root / settings.start])
    with open_folder(root, optimizer, name) as folder:
        search = HyperbandSearch(set_up, optimizer, space, settings, folder)
        search.search(verbose=0)
        if not is_worker():
            trials = search.table()
            history = pd.DataFrame(search.history())
            write_finding(
                root / f"tuning/hyperband/{optimizer}.yaml", Search(optimizer, space, find_best(trials), trials)
            )
            write_text(root / f"plots/hyperband/{optimizer}.csv", history.to_csv(index=False))


def fill_space(space: SearchSpace, optimizer: str, root: Path) -> SearchSpace:
    """Returns the ranges with the coarse interval in the place of missing learning rates."""
    if space.learning_rate:
        return space
    coarse = read_finding(CoarseBest, root / "tuning/coarse_best.yaml", "coarse_best")
    if optimizer not in coarse.intervals:
        raise ValueError(f"`search.{optimizer}.learning_rate` must be given; no candidate has this optimizer.")
    interval = coarse.intervals[optimizer]
    return replace(space, learning_rate=(interval.low, interval.high))


def open_folder(root: Path, optimizer: str, name: str) -> AbstractContextManager[Path]:
    """Gives the folder of the runs: to the chief alone, or to a worker beside the chief, who removes it."""
    if is_worker():
        return nullcontext(Path(os.environ.get("DVC_ROOT", root)) / "checkpoints/hyperband" / optimizer / name)
    return open_checkpoints(root, f"hyperband/{optimizer}", name)


if __name__ == "__main__":
    run(main, __doc__, optimizer="a key of the section `search` of params.yaml")
