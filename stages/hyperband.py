"""Searches one optimizer's hyperparameters with Hyperband.

Reads   data/processed/{reduced_training,reduced_validation}.npz, the images below data.root, hyperband.start,
        tuning/coarse_best.yaml
Writes  tuning/hyperband/<optimizer>/{search.yaml,history.csv}
Params  backend, precision, deterministic, devices,
        data.root, preprocess.image_shape, preprocess.instance_cap, model, sampling, hyperband, search.<optimizer>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.runtime import prepare_runtime

if __name__ == "__main__":
    prepare_runtime()

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pandas as pd

from maskrcnn.data.splits import check_splits
from maskrcnn.learning.checkpoints import checkpoints_folder, open_checkpoints
from maskrcnn.learning.recipe import Recipe, assemble, fingerprint_recipe
from maskrcnn.project.command import run
from maskrcnn.project.config import Feeder, Hyperband, Model, Preprocess, Sampling, SearchSpace, Variant
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params, read_runtime
from maskrcnn.project.rules import read_images_root
from maskrcnn.tuning.candidates import CoarseBest
from maskrcnn.tuning.findings import read_finding, write_finding
from maskrcnn.tuning.hyperband import HyperbandSearch, is_worker
from maskrcnn.tuning.trial_runner import TrialRunner
from maskrcnn.tuning.trials import SEARCH_FILE, Search, find_best, search_folder


def main(optimizer: str, root: Path = Path()) -> None:
    """Writes all trials and the two best; a stopped search continues with the next epoch of its trial.

    Args:
        optimizer: A key of the section `search`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    preprocess = params.section(Preprocess)
    settings = params.section(Hyperband)
    space = params.section(SearchSpace, f"search.{optimizer}")
    space = fill_space(space, optimizer, root)
    check_splits(root, params, "reduced_training", "reduced_validation")
    recipe = Recipe(
        images=read_images_root(params, root),
        image_shape=preprocess.image_shape,
        instance_cap=preprocess.instance_cap,
        model=params.section(Model),
        sampling=params.section(Sampling),
        variant=Variant(settings.start, settings.layers),
        schedule=settings.schedule,
        optimizer=optimizer,
        hyperparameters=None,
        training="reduced_training",
        validation="reduced_validation",
        runtime=read_runtime(params),
    )
    feeder = params.section(Feeder)
    with open_folder(root, f"hyperband/{optimizer}", fingerprint_recipe(recipe, root)) as folder:
        search = HyperbandSearch(
            lambda: TrialRunner(*assemble(recipe, root, feeder)), optimizer, space, settings, folder
        )
        search.search(verbose=0)
        if not is_worker():
            trials, history = search.table(), search.history()
            write_text(search_folder(root, optimizer) / "history.csv", pd.DataFrame(history).to_csv(index=False))
            write_finding(search_folder(root, optimizer) / SEARCH_FILE, Search(space, find_best(trials), trials))


def fill_space(space: SearchSpace, optimizer: str, root: Path) -> SearchSpace:
    """Returns the ranges; missing learning rates are those of the coarse interval."""
    if space.learning_rate:
        return space
    coarse = read_finding(CoarseBest, root / "tuning/coarse_best.yaml", "coarse_best")
    if optimizer not in coarse.intervals:
        raise InputError(f"`search.{optimizer}.learning_rate` must be given; no candidate has this optimizer.")
    interval = coarse.intervals[optimizer]
    return replace(space, learning_rate=(interval.low, interval.high))


def open_folder(root: Path, stage: str, name: str) -> AbstractContextManager[Path]:
    """Opens the folder of the runs: a worker shares that of the chief, who locks and removes it."""
    if is_worker():
        return nullcontext(checkpoints_folder(root, stage, name))
    return open_checkpoints(root, stage, name)


if __name__ == "__main__":
    run(main, __doc__, optimizer="a key of the section `search` of params.yaml")
