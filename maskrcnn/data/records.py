"""Records: what the network learns from, one file per split.

A record holds the truth of one image at the size that the network sees. Boxes are `(y1, x1, y2, x2)` in pixels of
that size, whole numbers, outer edge excluded. Pixels stay in the image files; a record names them.
"""

import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Int, UInt8

from maskrcnn.data.catalogue import Catalogue, decode_catalogue, encode_catalogue
from maskrcnn.data.frames import Frame
from maskrcnn.data.image_files import check_data, decode_samples, open_png
from maskrcnn.data.images import Shape, read_image, resize_map
from maskrcnn.data.mini_masks import crop_masks, cut_masks, extract_boxes
from maskrcnn.data.record_files import check_arrays, read_arrays
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_file
from maskrcnn.project.json_files import parse_json
from maskrcnn.project.notation import Boxes, ClassIds, Image, InstanceMap, MiniMasks

PngBytes = UInt8[np.ndarray, "bytes"]

PER_INSTANCE = ("boxes", "class_ids", "is_crowd", "areas", "instance_ids")


@dataclass(frozen=True)
class Record:
    """The truth of one image; instances and crowds in painter's order.

    Args:
        name: The frame's, such as `cologne_000000_000019`.
        image_path: The image file below `data.root`.
        boxes: The tightest box around what can be seen of each.
        class_ids: Indices of the catalogue's class names, never 0.
        is_crowd: Whether this is a group whose members were not annotated one by one, and so no instance.
        areas: Visible pixels of each.
        mini_masks: The mask of each, cut at its box and resized.
        instance_ids: Official id of each, see `Catalogue`; all crowds of a label share one.
        dropped: Instances, crowds excluded, of which no pixel is left: hidden, or too small at this size.
        instance_png: Official id of every pixel as the bytes of a PNG; empty where it was not asked for.
    """

    name: str
    image_path: str
    boxes: Boxes
    class_ids: ClassIds
    is_crowd: Bool[np.ndarray, "N"]
    areas: Int[np.ndarray, "N"]
    mini_masks: MiniMasks
    instance_ids: Int[np.ndarray, "N"]
    dropped: int
    instance_png: PngBytes


def build_record(frame: Frame, image_shape: Shape, mini_mask_shape: Shape, fit: str, instance_map: bool) -> Record:
    """Turns the truth of one frame into its record.

    Objects are painted at the raw image's size; then each pixel of the new size takes what lies at its centre.

    Args:
        frame: Image and annotation.
        image_shape: Height and width of the record.
        mini_mask_shape: Height and width of the mini-masks.
        fit: How the raw size becomes `image_shape`, see `fit_shape`.
        instance_map: Whether to keep the official id of every pixel.

    Raises:
        InputError: if image or annotation is damaged or of another size.
    """
    truth = frame.read_truth()
    object_map = resize_map(truth.object_map, image_shape, fit)
    countable = np.flatnonzero(truth.class_ids)
    boxes = extract_boxes(object_map, countable)
    visible = boxes[:, 2] > 0
    numbers, boxes = countable[visible], boxes[visible]
    areas = [np.count_nonzero(mask) for mask in cut_masks(object_map, numbers, boxes)]
    return Record(
        name=frame.name,
        image_path=frame.image_file,
        boxes=boxes,
        class_ids=truth.class_ids[numbers].astype(np.int32),
        is_crowd=truth.is_crowd[numbers],
        areas=np.array(areas, np.int32),
        mini_masks=crop_masks(object_map, numbers, boxes, mini_mask_shape),
        instance_ids=truth.official_ids[numbers].astype(np.int32),
        dropped=int(np.count_nonzero(~truth.is_crowd[countable[~visible]])),
        instance_png=_encode_map(truth.official_ids[object_map]) if instance_map else np.empty(0, np.uint8),
    )


def write_records(
    path: Path,
    records: Sequence[Record],
    image_shape: Shape,
    mini_mask_shape: Shape,
    fit: str,
    catalogue: Catalogue,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Writes a split, whole or not at all; equal records give equal bytes, on every machine.

    `read_records` is the inverse. DVC compares the bytes that different machines make, and those of
    `np.savez_compressed` differ between releases of Python and zlib.

    Args:
        path: The `.npz` file; missing folders are made.
        records: At least one.
        image_shape: Height and width of the records.
        mini_mask_shape: Height and width of their mini-masks.
        fit: How their images become `image_shape`, see `fit_shape`.
        catalogue: The classes that their ids refer to.
        settings: The params that they were made with, by their full path, see `maskrcnn.data.splits`.

    Raises:
        InputError: if there is no record, or one that `read_records` would refuse.
    """
    if not records:
        raise InputError(f"`records` must hold at least one record; got none for `{path}`.")
    arrays = {
        "image_shape": np.array(image_shape, np.int32),
        "mini_mask_shape": np.array(mini_mask_shape, np.int32),
        "fit": np.array(fit),
        "catalogue": np.frombuffer(encode_catalogue(catalogue), np.uint8),
        "settings": np.frombuffer(json.dumps(settings or {}, allow_nan=False).encode(), np.uint8),
        "names": np.array([record.name for record in records]),
        "image_paths": np.array([record.image_path for record in records]),
        "dropped": np.array([record.dropped for record in records], np.int32),
        "offsets": _offsets(len(record.boxes) for record in records),
        "packed_mini_masks": np.concatenate([_pack(record.mini_masks) for record in records]),
        "map_offsets": _offsets(len(record.instance_png) for record in records),
        "map_bytes": np.concatenate([record.instance_png for record in records]),
    }
    arrays |= {name: np.concatenate([getattr(record, name) for record in records]) for name in PER_INSTANCE}
    try:
        check_arrays(arrays)
    except InputError as fault:
        raise InputError(f"`{path}` must be a file of records; got {fault}.") from None
    with whole_file(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name, values in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), _npy(values))


class Records:
    """The records of one split, sorted by name; `records[i]` is a `Record`.

    Args:
        path: The file they come from.
        arrays: Everything that `write_records` wrote.
    """

    def __init__(self, path: Path, arrays: dict[str, np.ndarray]) -> None:
        self.path = path
        self.names: list[str] = arrays["names"].tolist()
        self.image_shape: Shape = tuple(arrays["image_shape"].tolist())
        self.mini_mask_shape: Shape = tuple(arrays["mini_mask_shape"].tolist())
        self.fit: str = str(arrays["fit"])
        self.catalogue: Catalogue = decode_catalogue(arrays["catalogue"].tobytes())
        self.settings: dict[str, Any] = parse_json(arrays["settings"].tobytes())
        if not isinstance(self.settings, dict):
            raise InputError(f"`settings` {str(self.settings)[:80]}")
        self._arrays = arrays

    def check_classes(self) -> None:
        """Refuses class ids that the catalogue does not have.

        Raises:
            InputError: if there is one.
        """
        if not np.isin(self._arrays["class_ids"], range(1, len(self.catalogue.class_names))).all():
            raise InputError(f"class ids beyond {', '.join(self.catalogue.class_names)}")

    @cached_property
    def digest(self) -> int:
        """Checksum of names, size, classes and truth: by it scores and predictions name the images that they are of.

        Bytes of PNG files do not enter it: they differ between releases of OpenCV.
        """
        classes = self.catalogue
        numbers = sorted(classes.class_ids_by_label.items()), sorted(classes.void_label_ids), classes.instance_base
        digest = zlib.crc32(repr((self.names, self.image_shape, self.fit, classes.class_names, numbers)).encode())
        for name in ("offsets", *PER_INSTANCE, "packed_mini_masks"):
            digest = zlib.crc32(np.ascontiguousarray(self._arrays[name]).data, digest)
        return digest

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Record:
        index = range(len(self))[index]
        flat = self._arrays
        own = slice(*flat["offsets"][index : index + 2])
        own_png = slice(*flat["map_offsets"][index : index + 2])
        height, width = self.mini_mask_shape
        mini_masks = np.unpackbits(flat["packed_mini_masks"][own], axis=1, count=height * width)
        return Record(
            name=self.names[index],
            image_path=str(flat["image_paths"][index]),
            mini_masks=mini_masks.reshape(-1, height, width).astype(bool),
            dropped=int(flat["dropped"][index]),
            instance_png=flat["map_bytes"][own_png],
            **{name: flat[name][own] for name in PER_INSTANCE},
        )

    def image_path(self, index: int) -> str:
        """Returns the image file of a record, below `data.root`."""
        return str(self._arrays["image_paths"][index])

    def read_image(self, index: int, root: Path) -> Image:
        """Reads one image on the grid of its record.

        Args:
            index: Of the record.
            root: The folder `data.root`, from which the image paths start.

        Raises:
            FileNotFoundError: if there is no such file.
            InputError: if it cannot be decoded.
        """
        return read_image(root / self.image_path(index), self.image_shape, self.fit)

    def instance_map(self, index: int) -> InstanceMap:
        """Returns the official id of every pixel of one image, see `Catalogue`.

        Raises:
            InputError: if the split was preprocessed without instance maps, or the map is damaged.
        """
        png = self[index].instance_png
        if not len(png):
            raise InputError(f"`{self.path}` must hold instance maps; got none. Set the split's `instance_maps`.")
        try:
            return decode_map(png)
        except InputError as fault:
            raise InputError(
                f"`{self.path}` must be a file of records; got a damaged instance map of {self.names[index]}. "
                f"Run `python stages/preprocess.py {self.path.stem}`."
            ) from fault


def read_records(path: Path) -> Records:
    """Reads what `write_records` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if the file is damaged, or not one of records.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; run `python stages/preprocess.py {path.stem}`.")
    try:
        records = Records(path, read_arrays(path))
        records.check_classes()
        return records
    except ValueError as fault:
        raise InputError(
            f"`{path}` must be a file of records; got {fault}. Run `python stages/preprocess.py {path.stem}`."
        ) from fault


def _pack(mini_masks: MiniMasks) -> UInt8[np.ndarray, "N bytes"]:
    """Returns one row of packed bits for each mini-mask."""
    return np.packbits(mini_masks.reshape(len(mini_masks), np.prod(mini_masks.shape[1:])), axis=1)


def _npy(values: np.ndarray) -> bytes:
    """Returns an array in NumPy's file format."""
    file = BytesIO()
    np.lib.format.write_array(file, values, allow_pickle=False)
    return file.getvalue()


def decode_map(png: PngBytes) -> InstanceMap:
    """Returns the instance map that a record holds as a PNG.

    Raises:
        InputError: if it is damaged.
    """
    file = open_png(Path("instance_map.png"), png.tobytes())
    check_data(file)
    return decode_samples(file)


def _encode_map(instance_map: InstanceMap) -> PngBytes:
    """Returns the map as a PNG of 16 bits."""
    return cv2.imencode(".png", instance_map)[1].reshape(-1)


def _offsets(lengths: Iterable[int]) -> np.ndarray:
    """Returns the start of each of some consecutive parts, and the end of the last one."""
    return np.cumsum([0, *lengths])
