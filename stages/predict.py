"""Finds the objects of the test images with one trained variant, and the best of their regions of interest.

Reads   models/<variant>.h5, data/processed/test.npz, the test images below data.root
Writes  predictions/<variant>.json, predictions/proposals/<variant>.json
Params  backend, precision, deterministic, data.root, model, predict
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.runtime import prepare_runtime

if __name__ == "__main__":
    prepare_runtime()

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy import ndarray
from rich.progress import track

from maskrcnn.data.records import Records, read_records
from maskrcnn.inference import detect_batch
from maskrcnn.network.model import MaskRCNN, build_mask_rcnn
from maskrcnn.network.weights import read_weights
from maskrcnn.project.command import run
from maskrcnn.project.config import Model, Predict
from maskrcnn.project.params import read_params, read_runtime
from maskrcnn.project.rules import read_images_root
from maskrcnn.results.predictions import Predictions, encode_predictions, write_predictions
from maskrcnn.results.proposals import write_proposals

KEPT_PROPOSALS = 100  # of an image: pictures show fewer, the network passes on up to a thousand


def main(variant: str, root: Path = Path()) -> None:
    """Writes the predictions of a variant, all images or nothing.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    model = params.section(Model)
    settings = params.section(Predict)
    records = read_records(root / "data/processed/test.npz")
    network = build_mask_rcnn(
        image_shape=records.image_shape,
        class_count=len(records.catalogue.class_names),
        num_proposals=settings.num_proposals,
        precision=read_runtime(params).precision,
        **asdict(model),
    )
    read_weights(network, root / f"models/{variant}.h5")
    proposals: dict[str, ndarray] = {}
    predictions = predict(network, records, root / read_images_root(params, root), settings, proposals)
    write_predictions(root / f"predictions/{variant}.json", predictions, records.image_shape)
    write_proposals(root / f"predictions/proposals/{variant}.json", proposals)


def predict(
    network: MaskRCNN, records: Records, images_root: Path, settings: Predict, proposals: dict[str, ndarray]
) -> Iterator[Predictions]:
    """Yields what the network finds in each image of a split, in order; fills in the regions of interest on the way."""
    for start in track(range(0, len(records), settings.batch_size), "Detecting"):
        batch = range(start, min(start + settings.batch_size, len(records)))
        images = [records.read_image(i, images_root) for i in batch]
        images += [np.zeros_like(images[0])] * (settings.batch_size - len(batch))  # one batch shape, traced once
        everything = detect_batch(
            network,
            np.stack(images),
            min_confidence=settings.min_confidence,
            nms_iou=settings.detection_nms_iou,
            max_count=settings.num_detections,
        )
        for found, i in zip(everything, batch, strict=False):
            proposals[records.names[i]] = found.proposals_px[:KEPT_PROPOSALS]
            yield encode_predictions(found.boxes_px, found.class_ids, found.scores, found.masks)


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
