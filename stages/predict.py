"""Finds the objects of the test images with one trained variant.

Reads   models/<variant>.h5, data/processed/test.npz, the test images below data.root
Writes  predictions/<variant>.json
Params  data, preprocess, model, predict
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.progress import track

from maskrcnn.config import Data, Model, Predict, Preprocess, read_params, read_section
from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.data.records import Records, read_image, read_records
from maskrcnn.evaluation.predictions import Predictions, encode_predictions, write_predictions
from maskrcnn.inference import detect
from maskrcnn.model import MaskRCNN, build_mask_rcnn
from maskrcnn.weights import read_weights


def main(variant: str, root: Path = Path()) -> None:
    """Writes the predictions of a variant, all images or nothing.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    data = read_section(Data, params.get("data"), "data")
    preprocess = read_section(Preprocess, params.get("preprocess"), "preprocess")
    model = read_section(Model, params.get("model"), "model")
    settings = read_section(Predict, params.get("predict"), "predict")
    kept = asdict(settings)
    batch_size = kept.pop("batch_size")
    network = build_mask_rcnn(image_shape=preprocess.image_shape, class_count=len(CLASS_NAMES), **asdict(model), **kept)
    read_weights(network, root / f"models/{variant}.h5")
    records = read_records(root / "data/processed/test.npz")
    predictions = predict(network, records, root / data.root, batch_size)
    write_predictions(root / f"predictions/{variant}.json", predictions, records.image_shape)


def predict(network: MaskRCNN, records: Records, images_root: Path, batch_size: int) -> Iterator[Predictions]:
    """Yields what the network finds in each image of a split, in order."""
    for start in track(range(0, len(records), batch_size), "Detecting"):
        batch = [records[i] for i in range(start, min(start + batch_size, len(records)))]
        images = [read_image(images_root / record.image_path, records.image_shape) for record in batch]
        images += [np.zeros_like(images[0])] * (batch_size - len(batch))  # one batch shape, traced once
        for found, _ in zip(detect(network, np.stack(images)), batch, strict=False):
            yield encode_predictions(found.boxes_px, found.class_ids, found.scores, found.masks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Finds the objects of the test images with one variant.")
    parser.add_argument("variant", help="a key of the section `variants` of params.yaml")
    main(parser.parse_args().variant)
