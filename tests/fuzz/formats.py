"""The files that are fuzzed: for each format a valid example, a mutation, and the reader as the pipeline calls it."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import cv2
import h5py
import numpy as np

from maskrcnn.data.image_files import check_image, check_pixels
from maskrcnn.data.images import read_image, read_photo
from maskrcnn.data.records import build_record, read_records, write_records
from maskrcnn.learning.states import path_before
from maskrcnn.network.facts import Facts
from maskrcnn.network.weights.attributes import write_facts
from maskrcnn.network.weights.classes import read_class_names
from maskrcnn.project.config import Hyperband, SearchSpace
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_params
from maskrcnn.readers import coco
from maskrcnn.readers.cityscapes import CITYSCAPES, make_frame
from maskrcnn.readers.study import check_settings
from tests.fuzz.mutations import mutate_jpeg, mutate_json, mutate_png, mutate_records, mutate_text
from tests.network.weights.test_mutations import make_file, mutate, read_all
from tests.readers.coco_files import CAT, DOG, annotate, compress, list_runs, make_mask, write_coco
from tests.readers.coco_files import rectangle as rectangle_of
from tests.readers.frames import rectangle, write_frame
from tests.results.damage import damage as damage_json
from tests.results.damage import use, write_files

REPOSITORY = Path(__file__).parents[2]
SHAPE, MINI = (64, 128), (7, 9)
Mutation = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Format:
    """One format of files.

    Args:
        path: The file that is damaged.
        mutate: Damages its content.
        read: Reads it, and whatever is read on demand.
    """

    path: Path
    mutate: Mutation
    read: Callable[[], object]


def make_format(name: str, root: Path) -> Format:
    """Writes an example of a format, a key of `FORMATS`, into an empty folder and returns the format."""
    example = FORMATS[name](root)
    content = example.path.read_bytes()
    example.read()
    example.path.write_bytes(content)
    return example


def _write_polygons(root: Path) -> Format:
    """Returns an annotation of Cityscapes; the image has 64 x 128 pixels, and the size is not given by parameters."""
    name = write_frame(root, [("car", rectangle(4, 8, 11, 16)), ("persongroup", rectangle(0, 0, 99, 40))]).name
    frame = make_frame(root, "leftImg8bit/train", "gtFine/train", f"cologne/{name}")
    return Format(frame.polygons_path, mutate_json, lambda: build_record(frame, SHAPE, MINI, "stretch", True))


def _write_coco(root: Path) -> Format:
    """Returns a JSON file with polygons and run lengths of both kinds."""
    mask = make_mask(SHAPE, 2, 3, 40, 50)
    annotations = [
        annotate(1, 1, CAT, [rectangle_of(2, 3, 30, 40), rectangle_of(-5, 3, 9, 9)]),
        annotate(2, 1, DOG, compress(mask)),
        annotate(3, 1, CAT, list_runs(mask), iscrowd=1),
    ]
    path = write_coco(root, {"a.png": SHAPE}, annotations)

    def read() -> None:
        frames, _ = coco.read_frames(root, "photos", "instances.json")
        for frame in frames:
            build_record(frame, SHAPE, MINI, "letterbox", True)

    return Format(path, mutate_json, read)


def _write_image(root: Path, name: str, mutate: Mutation, kind: type = np.uint8) -> Format:
    """Returns an image with many equal pixels, so that it is small."""
    path = root / name
    pixels = np.random.default_rng(7).integers(0, 4, (*SHAPE, 3)) * (np.iinfo(kind).max // 3)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if name.endswith(".jpg") else []
    cv2.imwrite(str(path), pixels.astype(kind), options)

    def read() -> None:
        check_image(path, SHAPE)
        check_pixels(path)
        read_image(path, SHAPE, "letterbox")
        read_photo(path)

    return Format(path, mutate, read)


def _write_records(root: Path) -> Format:
    """Returns a split of two images, the second without an object."""
    objects = [("car", rectangle(4, 8, 11, 16)), ("persongroup", rectangle(80, 20, 99, 40))]
    frames = [write_frame(root, listed, name=f"{city}_0_0") for city, listed in (("cologne", objects), ("ulm", []))]
    records = [build_record(frame, SHAPE, MINI, "stretch", instance_map=True) for frame in frames]
    path = root / "split.npz"
    write_records(path, records, SHAPE, MINI, "stretch", CITYSCAPES)

    def read() -> None:
        found = read_records(path)
        for index, _ in enumerate(found):
            if len(found[index].instance_png):
                found.instance_map(index)

    return Format(path, mutate_records, read)


def _write_params(root: Path) -> Format:
    """Returns the params of the demo."""
    path = root / "params.yaml"
    shutil.copy(REPOSITORY / "params.yaml", path)
    return Format(
        path, lambda content, dice: mutate_text(content.decode(), dice).encode(), lambda: check_settings(root)
    )


def _write_weights(root: Path) -> Format:
    """Returns a file of a few tensors with the facts of a model."""
    path = root / "small.h5"
    make_file(path)
    with h5py.File(path, "a") as file:
        write_facts(file, Facts(("car",), (64, 64)))

    def read() -> None:
        read_all(path)
        read_class_names(path)

    return Format(path, lambda content, dice: mutate(content, np.random.default_rng(dice.getrandbits(32))), read)


def _write_found(root: Path, kind: str) -> Format:
    """Returns predictions, proposals or scores of two images."""
    path = root / "found.json"
    content = write_files(root)[kind]
    path.write_bytes(content)
    records = read_records(root / "test.npz")
    return Format(
        path, lambda content, dice: damage_json(content, dice.getrandbits(32)), lambda: use(kind, path, records)
    )


def _write_state(root: Path, kind: str) -> Format:
    """Returns the state of a training or of a trial; reading it continues from there."""
    from tests.learning import state_damage  # imports Keras, which takes seconds

    write, resume = {
        "training": (state_damage.write_training, state_damage.resume),
        "trial": (state_damage.write_trial, state_damage.resume_trial),
    }[kind]
    path = write(root)

    def mutate(content: bytes, dice: random.Random) -> bytes:
        path.write_bytes(content)
        state_damage.damage(dice, path)
        return path.read_bytes()

    def read() -> None:
        path_before(path).unlink(missing_ok=True)
        resume(path)

    return Format(path, mutate, read)


def _write_keras_tuner(root: Path) -> Format:
    """Returns a file of Keras Tuner that a search left; the next search starts Keras Tuner again without it."""
    from maskrcnn.tuning.hyperband import HyperbandSearch  # imports TensorFlow

    path = root / "keras_tuner/alone/oracle.json"
    params = read_params(REPOSITORY / "params.yaml")
    space = replace(params.section(SearchSpace, "search.sgd"), learning_rate=(1e-5, 1e-2))
    settings = params.section(Hyperband)

    def start() -> HyperbandSearch:
        search = HyperbandSearch(_set_up, "sgd", space, settings, root)
        assert not search.oracle.trials
        path.parent.mkdir(parents=True, exist_ok=True)
        return search

    start().oracle.save()
    return Format(path, mutate_json, start)


def _set_up() -> NoReturn:
    raise AssertionError("no trial is run")


FORMATS: dict[str, Callable[[Path], Format]] = {
    "polygons": _write_polygons,
    "coco": _write_coco,
    "png": partial(_write_image, name="a.png", mutate=mutate_png),
    "png16": partial(_write_image, name="b.png", mutate=mutate_png, kind=np.uint16),
    "jpeg": partial(_write_image, name="a.jpg", mutate=mutate_jpeg),
    "records": _write_records,
    "params": _write_params,
    "weights": _write_weights,
    "predictions": partial(_write_found, kind="predictions"),
    "proposals": partial(_write_found, kind="proposals"),
    "scores": partial(_write_found, kind="scores"),
    "trainings": partial(_write_state, kind="training"),
    "trials": partial(_write_state, kind="trial"),
    "keras_tuner": _write_keras_tuner,
}


def try_mutant(example: Format, valid: bytes, seed: int) -> str:
    """Reads one damaged file; returns what the reader said, or nothing where the damage does not matter.

    Raises:
        Exception: whatever is none of ours.
    """
    example.path.write_bytes(example.mutate(valid, random.Random(seed)))
    try:
        example.read()
    except (InputError, FileNotFoundError) as fault:
        return str(fault)
    return ""
