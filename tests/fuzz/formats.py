"""The files that are fuzzed: for each format a valid example, a mutation, and the reader as the pipeline calls it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from maskrcnn.data.image_files import check_image, check_pixels
from maskrcnn.data.images import read_image, read_photo
from maskrcnn.data.records import build_record, read_records, write_records
from maskrcnn.project.errors import InputError
from maskrcnn.readers import coco
from maskrcnn.readers.cityscapes import CITYSCAPES, make_frame
from tests.fuzz.mutations import mutate_jpeg, mutate_json, mutate_png, mutate_records
from tests.readers.coco_files import CAT, DOG, annotate, compress, list_runs, make_mask, write_coco
from tests.readers.coco_files import rectangle as rectangle_of
from tests.readers.frames import rectangle, write_frame

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


def list_formats(root: Path) -> dict[str, Format]:
    """Writes an example of each format into a folder, and returns them by name."""
    return {
        "polygons": _write_polygons(root / "polygons"),
        "coco": _write_coco(root / "coco"),
        "png": _write_image(root, "a.png", mutate_png),
        "png16": _write_image(root, "b.png", mutate_png, np.uint16),
        "jpeg": _write_image(root, "a.jpg", mutate_jpeg),
        "records": _write_records(root / "records"),
    }


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
