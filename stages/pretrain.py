"""Draws another synthetic world and trains the demo's start weights on it.

These weights are the demo's substitute for COCO weights. They are kept in git and the stage is frozen, so that
the demo only fine-tunes.

Writes  models/pretrained.h5, plots/history/pretrained.csv, metrics/train/pretrained.json
Params  backend, precision, deterministic, devices,
        data.image_shape, preprocess, model, sampling, pretrain
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.runtime import prepare_runtime

if __name__ == "__main__":
    prepare_runtime()

import tempfile

from rich.progress import track

from maskrcnn.data.records import write_records
from maskrcnn.learning.fit import train
from maskrcnn.learning.recipe import RANDOM, Recipe, records_file
from maskrcnn.project.command import run
from maskrcnn.project.config import Data, Feeder, Model, Preprocess, Pretrain, Sampling, Variant
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_params, read_runtime
from maskrcnn.project.ranges import Shape
from maskrcnn.readers.cityscapes import read_frames
from maskrcnn.readers.splits import build_records
from maskrcnn.street.synthetic import write_cities

LICENCE = "MIT; the images were drawn by this project"
CITIES = 8  # of each folder, so that all cores draw


def main(root: Path = Path()) -> None:
    """Writes the start weights; the drawn world is removed.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    raw_shape = params.section(Data).image_shape
    preprocess = params.section(Preprocess)
    settings = params.section(Pretrain)
    if raw_shape is None:
        raise InputError("`data.image_shape` must be a height and width where images are drawn; got null.")
    recipe = Recipe(
        images=".",
        image_shape=preprocess.image_shape,
        instance_cap=preprocess.instance_cap,
        model=params.section(Model),
        sampling=params.section(Sampling),
        variant=Variant(start=RANDOM, layers="all"),
        schedule=settings.schedule,
        optimizer=settings.hyperparameters.optimizer,
        hyperparameters=settings.hyperparameters,
        training="training",
        validation="validation",
        runtime=read_runtime(params),
        licence=LICENCE,
    )
    with tempfile.TemporaryDirectory(dir=root, prefix=".pretrain_") as folder:
        world = Path(folder)
        draw_split(world, "train", settings.frames, recipe.training, raw_shape, preprocess, settings)
        draw_split(world, "val", settings.validation_frames, recipe.validation, raw_shape, preprocess, settings)
        train(
            recipe,
            inputs=world,
            root=root,
            stage="pretrain",
            name="pretrained",
            kernel_dtype="float16",
            feeder=params.section(Feeder),
        )


def draw_split(
    world: Path, folder: str, count: int, split: str, raw_shape: Shape, preprocess: Preprocess, settings: Pretrain
) -> None:
    """Draws the frames of one folder of the world and writes their records."""
    cities = {f"{folder}{i}": len(range(i, count, CITIES)) for i in range(CITIES)}
    drawn = write_cities(world, {folder: cities}, raw_shape, settings.world, settings.seed)
    for _ in track(drawn, f"Drawing {folder}", total=CITIES):
        pass
    frames, catalogue = read_frames(world, f"leftImg8bit/{folder}", f"gtFine/{folder}", image_shape=raw_shape)
    layout = preprocess.image_shape, preprocess.mini_mask_shape, preprocess.fit
    built = build_records(frames, *layout, instance_maps=False)
    records = list(track(built, "Polygons to records", total=count))
    write_records(world / records_file(split), records, *layout, catalogue)


if __name__ == "__main__":
    run(main, __doc__)
