"""Trains one variant on the training split.

Reads   data/processed/{training,validation}.npz, the images below data.root, variants.<variant>.start
Writes  models/<variant>.h5, plots/history/<variant>.csv, metrics/train/<variant>.json
Params  data, preprocess, model, sampling, train, variants.<variant>
"""

import argparse
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

from maskrcnn.config import Data, Model, Preprocess, Sampling, Schedule, Variant, read_params, read_section
from maskrcnn.data.batches import Batches
from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.data.records import read_records
from maskrcnn.files import write_text
from maskrcnn.model import build_mask_rcnn
from maskrcnn.training import fit, fix_randomness
from maskrcnn.weights import read_weights, write_weights


def main(variant: str, root: Path = Path()) -> None:
    """Writes the weights of the variant's best epoch.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    data = read_section(Data, params.get("data"), "data")
    preprocess = read_section(Preprocess, params.get("preprocess"), "preprocess")
    model = read_section(Model, params.get("model"), "model")
    sampling = read_section(Sampling, params.get("sampling"), "sampling")
    schedule = read_section(Schedule, params.get("train"), "train")
    settings = read_section(Variant, params.get("variants", {}).get(variant), f"variants.{variant}")
    fix_randomness(schedule.seed)
    batches = partial(
        Batches,
        root=root / data.root,
        batch_size=schedule.batch_size,
        instance_cap=preprocess.instance_cap,
    )
    training = batches(read_records(root / "data/processed/training.npz"), steps=schedule.steps, seed=schedule.seed)
    validation = batches(read_records(root / "data/processed/validation.npz"), steps=schedule.validation_steps)
    network = build_mask_rcnn(image_shape=preprocess.image_shape, class_count=len(CLASS_NAMES), **asdict(model))
    read_weights(network, root / settings.start)
    best = fit(
        network,
        training,
        validation,
        layers=settings.layers,
        sampling=sampling,
        schedule=schedule,
        history=root / f"plots/history/{variant}.csv",
        checkpoint=root / f"checkpoints/{variant}.h5",
    )
    write_weights(network, root / f"models/{variant}.h5")
    write_text(root / f"metrics/train/{variant}.json", json.dumps(best, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains one variant on the training split.")
    parser.add_argument("variant", help="a key of the section `variants` of params.yaml")
    main(parser.parse_args().variant)
