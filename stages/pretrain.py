"""Draws another synthetic world and trains the demo's start weights on it.

The file plays the part that COCO weights play at full scale. It is kept in git and the stage is frozen,
so that the demo only fine-tunes.

Writes  models/pretrained.h5, plots/history/pretrained.csv, metrics/train/pretrained.json
Params  data, preprocess, model, sampling, pretrain
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import json
import tempfile
from dataclasses import asdict
from functools import partial

import keras
from rich.progress import track

from maskrcnn.data.batches import Batches
from maskrcnn.data.cityscapes import CITYSCAPES, read_frames
from maskrcnn.data.records import Records, read_records, write_records
from maskrcnn.data.splits import build_records
from maskrcnn.learning.checkpoints import fingerprint, open_checkpoints
from maskrcnn.learning.fit import fit
from maskrcnn.learning.trainer import Trainer, fix_randomness
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.weights import write_weights
from maskrcnn.project.command import run
from maskrcnn.project.config import Data, Model, Preprocess, Pretrain, Sampling, Shape
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params
from maskrcnn.street.synthetic import write_cities

CITIES = 8  # of each folder, so that all cores draw


def main(root: Path = Path()) -> None:
    """Writes the start weights; the drawn world is thrown away.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    data = params.section(Data)
    preprocess = params.section(Preprocess)
    model = params.section(Model)
    sampling = params.section(Sampling)
    settings = params.section(Pretrain)
    schedule = settings.schedule
    if data.image_shape is None:
        raise ValueError("`data.image_shape` must be a height and width where images are drawn; got null.")

    fix_randomness(schedule.seed)
    network = build_mask_rcnn(
        image_shape=preprocess.image_shape, class_count=len(CITYSCAPES.class_names), **asdict(model)
    )
    name = fingerprint([data, preprocess, model, sampling, settings, keras.backend.backend()], [])
    with (
        open_checkpoints(root, "pretrain", name) as checkpoints,
        tempfile.TemporaryDirectory(dir=root, prefix=".pretrain_") as folder,
    ):
        drawn = Path(folder)
        records, validation_records = draw_world(drawn, data.image_shape, preprocess, settings)
        batches = partial(Batches, root=drawn, batch_size=schedule.batch_size, instance_cap=preprocess.instance_cap)
        training = batches(records, steps=schedule.steps, seed=schedule.seed)
        trainer = Trainer(
            network,
            training,
            layers="all",
            optimizer=settings.hyperparameters.optimizer,
            sampling=sampling,
            seed=schedule.seed,
            live_batch_norm=schedule.live_batch_norm,
        )
        best = fit(
            trainer,
            training,
            batches(validation_records, steps=schedule.validation_steps),
            hyperparameters=settings.hyperparameters,
            schedule=schedule,
            history=root / "plots/history/pretrained.csv",
            checkpoints=checkpoints,
            live=root / "live/pretrained",
        )
        write_weights(network, root / "models/pretrained.h5", kernel_dtype="float16")
        write_text(root / "metrics/train/pretrained.json", json.dumps(best, indent=2) + "\n")


def draw_world(folder: Path, raw_shape: Shape, preprocess: Preprocess, settings: Pretrain) -> tuple[Records, Records]:
    """Draws the world into a folder and returns its training and validation split."""
    splits = []
    layout = preprocess.image_shape, preprocess.mini_mask_shape, preprocess.fit
    for split, count in (("train", settings.frames), ("val", settings.validation_frames)):
        cities = {f"{split}{i}": len(range(i, count, CITIES)) for i in range(CITIES)}
        drawn = write_cities(folder, {split: cities}, raw_shape, settings.world, settings.seed)
        for _ in track(drawn, f"Drawing {split}", total=CITIES):
            pass
        frames, catalogue = read_frames(folder, f"leftImg8bit/{split}", f"gtFine/{split}", image_shape=raw_shape)
        built = build_records(frames, *layout, instance_maps=False)
        records = list(track(built, "Polygons to records", total=count))
        write_records(folder / f"{split}.npz", records, *layout, catalogue)
        splits.append(read_records(folder / f"{split}.npz"))
    return splits[0], splits[1]


if __name__ == "__main__":
    run(main, __doc__)
