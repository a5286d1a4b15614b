"""Reader of COCO instance annotations: one JSON file with images, annotations and categories.

Masks are rasterised as pycocotools does. An instance map holds one object per pixel, but masks of COCO may overlap:
crowds are painted first, then larger masks before smaller ones, so that a small object in front of or inside a large
one stays whole. Of masks of equal area the later one is on top.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import isfile  # takes any text, where Path.is_file refuses what is too long for a name
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt16
from pycocotools import mask as run_lengths

from maskrcnn.data.catalogue import MAX_ID, Catalogue, Classes, assign_labels
from maskrcnn.data.frames import Frame, Truth, quote_paths
from maskrcnn.data.image_files import MAX_PIXELS, Shape, check_image
from maskrcnn.project.errors import InputError
from maskrcnn.readers.json_files import quote, read_json
from maskrcnn.readers.segmentations import encode_mask

INSTANCE_BASE = Catalogue.instance_base
MAX_CLASSES = (MAX_ID + 1) // INSTANCE_BASE - 1  # an instance is class_id * INSTANCE_BASE + number, in 16 bits


@dataclass(frozen=True)
class Annotation:
    """One object of the JSON file, with a mask that has not been read.

    Args:
        where: File and annotation, at the beginning of every error.
        class_id: 0 for a category that belongs to no class; its mask still covers others.
        is_crowd: Whether this is a group whose members were not annotated one by one.
        segmentation: Polygons or run lengths, as in the file.
    """

    where: str
    class_id: int
    is_crowd: bool
    segmentation: Any


@dataclass(frozen=True)
class CocoFrame(Frame):
    """One image of a JSON file.

    Args:
        image_shape: Height and width that the file states.
        annotations: The objects of the image, in the order of the file.
    """

    image_shape: Shape
    annotations: tuple[Annotation, ...]

    def read_truth(self) -> Truth:
        """Paints the masks; see `Frame`."""
        check_image(self.image_path, self.image_shape)
        masks = [encode_mask(item.segmentation, self.image_shape, item.where) for item in self.annotations]
        areas = [int(run_lengths.area(mask)) for mask in masks]
        object_map = np.zeros(self.image_shape, np.uint16)
        for index in sorted(range(len(masks)), key=lambda i: (not self.annotations[i].is_crowd, -areas[i], i)):
            x, y, width, height = run_lengths.toBbox(masks[index]).astype(int)
            box = np.s_[y : y + height, x : x + width]
            object_map[box][run_lengths.decode(masks[index])[box] > 0] = index + 1
        return Truth(
            object_map=object_map,
            class_ids=np.array([0, *(item.class_id for item in self.annotations)], np.int32),
            is_crowd=np.array([False, *(item.is_crowd for item in self.annotations)]),
            official_ids=number_instances(self.annotations),
        )


def read_frames(
    root: Path,
    images: str,
    truth: str,
    *,
    cities: Sequence[str] | None = None,
    image_shape: Shape | None = None,
    classes: Classes | None = None,
) -> tuple[list[CocoFrame], Catalogue]:
    """Lists all images of a JSON file, sorted by name, and the classes to look for.

    Args:
        root: The folder `data.root`.
        images: Folder below the root from which every `file_name` of the JSON file starts.
        truth: The JSON file below the root.
        cities: None; only Cityscapes has cities.
        image_shape: Height and width that every image must have; None where sizes vary.
        classes: By the name of a class, the categories that it merges; None for all, in the order of their ids.

    Raises:
        FileNotFoundError: if the JSON file or an image is missing.
        InputError: naming file, entry and rule, if the JSON file does not fit the format or the parameters.
    """
    if cities is not None:
        raise InputError(f"`cities` must be null where `data.format` is coco; got {list(cities)}.")
    path = root / truth
    content = _read_json(path)
    categories = {key: entry["name"] for key, entry in sorted(_index(path, content, "categories", name=str).items())}
    catalogue, class_ids = make_catalogue(path, categories, classes)
    pictured = _index(path, content, "images", file_name=str, height=int, width=int)
    annotations = _read_annotations(path, content, pictured, class_ids)
    frames = [
        CocoFrame(
            root=root,
            image_file=str(PurePosixPath(images, entry["file_name"])),
            name=_name_frame(entry["file_name"], f"`{path}`, image {key},"),
            image_shape=(entry["height"], entry["width"]),
            annotations=tuple(annotations[key]),
        )
        for key, entry in pictured.items()
    ]
    _check_images(path, frames, image_shape)
    return sorted(frames, key=lambda frame: frame.name), catalogue


def count_entries(path: Path) -> int:
    """Returns how many images a JSON file lists.

    Raises:
        InputError: if it is not JSON in COCO's format.
    """
    return len(_read_json(path)["images"])


def _name_frame(file_name: str, where: str) -> str:
    """Returns the name of the frame of an image file; `where` begins the error."""
    file = PurePosixPath(file_name)
    if not file.name or "\0" in file_name:
        raise InputError(f"{where} must have the file_name of a file; got {quote(file_name)}.")
    return str(file.with_suffix("")).replace("/", "_")


def make_catalogue(
    path: Path, categories: Mapping[int, str], classes: Classes | None
) -> tuple[Catalogue, dict[int, int]]:
    """Returns the catalogue of a JSON file, and the class id of every category id, 0 where it has none.

    Label ids are class ids, because category ids may be of any size.

    Args:
        path: The JSON file.
        categories: Names by category id.
        classes: By the name of a class, the categories that it merges; None for all.

    Raises:
        InputError: if two categories share a name, there are too many classes, or the choice does not fit.
    """
    repeated = [name for name, count in Counter(categories.values()).items() if count > 1]
    if repeated:
        raise InputError(f"`{path}` must have unique category names; got {', '.join(repeated)} twice.")
    names, by_label = assign_labels(list(categories.values()), classes)
    if len(names) - 1 > MAX_CLASSES:
        raise InputError(
            f"`{path}` must have at most {MAX_CLASSES} classes; got {len(names) - 1}. "
            "Choose or merge some with `data.classes`."
        )
    catalogue = Catalogue(names, {class_id: class_id for class_id in range(1, len(names))}, frozenset())
    return catalogue, {key: by_label.get(name, 0) for key, name in categories.items()}


def number_instances(annotations: Sequence[Annotation]) -> UInt16[np.ndarray, "numbers"]:
    """Returns the id of each annotation in an instance map, the first of 0.

    An instance is `class_id * INSTANCE_BASE + number`, a crowd its `class_id`; what has no class is 0.

    Raises:
        InputError: if an image has more than 1000 instances of a class.
    """
    seen: Counter[int] = Counter()
    ids = np.zeros(len(annotations) + 1, np.uint16)
    for number, item in enumerate(annotations, start=1):
        if item.is_crowd or not item.class_id:
            ids[number] = item.class_id
            continue
        if seen[item.class_id] == INSTANCE_BASE:
            raise InputError(f"{item.where} must be one of at most {INSTANCE_BASE} of its class in an image; got more.")
        ids[number] = item.class_id * INSTANCE_BASE + seen[item.class_id]
        seen[item.class_id] += 1
    return ids


def _read_json(path: Path) -> dict[str, list[Any]]:
    """Returns the three lists of the file."""
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; see `data.root` and `truth` of the split.")
    names = ("images", "annotations", "categories")
    content = read_json(path, names)
    lists = {name: content[name] for name in names}
    for name, entries in lists.items():
        if not isinstance(entries, list) or (name != "annotations" and not entries):
            raise InputError(f"`{path}` must have {name} in a list; got {quote(entries)}.")
    return lists


def _index(path: Path, content: Mapping[str, list[Any]], part: str, **types: type) -> dict[int, dict[str, Any]]:
    """Returns the entries of one list by their id, after checking that they have the keys and types."""
    types = {"id": int} | types
    found: dict[int, dict[str, Any]] = {}
    for place, entry in enumerate(content[part]):
        where = f"`{path}`, entry {place} of {part},"
        if not isinstance(entry, dict) or any(type(entry.get(key)) is not kind for key, kind in types.items()):
            rule = ", ".join(f"{key} ({kind.__name__})" for key, kind in types.items())
            raise InputError(f"{where} must have {rule}; got {quote(entry)}.")
        if entry["id"] in found:
            raise InputError(f"{where} must have an id of its own; got {entry['id']} again.")
        found[entry["id"]] = entry
    return found


def _read_annotations(
    path: Path, content: Mapping[str, list[Any]], pictured: Mapping[int, Any], class_ids: Mapping[int, int]
) -> dict[int, list[Annotation]]:
    """Returns the annotations of each image, in the order of the file."""
    annotations: dict[int, list[Annotation]] = {key: [] for key in pictured}
    for key, entry in _index(path, content, "annotations", image_id=int, category_id=int).items():
        where = f"`{path}`, annotation {key},"
        if entry["image_id"] not in pictured:
            raise InputError(f"{where} must have the image_id of an image; got {entry['image_id']}.")
        if entry["category_id"] not in class_ids:
            raise InputError(f"{where} must have the category_id of a category; got {entry['category_id']}.")
        if entry.get("iscrowd", 0) not in (0, 1):
            raise InputError(f"{where} must have an iscrowd of 0 or 1; got {quote(entry['iscrowd'])}.")
        class_id, is_crowd = class_ids[entry["category_id"]], entry.get("iscrowd", 0) == 1
        annotations[entry["image_id"]].append(Annotation(where, class_id, is_crowd, entry.get("segmentation")))
    if (most := max(map(len, annotations.values()))) > MAX_ID:
        raise InputError(f"`{path}` must have at most {MAX_ID} annotations per image; got {most}.")
    return annotations


def _check_images(path: Path, frames: Sequence[CocoFrame], image_shape: Shape | None) -> None:
    """Refuses images that are missing, of a wrong size, outside the root, or of equal names."""
    for frame in frames:
        where = f"`{path}`, image {frame.image_file},"
        if min(frame.image_shape) < 1:
            raise InputError(f"{where} must have a positive height and width; got {frame.image_shape}.")
        if frame.image_shape[0] * frame.image_shape[1] > MAX_PIXELS:
            raise InputError(f"{where} must have at most {MAX_PIXELS} pixels; got {frame.image_shape}.")
        if image_shape is not None and frame.image_shape != tuple(image_shape):
            raise InputError(
                f"{where} must have height and width {tuple(image_shape)} as `data.image_shape` does; "
                f"got {frame.image_shape}. null allows any."
            )
        if ".." in Path(frame.image_file).parts or Path(frame.image_file).is_absolute():
            raise InputError(f"{where} must lie below `data.root`; got a path that leaves it.")
    name, count = Counter(frame.name for frame in frames).most_common(1)[0]
    if count > 1:
        raise InputError(f"`{path}` must have unique file names, without their endings; got {name} {count} times.")
    if missing := [frame.image_path for frame in frames if not isfile(frame.image_path)]:
        raise FileNotFoundError(f"`{path}` must name images that exist; got no {quote_paths(missing)}.")
