"""Trains one variant on the training split.

Reads   data/processed/{training,validation}.npz, the images below data.root, variants.<variant>.start,
        train.hyperparameters
Writes  models/<variant>.h5, plots/history/<variant>.csv, metrics/train/<variant>.json
Params  data, preprocess, model, sampling, train, variants.<variant>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import json
from dataclasses import asdict
from functools import partial

import keras

from maskrcnn.data.batches import Batches
from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.data.records import read_records
from maskrcnn.learning.checkpoints import fingerprint, open_checkpoints
from maskrcnn.learning.fit import fit
from maskrcnn.learning.trainer import Trainer, fix_randomness
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.weights import read_weights, write_weights
from maskrcnn.project.command import run
from maskrcnn.project.config import Data, Hyperparameters, Model, Preprocess, Sampling, Train, Variant
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params, read_whole


def main(variant: str, root: Path = Path()) -> None:
    """Writes the weights of the variant's best epoch; a stopped training goes on where it was.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    data = params.section(Data)
    preprocess = params.section(Preprocess)
    model = params.section(Model)
    sampling = params.section(Sampling)
    train = params.section(Train)
    settings = params.section(Variant, f"variants.{variant}")
    hyperparameters = read_whole(Hyperparameters, root / train.hyperparameters)
    schedule = train.schedule

    fix_randomness(schedule.seed)
    paths = [root / f"data/processed/{split}.npz" for split in ("training", "validation")]
    batches = partial(
        Batches, root=root / data.root, batch_size=schedule.batch_size, instance_cap=preprocess.instance_cap
    )
    training = batches(read_records(paths[0]), steps=schedule.steps, seed=schedule.seed, augment=settings.augment)
    validation = batches(read_records(paths[1]), steps=schedule.validation_steps)
    network = build_mask_rcnn(image_shape=preprocess.image_shape, class_count=len(CLASS_NAMES), **asdict(model))
    read_weights(network, root / settings.start)
    trainer = Trainer(
        network,
        training,
        layers=settings.layers,
        optimizer=hyperparameters.optimizer,
        sampling=sampling,
        seed=schedule.seed,
        frozen=settings.frozen,
        loss_weights=settings.loss_weights,
        live_batch_norm=schedule.live_batch_norm,
    )
    followed = [preprocess, model, sampling, train, settings, hyperparameters, keras.backend.backend()]
    name = fingerprint(followed, [*paths, root / settings.start])
    with open_checkpoints(root, f"train/{variant}", name) as checkpoints:
        best = fit(
            trainer,
            training,
            validation,
            hyperparameters=hyperparameters,
            schedule=schedule,
            history=root / f"plots/history/{variant}.csv",
            checkpoints=checkpoints,
            live=root / f"live/{variant}",
        )
        write_weights(network, root / f"models/{variant}.h5")
        write_text(root / f"metrics/train/{variant}.json", json.dumps(best, indent=2) + "\n")


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
