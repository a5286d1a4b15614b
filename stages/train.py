"""Trains one variant on the training split.

Reads   data/processed/{training,validation}.npz, the images below data.root, variants.<variant>.start,
        train.hyperparameters
Writes  models/<variant>.h5, plots/history/<variant>.csv, metrics/train/<variant>.json
Params  backend, precision, deterministic, devices,
        data.root, data.licence, preprocess.image_shape, preprocess.instance_cap, model, sampling, train,
        variants.<variant>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.runtime import prepare_runtime

if __name__ == "__main__":
    prepare_runtime()

from maskrcnn.data.splits import check_splits
from maskrcnn.learning.fit import train
from maskrcnn.learning.recipe import Recipe
from maskrcnn.project.command import run
from maskrcnn.project.config import Data, Feeder, Hyperparameters, Model, Preprocess, Sampling, Train, Variant
from maskrcnn.project.params import read_params, read_runtime, read_whole
from maskrcnn.project.rules import read_images_root


def main(variant: str, root: Path = Path()) -> None:
    """Writes the weights of the variant's best epoch; a stopped training is resumed.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    preprocess = params.section(Preprocess)
    settings = params.section(Train)
    hyperparameters = read_whole(Hyperparameters, root / settings.hyperparameters)
    recipe = Recipe(
        images=read_images_root(params, root),
        image_shape=preprocess.image_shape,
        instance_cap=preprocess.instance_cap,
        model=params.section(Model),
        sampling=params.section(Sampling),
        variant=params.section(Variant, f"variants.{variant}"),
        schedule=settings.schedule,
        optimizer=hyperparameters.optimizer,
        hyperparameters=hyperparameters,
        training="training",
        validation="validation",
        runtime=read_runtime(params),
        licence=params.section(Data).licence,
    )
    check_splits(root, params, "training", "validation")
    train(recipe, inputs=root, root=root, stage=f"train/{variant}", name=variant, feeder=params.section(Feeder))


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
