"""Finds the objects of the test images with one trained variant, and the best of their regions of interest.

Reads   models/<variant>.h5, data/processed/test.npz, the test images below data.root
Writes  predictions/<variant>.json, predictions/proposals/<variant>.json
Params  backend, precision, deterministic, devices, data.root, model, predict
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.runtime import prepare_runtime

if __name__ == "__main__":
    prepare_runtime()

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain

import numpy as np
from numpy import ndarray
from rich.progress import track

from maskrcnn.data.read_ahead import ReadAhead
from maskrcnn.data.records import Records
from maskrcnn.data.splits import read_split
from maskrcnn.inference import detect_batches
from maskrcnn.network.devices import spread
from maskrcnn.network.model import MaskRCNN, build_mask_rcnn
from maskrcnn.network.weights import read_weights
from maskrcnn.project.command import run
from maskrcnn.project.config import Feeder, Model, Predict
from maskrcnn.project.params import read_params, read_runtime
from maskrcnn.project.rules import read_images_root
from maskrcnn.project.variant_rules import check_variant
from maskrcnn.results.predictions import Predictions, encode_predictions, write_predictions
from maskrcnn.results.proposals import write_proposals

KEPT_PROPOSALS = 100  # of an image: pictures show fewer, the network passes on up to a thousand


def main(variant: str, root: Path = Path()) -> None:
    """Writes the predictions of a variant, all images or nothing.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.

    Raises:
        InputError: if there is no such variant.
    """
    params = read_params(root / "params.yaml")
    check_variant(params, variant)
    model = params.section(Model)
    runtime = read_runtime(params)
    settings = params.section(Predict)
    records = read_split(root, "test", params)
    with spread(runtime.devices):
        network = build_mask_rcnn(
            image_shape=records.image_shape,
            class_count=len(records.catalogue.class_names),
            num_proposals=settings.num_proposals,
            precision=runtime.precision,
            **asdict(model),
        )
    read_weights(network, root / f"models/{variant}.h5", records.catalogue.class_names)
    images = read_batches(records, root / read_images_root(params, root), settings.batch_size, params.section(Feeder))
    proposals: dict[str, ndarray] = {}
    predictions = predict(network, records.names, images, settings, proposals)
    write_predictions(root / f"predictions/{variant}.json", predictions, records.image_shape, records)
    write_proposals(root / f"predictions/proposals/{variant}.json", proposals)


def read_batches(records: Records, images_root: Path, batch_size: int, feeder: Feeder) -> Iterator[ndarray]:
    """Yields the images of a split in batches, read ahead by threads; zeros fill the last one.

    All batches have one shape, so that the network is traced once.
    """
    read_ahead = ReadAhead(partial(records.read_image, root=images_root), feeder.workers)
    ahead = 2 * max(read_ahead.workers, batch_size)
    for start in range(0, len(records), batch_size):
        stop = min(start + batch_size, len(records))
        images = read_ahead.take(range(start, stop), range(stop, min(stop + ahead, len(records))))
        images += [np.zeros_like(images[0])] * (batch_size - len(images))
        yield np.stack(images)


def predict(
    network: MaskRCNN,
    names: Sequence[str],
    batches: Iterable[ndarray],
    settings: Predict,
    proposals: dict[str, ndarray],
) -> Iterator[Predictions]:
    """Yields what the network finds in each image, in order; fills in the regions of interest on the way.

    Args:
        network: The trained network.
        names: Of the images.
        batches: The images; more than there are names are left out.
        settings: What is kept.
        proposals: Where the best regions of interest of each image are put, by its name.
    """
    everything = detect_batches(
        network,
        batches,
        min_confidence=settings.min_confidence,
        nms_iou=settings.detection_nms_iou,
        max_count=settings.num_detections,
    )
    for name, found in zip(track(names, "Detecting"), chain.from_iterable(everything), strict=False):
        proposals[name] = found.proposals_px[:KEPT_PROPOSALS]
        yield encode_predictions(found.boxes_px, found.class_ids, found.scores, found.masks)


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
