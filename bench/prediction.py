"""Measures the CPU time that `maskrcnn predict` takes for one photo, by what it is spent on, beside two networks.

    python bench/prediction.py models/base.h5

The photos are JPEG files of 1080 x 1920 that are drawn first. The networks are the given one, and a ResNet50 for
1024 x 2048 pixels with random weights, whose smallest score is chosen so that it finds about as many objects. Its masks
are noise, and take longer to draw and to write than real ones.

`network_ms` is the time of `detect_batches` on the same images, fitted before. `coco_ms`, `coco_masks_ms` and `all_ms`
are what the command takes beyond it to write these kinds: it is run with what was found before in place of the network.
The difference of two whole runs would be less than their noise. `command_ms` is a whole run that writes all; it may be
more than the sum, because threads of TensorFlow wait busily. Writes `bench/results/prediction.json`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any
from unittest import mock

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
from maskrcnn.street.synthetic import write_city

RESULT = Path(__file__).parent / "results/prediction.json"
PHOTO_SHAPE, FULL_SHAPE = (1080, 1920), (1024, 2048)
PHOTOS, DISTINCT, BATCH_SIZE, MIN_SCORE, SEED = 24, 12, 4, 0.5, 2021
ROUNDS = 3  # by turns; the median counts
FULL_PHOTOS, FULL_ROUNDS = 4, 1  # each takes seconds
WRITTEN: dict[str, tuple[str, ...]] = {"coco": (COCO,), "coco_masks": (COCO, MASKS), "all": (COCO, MASKS, PICTURES)}


@dataclass(frozen=True)
class Subject:
    """A network and the photos that it is measured with.

    Args:
        network: Ready to detect, with its facts.
        sources: The photos.
        fitted: The same, as the network sees them.
        min_score: Smallest score of an object.
    """

    network: Any
    sources: Sequence[Source]
    fitted: np.ndarray
    min_score: float

    def detect(self) -> list[Any]:
        """Returns the objects of all images."""
        from maskrcnn.inference import detect_batches

        batches = (self.fitted[start : start + BATCH_SIZE] for start in range(0, len(self.fitted), BATCH_SIZE))
        return [
            found for batch in detect_batches(self.network, batches, min_confidence=self.min_score) for found in batch
        ]

    def predict(self, folder: Path, written: Sequence[str]) -> None:
        """Does what the command does."""
        facts = self.network.facts
        style = Style(facts.class_names, facts.class_colors)
        progress = show_progress(Console(quiet=True), self.sources)
        settings = (self.min_score, BATCH_SIZE, range(1, facts.class_count))
        with Output(folder, [kind for kind in KINDS if kind in written], style) as output:
            predict(self.network, facts, self.sources, output, settings, progress)

    def replay(self, found: Sequence[Any], folder: Path, written: Sequence[str]) -> None:
        """Does what the command does beyond the network, with what was found before."""

        def detect_batches(_: Any, batches: Iterable[np.ndarray], **__: Any) -> Iterator[Sequence[Any]]:
            for number, _ in enumerate(batches):
                yield found[number * BATCH_SIZE : (number + 1) * BATCH_SIZE]

        with mock.patch("maskrcnn.inference.detect_batches", detect_batches):
            self.predict(folder, written)


def main(model: str) -> dict[str, dict[str, float]]:
    """Returns the milliseconds of CPU time of one photo, for each network."""
    prepare_backend(None, AUTO)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = find_sources([str(path) for path in write_photos(folder)])
        given = make_subject(load(model), sources, MIN_SCORE)
        results = {"given": measure(given, folder / "given", ROUNDS)}
        count = round(results["given"]["objects"] * FULL_PHOTOS)
        full = make_subject(make_full_network(given.network), sources[:FULL_PHOTOS], 0.0)
        scores = np.sort(np.concatenate([found.scores for found in full.detect()]))
        full = replace(full, min_score=float(scores[-count]))
        results["resnet50_1024x2048"] = measure(full, folder / "full", FULL_ROUNDS)
    return results


def write_photos(folder: Path) -> list[Path]:
    """Draws photos of the size that is measured; each is used repeatedly."""
    write_city(folder / "city", "val", "munster", DISTINCT, PHOTO_SHAPE, "city", SEED)
    drawn = [cv2.imread(str(path)) for path in sorted((folder / "city/leftImg8bit").rglob("*.png"))]
    paths = [folder / f"{number:03d}.jpg" for number in range(PHOTOS)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), drawn[number % DISTINCT])
    return paths


def make_full_network(like: Any) -> Any:
    """Returns a ResNet50 for the size of Cityscapes' images, with random weights, of the same classes."""
    import keras

    from maskrcnn.network.model import build_mask_rcnn

    keras.utils.set_random_seed(SEED)
    network = build_mask_rcnn(backbone="resnet50", image_shape=FULL_SHAPE, class_count=like.facts.class_count)
    logits = network.box_head.logits
    logits.kernel.assign(0.1 * logits.kernel)  # so that scores differ, instead of being 1
    network.facts = replace(like.facts, image_shape=FULL_SHAPE)
    return network


def make_subject(network: Any, sources: Sequence[Source], min_score: float) -> Subject:
    """Returns a network with photos as it sees them."""
    facts = network.facts
    images = [photo.image for photo in read_photos(sources, 2, Event()) if isinstance(photo, Photo)]
    fitted = np.stack([fit_image(image, facts.image_shape, facts.fit) for image in images])
    return Subject(network, sources, fitted, min_score)


def measure(subject: Subject, folder: Path, rounds: int) -> dict[str, float]:
    """Returns milliseconds of one photo, shares of the network's, and the objects found in it."""
    found = subject.detect()  # compiles, too
    works: dict[str, Callable[[], object]] = {"network": subject.detect}
    works["command"] = lambda: subject.predict(folder, WRITTEN["all"])
    for kind, written in WRITTEN.items():
        works[kind] = lambda written=written: subject.replay(found, folder, written)
    times: dict[str, list[float]] = {kind: [] for kind in works}
    for _ in range(rounds):
        for kind, work in works.items():
            start = time.process_time()
            work()
            times[kind].append(1e3 * (time.process_time() - start) / len(subject.sources))
    medians = {kind: float(np.median(values)) for kind, values in times.items()}
    costs = {f"{kind}_ms": round(value, 2) for kind, value in medians.items()}
    shares = {f"beyond_network_{kind}": round(medians[kind] / medians["network"], 3) for kind in WRITTEN}
    return {"objects": round(sum(map(len, found)) / len(found), 1), **costs, **shares}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    costs = main(parser.parse_args().model)
    write_text(RESULT, json.dumps(costs, indent=2) + "\n")
    print(json.dumps(costs, indent=2))
