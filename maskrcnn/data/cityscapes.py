"""Cityscapes on disk: which files belong together, what an annotation may say, and what its labels mean.

`leftImg8bit/FOLDER/CITY/NAME_leftImg8bit.png` is an image, `gtFine/FOLDER/CITY/NAME_gtFine_polygons.json`
its truth: labelled polygons in painter's order, points `(x, y)` in pixels. `label_ids` are Cityscapes' own
numbers, `class_ids` index `CLASS_NAMES`.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt16

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.data.polygons import Points, paint_polygons
from maskrcnn.project.notation import InstanceMap

CLASS_NAMES = (
    "background",
    "car", "person", "rider", "motorcycle", "bicycle", "bus", "trailer", "truck", "caravan", "train",
)  # fmt: skip
CLASS_IDS = {name: class_id for class_id, name in enumerate(CLASS_NAMES)}

LABEL_IDS = {
    "unlabeled": 0, "ego vehicle": 1, "rectification border": 2, "out of roi": 3, "static": 4, "dynamic": 5,
    "ground": 6, "road": 7, "sidewalk": 8, "parking": 9, "rail track": 10,
    "building": 11, "wall": 12, "fence": 13, "guard rail": 14, "bridge": 15, "tunnel": 16,
    "pole": 17, "polegroup": 18, "traffic light": 19, "traffic sign": 20,
    "vegetation": 21, "terrain": 22, "sky": 23,
    "person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28, "caravan": 29, "trailer": 30, "train": 31,
    "motorcycle": 32, "bicycle": 33, "license plate": -1,
}  # fmt: skip

CITYSCAPES = Catalogue(
    class_names=CLASS_NAMES,
    class_ids_by_label={LABEL_IDS[name]: class_id for name, class_id in CLASS_IDS.items() if class_id},
    void_label_ids=frozenset({0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30}),
)

MAX_INSTANCES = 1000  # of one label in one image: an instance id is label_id * 1000 + number
MAX_OBJECTS = np.iinfo(np.uint16).max  # of one image: `paint_objects` numbers them in 16 bits

_IMAGES, _IMAGE_END = "leftImg8bit", "_leftImg8bit.png"
_POLYGONS, _POLYGONS_END = "gtFine", "_gtFine_polygons.json"
_ADVICE = (
    "Download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from the Cityscapes site (free after "
    "registration) and unpack both there, or run `python stages/synthesize.py` for the synthetic city."
)
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


@dataclass(frozen=True)
class Frame:
    """One image and its annotation, found under `root`."""

    root: Path
    folder: str
    city: str
    name: str

    @property
    def image_file(self) -> str:
        """The image's path below the root, with slashes."""
        return f"{_IMAGES}/{self.folder}/{self.city}/{self.name}{_IMAGE_END}"

    @property
    def image_path(self) -> Path:
        """Where the image lies."""
        return self.root / self.image_file

    @property
    def polygons_path(self) -> Path:
        """Where the annotation lies."""
        return self.root / _POLYGONS / self.folder / self.city / f"{self.name}{_POLYGONS_END}"


@dataclass(frozen=True)
class Object:
    """One labelled polygon; points are `(x, y)` in pixels and may lie outside the image."""

    label: str
    polygon: Points

    @property
    def is_crowd(self) -> bool:
        """Whether this is a group (`cargroup`) whose members nobody told apart."""
        return self.label not in LABEL_IDS

    @property
    def name(self) -> str:
        """The label without `group`, where that means a crowd; a key of `LABEL_IDS`."""
        return self.label.removesuffix("group") if self.is_crowd else self.label

    @property
    def class_id(self) -> int:
        """The index in `CLASS_NAMES`; 0 for all that has no instances."""
        return CLASS_IDS.get(self.name, 0)


@dataclass(frozen=True)
class Annotation:
    """The objects of one image in painter's order, and the size that their points refer to."""

    height: int
    width: int
    objects: tuple[Object, ...]


def find_frames(root: Path, folder: str, cities: Sequence[str]) -> list[Frame]:
    """Lists the frames of some cities, sorted by name.

    Args:
        root: Holds `leftImg8bit/` and `gtFine/`.
        folder: `train` or `val`.
        cities: Folders below that one.

    Raises:
        FileNotFoundError: if a folder is missing or empty, an image has no annotation, or an annotation no
            image; naming up to ten of them.
    """
    folders = [root / part / folder / city for city in cities for part in (_IMAGES, _POLYGONS)]
    if missing := [path for path in folders if not path.is_dir()]:
        raise FileNotFoundError(f"`{root}` must hold {_quote(missing)}; got no such folder. {_ADVICE}")
    pictured = _list_frames(root, folder, cities, _IMAGES, _IMAGE_END)
    annotated = _list_frames(root, folder, cities, _POLYGONS, _POLYGONS_END)
    absent = [frame.polygons_path for frame in pictured - annotated]
    absent += [frame.image_path for frame in annotated - pictured]
    if absent:
        raise FileNotFoundError(
            f"`{root}` must hold an annotation for every image and an image for every annotation; "
            f"got no {_quote(sorted(absent))}. Unpack the archives again."
        )
    if empty := sorted(set(cities) - {frame.city for frame in pictured}):
        raise FileNotFoundError(f"`{root / _IMAGES / folder}` must hold images of every city; got none of {empty}.")
    return sorted(pictured, key=lambda frame: frame.name)


def _list_frames(root: Path, folder: str, cities: Sequence[str], part: str, ending: str) -> set[Frame]:
    """Returns the frames of which a file with this ending exists."""
    return {
        Frame(root, folder, city, path.name.removesuffix(ending))
        for city in cities
        for path in (root / part / folder / city).glob(f"*{ending}")
    }


def _quote(paths: Sequence[Path]) -> str:
    """Returns at most ten paths for an error, and how many more there are."""
    more = f" and {len(paths) - 10} more" if len(paths) > 10 else ""
    return ", ".join(f"`{path}`" for path in paths[:10]) + more


def read_annotation(path: Path, image_shape: tuple[int, int]) -> Annotation:
    """Reads the polygons of one image, without those marked as deleted.

    Args:
        path: The JSON file.
        image_shape: Height and width that the annotation must state, in pixels.

    Raises:
        ValueError: naming file, object and rule, if the file is not JSON, lacks a key, has another size, an
            unknown label, a polygon of fewer than 3 points or a point that is not a finite pair.
    """
    try:
        content = json.loads(path.read_bytes())
        stated_shape = (content["imgHeight"], content["imgWidth"])
        listed = list(content["objects"])
    except (ValueError, KeyError, TypeError) as fault:
        raise ValueError(f"`{path}` must be JSON with imgHeight, imgWidth and objects; got {fault!r}.") from fault
    if stated_shape != tuple(image_shape):
        raise ValueError(
            f"`{path}` must state imgHeight, imgWidth {tuple(image_shape)} as `data.image_shape` does; "
            f"got {stated_shape}."
        )
    if len(listed) > MAX_OBJECTS:
        raise ValueError(f"`{path}` must have at most {MAX_OBJECTS} objects; got {len(listed)}.")
    objects = tuple(
        _read_object(item, f"`{path}`, object {index},")
        for index, item in enumerate(listed)
        if not (isinstance(item, dict) and item.get("deleted"))
    )
    _check_instances(objects, path)
    return Annotation(*image_shape, objects)


def _read_object(item: Any, where: str) -> Object:
    """Returns one object of the file; `where` begins the error."""
    if not isinstance(item, dict) or not {"label", "polygon"} <= item.keys():
        raise ValueError(f"{where} must have the keys label and polygon; got {str(item)[:80]}.")
    label = item["label"]
    if not isinstance(label, str) or not {label, label.removesuffix("group")} & LABEL_IDS.keys():
        raise ValueError(f"{where} must have a label of Cityscapes; got {label!r}.")
    try:
        points = np.asarray(item["polygon"])
    except ValueError:  # rows of unequal length
        points = np.empty(0, object)
    if points.dtype.kind not in "if" or points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ValueError(f"{where} must have at least 3 points (x, y); got {str(item['polygon'])[:80]}.")
    is_finite = np.isfinite(points).all(axis=1)
    if not is_finite.all():
        raise ValueError(f"{where} must have finite points; got {points[~is_finite][0].tolist()}.")
    return Object(label, points.astype(np.float64))


def _check_instances(objects: Sequence[Object], path: Path) -> None:
    """Refuses more instances of a label than its ids can tell apart."""
    numbered = Counter(item.label for item in objects if item.class_id and not item.is_crowd)
    label, count = max(numbered.items(), key=lambda pair: pair[1], default=("", 0))
    if count > MAX_INSTANCES:
        raise ValueError(f"`{path}` must have at most {MAX_INSTANCES} of one label; got {count} of {label}.")


def paint_objects(annotation: Annotation) -> InstanceMap:
    """Paints every object with its place in the list, counted from 1; 0 is ground that nobody labelled.

    Licence plates are not painted: what lies below them shows. Look `number_instances` up with the map to
    get the official ids.
    """
    painted = [index for index, item in enumerate(annotation.objects) if LABEL_IDS[item.name] >= 0]
    polygons = [annotation.objects[index].polygon for index in painted]
    return paint_polygons(polygons, [index + 1 for index in painted], (annotation.height, annotation.width))


def number_instances(annotation: Annotation) -> UInt16[np.ndarray, "numbers"]:
    """Returns the official id of every number that `paint_objects` uses.

    An instance is `label_id * 1000 + number`, numbered within its label in painter's order, hidden ones
    included. Stuff and crowds keep their `label_id`; ground is 0.
    """
    seen: Counter[str] = Counter()
    ids = np.zeros(len(annotation.objects) + 1, np.uint16)
    for number, item in enumerate(annotation.objects, start=1):
        label_id = LABEL_IDS[item.name]
        if item.class_id and not item.is_crowd:
            ids[number] = label_id * 1000 + seen[item.name]
            seen[item.name] += 1
        elif label_id >= 0:
            ids[number] = label_id
    return ids


def paint_instances(annotation: Annotation) -> InstanceMap:
    """Paints the official instance ids, as `gtFine_instanceIds.png` holds them.

    Source:
        cityscapesScripts `preparation/json2instanceImg.py`, with the rasteriser of the published files.
    """
    return number_instances(annotation)[paint_objects(annotation)]


def check_image(path: Path, image_shape: tuple[int, int]) -> None:
    """Refuses a file that is not a whole PNG of this size, without decoding it.

    Args:
        path: The image.
        image_shape: Height and width that it must have, in pixels.

    Raises:
        ValueError: if the file is no PNG, ends before its last chunk, or has another size.
    """
    with path.open("rb") as file:
        head = file.read(24)
        file.seek(-min(len(_PNG_END), len(head)), 2)
        tail = file.read()
    if head[:8] != _PNG_START or len(head) < 24:
        raise ValueError(f"`{path}` must be a PNG image; got a file that begins with {head[:8]!r}.")
    if tail != _PNG_END:
        raise ValueError(f"`{path}` must be a whole PNG image; got one that ends early. Copy it again.")
    shape = (int.from_bytes(head[20:24]), int.from_bytes(head[16:20]))
    if shape != tuple(image_shape):
        raise ValueError(
            f"`{path}` must have height and width {tuple(image_shape)}; got {shape}. See `data.image_shape`."
        )
