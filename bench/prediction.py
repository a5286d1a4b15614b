"""Measures the CPU time that `maskrcnn predict` takes for one photo, by what it is spent on.

    python bench/prediction.py models/base.h5 PHOTO...

The photos are enlarged to 1080 x 1920 JPEG files. The time of the network is that of `detect_batches`
on the same images, fitted before; what is beyond it is reading, fitting, resizing masks, drawing and writing.
Writes `bench/results/prediction.json`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from maskrcnn.cli.backend import AUTO, prepare_backend
from maskrcnn.cli.output import COCO, KINDS, MASKS, PICTURES, Output, Style
from maskrcnn.cli.prediction import predict, show_progress
from maskrcnn.data.images import fit_image
from maskrcnn.network.weights import load
from maskrcnn.project.files import write_text
from maskrcnn.readers.photos import Photo, Source, find_sources, read_photos

RESULT = Path(__file__).parent / "results/prediction.json"
SHAPE = (1080, 1920)
PHOTOS, BATCH_SIZE, MIN_SCORE = 24, 4, 0.5
ROUNDS = 3  # by turns; the median counts
WRITTEN: dict[str, tuple[str, ...]] = {"coco": (COCO,), "coco_masks": (COCO, MASKS), "all": (COCO, MASKS, PICTURES)}


def main(model: str, paths: Sequence[str]) -> dict[str, float]:
    """Returns the milliseconds of CPU time of one photo."""
    prepare_backend(None, AUTO)
    network = load(model)
    facts = network.facts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = find_sources([str(path) for path in write_photos(folder / "photos", paths)])
        images = [photo.image for photo in read_photos(sources, 2, Event()) if isinstance(photo, Photo)]
        fitted = np.stack([fit_image(image, facts.image_shape, facts.fit) for image in images])
        works: dict[str, Callable[[], object]] = {"network": lambda: detect_all(network, fitted)}
        for kind, written in WRITTEN.items():
            works[kind] = lambda written=written: predict_all(network, sources, folder / "out", written)
        times: dict[str, list[float]] = {kind: [] for kind in works}
        for number in range(ROUNDS + 1):
            for kind, work in works.items():
                start = time.process_time()
                work()
                if number:  # the first round compiles
                    times[kind].append(1e3 * (time.process_time() - start) / len(sources))
    medians = {kind: float(np.median(values)) for kind, values in times.items()}
    shares = {f"beyond_network_{kind}": medians[kind] / medians["network"] - 1 for kind in WRITTEN}
    return {**{f"{kind}_ms": round(value, 2) for kind, value in medians.items()}, **shares}


def write_photos(folder: Path, paths: Sequence[str]) -> list[Path]:
    """Writes photos of the size that is measured, some of them repeatedly."""
    folder.mkdir()
    written = []
    for number in range(PHOTOS):
        image = cv2.imread(paths[number % len(paths)])
        large = cv2.resize(image, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
        written.append(folder / f"{number:03d}.jpg")
        cv2.imwrite(str(written[-1]), large)
    return written


def detect_all(network: Any, fitted: np.ndarray) -> None:
    """Finds the objects of all images and does nothing with them."""
    from maskrcnn.inference import detect_batches

    batches = (fitted[start : start + BATCH_SIZE] for start in range(0, len(fitted), BATCH_SIZE))
    for _ in detect_batches(network, batches, min_confidence=MIN_SCORE):
        pass


def predict_all(network: Any, sources: Sequence[Source], folder: Path, written: Sequence[str]) -> None:
    """Does what the command does."""
    facts = network.facts
    kept = range(1, facts.class_count)
    style = Style(facts.class_names, facts.class_colors)
    progress = show_progress(Console(quiet=True), sources)
    with Output(folder, [kind for kind in KINDS if kind in written], style) as output:
        predict(network, facts, sources, output, (MIN_SCORE, BATCH_SIZE, kept), progress)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("photos", nargs="+")
    options = parser.parse_args()
    costs = main(options.model, options.photos)
    write_text(RESULT, json.dumps(costs, indent=2) + "\n")
    print(json.dumps(costs, indent=2))
