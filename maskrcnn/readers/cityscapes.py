"""Reader of Cityscapes: its files, its annotations, and the meaning of its labels.

`IMAGES/CITY/NAME_leftImg8bit.png` is an image, `TRUTH/CITY/NAME_gtFine_polygons.json` its truth: labelled polygons
in painter's order, points `(x, y)` in pixels. In the published archives IMAGES is `leftImg8bit/train` or
`leftImg8bit/val`, and TRUTH `gtFine/train` or `gtFine/val`. `label_ids` are Cityscapes' own numbers, `class_ids`
index the class names of the catalogue.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt16

from maskrcnn.data.catalogue import Catalogue, Classes, assign_labels
from maskrcnn.data.frames import Frame, Truth
from maskrcnn.data.image_files import MAX_PIXELS, Shape, check_image
from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import InstanceMap
from maskrcnn.readers.folders import IMAGE_END, POLYGONS_END, list_frames
from maskrcnn.readers.json_files import MAX_COORDINATE, quote, read_json
from maskrcnn.readers.polygons import Points, count_crossings, paint_polygons

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

MAX_OBJECTS = np.iinfo(np.uint16).max  # of one image: `paint_objects` numbers them in 16 bits

MAX_BYTES = 10_000_000  # of an annotation; those of Cityscapes have less than 1 MB
MAX_CROSSINGS = 3_000_000  # of edges and rows; painting needs time and memory in proportion


@dataclass(frozen=True)
class CityscapesFrame(Frame):
    """One image of Cityscapes.

    Args:
        polygons_file: The annotation's path below the root.
        image_shape: Height and width that image and annotation must have; None for those that the annotation states.
        catalogue: The classes to look for.
    """

    polygons_file: str
    image_shape: Shape | None
    catalogue: Catalogue

    @property
    def polygons_path(self) -> Path:
        """The annotation file."""
        return self.root / self.polygons_file

    def read_truth(self) -> Truth:
        """Paints the polygons; see `Frame`."""
        annotation = read_annotation(self.polygons_path, self.image_shape)
        check_image(self.image_path, (annotation.height, annotation.width))
        classes = self.catalogue.class_ids_by_label
        return Truth(
            object_map=paint_objects(annotation),
            class_ids=np.array([0, *(classes.get(item.label_id, 0) for item in annotation.objects)], np.int32),
            is_crowd=np.array([False, *(item.is_crowd for item in annotation.objects)]),
            official_ids=number_instances(annotation, self.catalogue),
        )


@dataclass(frozen=True)
class Object:
    """One labelled polygon; points are `(x, y)` in pixels and may lie outside the image."""

    label: str
    polygon: Points

    @property
    def is_crowd(self) -> bool:
        """Whether this is a group (`cargroup`) whose members were not annotated one by one."""
        return self.label not in LABEL_IDS

    @property
    def name(self) -> str:
        """The label without `group`, where that means a crowd; a key of `LABEL_IDS`."""
        return self.label.removesuffix("group") if self.is_crowd else self.label

    @property
    def label_id(self) -> int:
        """The number of the label; -1 for what is never painted."""
        return LABEL_IDS[self.name]


@dataclass(frozen=True)
class Annotation:
    """The objects of one image in painter's order, and the size that their points refer to."""

    height: int
    width: int
    objects: tuple[Object, ...]


def make_catalogue(classes: Classes | None) -> Catalogue:
    """Returns the catalogue of Cityscapes, or of a choice of its classes.

    Args:
        classes: By the name of a class, the labels that it merges; None for the ten of Cityscapes.

    Raises:
        InputError: if the choice does not fit, see `assign_labels`.
    """
    names, class_ids = assign_labels(CLASS_NAMES[1:], classes)
    return Catalogue(
        class_names=names,
        class_ids_by_label={LABEL_IDS[label]: class_id for label, class_id in class_ids.items()},
        void_label_ids=frozenset({0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30}),
    )


CITYSCAPES = make_catalogue(None)


def read_frames(
    root: Path,
    images: str,
    truth: str,
    *,
    cities: Sequence[str] | None = None,
    image_shape: Shape | None = None,
    classes: Classes | None = None,
) -> tuple[list[CityscapesFrame], Catalogue]:
    """Lists the frames of some cities, sorted by name, and the classes to look for.

    Args:
        root: The folder `data.root`.
        images: Folder below the root that holds a folder of images per city.
        truth: Folder below the root that holds a folder of annotations per city.
        cities: The cities; None for all below `images`.
        image_shape: Height and width that every image must have; None where sizes vary.
        classes: See `make_catalogue`.

    Raises:
        FileNotFoundError: if a folder is missing or empty, an image has no annotation, or an annotation no
            image; naming up to ten of them.
        InputError: if the choice of classes does not fit.
    """
    catalogue = make_catalogue(classes)
    names = list_frames(root, images, truth, cities)
    return [make_frame(root, images, truth, name, image_shape, catalogue) for name in names], catalogue


def make_frame(
    root: Path,
    images: str,
    truth: str,
    name: str,
    image_shape: Shape | None = None,
    catalogue: Catalogue = CITYSCAPES,
) -> CityscapesFrame:
    """Returns the frame whose files begin with `name`, such as `cologne/cologne_000000_000019`; see `read_frames`."""
    image_file, polygons_file = f"{images}/{name}{IMAGE_END}", f"{truth}/{name}{POLYGONS_END}"
    return CityscapesFrame(root, image_file, name.rpartition("/")[2], polygons_file, image_shape, catalogue)


def read_annotation(path: Path, image_shape: Shape | None) -> Annotation:
    """Reads the polygons of one image, without those marked as deleted.

    Args:
        path: The JSON file.
        image_shape: Height and width that the annotation must state, in pixels; None accepts any.

    Raises:
        InputError: naming file, object and rule, if the file is no JSON, see `read_json`, has another size, an
            unknown label, a polygon of fewer than 3 points, a point far away or not a pair, or outlines that cross
            too many rows.
    """
    content = read_json(path, ("imgHeight", "imgWidth", "objects"), MAX_BYTES)
    stated_shape, listed = (content["imgHeight"], content["imgWidth"]), content["objects"]
    if not all(type(side) is int and side > 0 for side in stated_shape):
        raise InputError(f"`{path}` must state imgHeight and imgWidth in whole pixels; got {quote(stated_shape)}.")
    if image_shape is not None and stated_shape != tuple(image_shape):
        raise InputError(
            f"`{path}` must state imgHeight, imgWidth {tuple(image_shape)} as `data.image_shape` does; "
            f"got {stated_shape}."
        )
    if stated_shape[0] * stated_shape[1] > MAX_PIXELS:
        raise InputError(f"`{path}` must state at most {MAX_PIXELS} pixels; got {stated_shape}.")
    if not isinstance(listed, list):
        raise InputError(f"`{path}` must have its objects in a list; got {quote(listed)}.")
    if len(listed) > MAX_OBJECTS:
        raise InputError(f"`{path}` must have at most {MAX_OBJECTS} objects; got {len(listed)}.")
    objects = tuple(
        _read_object(item, f"`{path}`, object {index},")
        for index, item in enumerate(listed)
        if not (isinstance(item, dict) and item.get("deleted"))
    )
    _check_instances(objects, path)
    crossings = count_crossings([item.polygon for item in objects], stated_shape[0])
    if crossings > MAX_CROSSINGS:
        raise InputError(
            f"`{path}` must have outlines that cross at most {MAX_CROSSINGS} rows, all together; got {crossings}."
        )
    return Annotation(*stated_shape, objects)


def _read_object(item: Any, where: str) -> Object:
    """Returns one object of the file; `where` begins the error."""
    if not isinstance(item, dict) or not {"label", "polygon"} <= item.keys():
        raise InputError(f"{where} must have the keys label and polygon; got {quote(item)}.")
    label, polygon = item["label"], item["polygon"]
    if not isinstance(label, str) or not {label, label.removesuffix("group")} & LABEL_IDS.keys():
        raise InputError(f"{where} must have a label of Cityscapes; got {quote(label)}.")
    if not isinstance(polygon, list) or len(polygon) < 3 or not all(map(_is_point, polygon)):
        raise InputError(f"{where} must have at least 3 points (x, y); got {quote(polygon)}.")
    for point in polygon:
        if not all(abs(value) <= MAX_COORDINATE for value in point):
            raise InputError(f"{where} must have points of at most {MAX_COORDINATE:.0f} pixels; got {quote(point)}.")
    return Object(label, np.array(polygon, np.float64))


def _is_point(point: Any) -> bool:
    """Returns whether a value of JSON is a pair of numbers."""
    return isinstance(point, list) and len(point) == 2 and all(type(value) in (int, float) for value in point)


def _check_instances(objects: Sequence[Object], path: Path) -> None:
    """Refuses more instances of a label than ids are reserved for it."""
    numbered = Counter(item.label for item in objects if item.label in CLASS_IDS)
    label, count = max(numbered.items(), key=lambda pair: pair[1], default=("", 0))
    if count > CITYSCAPES.instance_base:
        raise InputError(f"`{path}` must have at most {CITYSCAPES.instance_base} of one label; got {count} of {label}.")


def paint_objects(annotation: Annotation) -> InstanceMap:
    """Paints every object with its place in the list, counted from 1; pixels without an object are 0.

    Licence plates are not painted: what lies below them shows. Index `number_instances(annotation)` with this map
    to get official ids.
    """
    painted = [index for index, item in enumerate(annotation.objects) if item.label_id >= 0]
    polygons = [annotation.objects[index].polygon for index in painted]
    return paint_polygons(polygons, [index + 1 for index in painted], (annotation.height, annotation.width))


def number_instances(annotation: Annotation, catalogue: Catalogue = CITYSCAPES) -> UInt16[np.ndarray, "numbers"]:
    """Returns the official id of every number that `paint_objects` uses.

    An instance of a class is `label_id * instance_base + number`, numbered within its label in painter's order, hidden
    ones included. Crowds and everything without a class keep their `label_id`; unlabelled ground is 0.
    """
    seen: Counter[str] = Counter()
    ids = np.zeros(len(annotation.objects) + 1, np.uint16)
    for number, item in enumerate(annotation.objects, start=1):
        if item.label_id in catalogue.class_ids_by_label and not item.is_crowd:
            ids[number] = item.label_id * catalogue.instance_base + seen[item.name]
            seen[item.name] += 1
        elif item.label_id >= 0:
            ids[number] = item.label_id
    return ids


def paint_instances(annotation: Annotation) -> InstanceMap:
    """Paints the official instance ids of all ten classes, as `gtFine_instanceIds.png` holds them.

    Source:
        cityscapesScripts `preparation/json2instanceImg.py`, with the rasteriser of the published files.
    """
    return number_instances(annotation)[paint_objects(annotation)]
