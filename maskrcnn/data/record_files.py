"""The arrays of a file of records: read without trust, and checked as a whole before any is used.

A file of records is a ZIP archive of arrays in NumPy's format, not compressed. It is read here without NumPy's own
reader, which evaluates headers and reserves the memory that they claim. Nothing is unpickled.
"""

import re
import struct
import sys
import zipfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import prod
from pathlib import Path, PurePosixPath

import numpy as np

from maskrcnn.data.image_files import MAX_PIXELS
from maskrcnn.data.images import FITS
from maskrcnn.project.errors import InputError

Arrays = Mapping[str, np.ndarray]

LAYOUT = {  # kind of the type, and shape: N instances and crowds, M images, B bytes of a mini-mask, others by name
    "boxes": ("i", ("N", 4)),
    "class_ids": ("i", ("N",)),
    "is_crowd": ("b", ("N",)),
    "areas": ("i", ("N",)),
    "instance_ids": ("i", ("N",)),
    "packed_mini_masks": ("u", ("N", "B")),
    "offsets": ("i", ("M + 1",)),
    "map_bytes": ("u", ("map bytes",)),
    "map_offsets": ("i", ("M + 1",)),
    "names": ("U", ("M",)),
    "image_paths": ("U", ("M",)),
    "dropped": ("i", ("M",)),
    "image_shape": ("i", (2,)),
    "mini_mask_shape": ("i", (2,)),
    "fit": ("U", ()),
    "catalogue": ("u", ("catalogue bytes",)),
    "settings": ("u", ("settings bytes",)),
}
MAX_INSTANCE_ID = np.iinfo(np.uint16).max

_VERSIONS = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}  # bytes that state the length of the header
_HEADER = re.compile(
    r"{'descr': '(?P<type>\|b1|\|u1|<i4|<i8|<U[1-9]\d{0,6})', 'fortran_order': (?P<columns>False|True), "
    r"'shape': \((?P<shape>(?:\d{1,15},? ?)*)\), } *\n"
)
_MAP_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a file of records, not writable.

    Raises:
        InputError: if the file is no such archive, is damaged, or its arrays contradict each other.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            arrays = {name: _read_array(archive, name, path.stat().st_size) for name in LAYOUT}
    except (
        zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError, struct.error,
    ) as fault:  # fmt: skip
        raise InputError(str(fault)) from fault
    check_arrays(arrays)
    return arrays


def check_arrays(arrays: Arrays) -> None:
    """Refuses arrays that are no records.

    Raises:
        InputError: if a type, a shape or a value is wrong, or they contradict each other; names the first fault.
    """
    for fault in _find_faults(arrays):
        raise InputError(fault)


def _read_array(archive: zipfile.ZipFile, name: str, most_bytes: int) -> np.ndarray:
    """Returns one array; the type and shape that its header states must fill its bytes."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > most_bytes:
        raise InputError(f"`{name}` that is compressed, or larger than the file")
    content = archive.read(entry)
    start = len(next(iter(_VERSIONS)))
    stop = start + _VERSIONS.get(content[:start], 0)
    data = stop + int.from_bytes(content[start:stop], "little")
    header = _HEADER.fullmatch(content[stop:data].decode("latin1"))
    if header is None:
        raise InputError(f"`{name}` with the header {content[:data][:120]!r}")
    dtype, shape = np.dtype(header["type"]), tuple(map(int, re.findall(r"\d+", header["shape"])))
    if prod(shape) * dtype.itemsize != len(content) - data:
        raise InputError(f"`{name}` of shape {shape} in {len(content) - data} bytes")
    values = np.frombuffer(content, dtype, offset=data)
    return values.reshape(shape[::-1]).T if header["columns"] == "True" else values.reshape(shape)


def _find_faults(arrays: Arrays) -> Iterator[str]:
    """Yields what contradicts the format, the first fault first; later ones may follow from it."""
    yield from _find_misshapen(arrays)
    yield from _find_bad_texts(arrays)
    yield from _find_bad_settings(arrays)
    yield from _find_bad_images(arrays)
    yield from _find_bad_instances(arrays)


def _find_misshapen(arrays: Arrays) -> Iterator[str]:
    """Yields arrays of another type or shape than `LAYOUT` says."""
    sizes: dict[str, int] = {}
    for name, (kind, dimensions) in LAYOUT.items():
        values = arrays[name]
        if values.dtype.kind == kind and values.ndim == len(dimensions):
            own = dict(zip(dimensions, values.shape, strict=True))
            sizes = {size: own[size] for size in own if isinstance(size, str)} | sizes
            if values.shape == tuple(size if isinstance(size, int) else sizes[size] for size in dimensions):
                continue
        yield f"`{name}` of type {values.dtype} and shape {values.shape}"
        return
    if sizes["M + 1"] != sizes["M"] + 1 or not sizes["M"]:
        yield f"{sizes['M']} images with {sizes['M + 1']} offsets"


def _find_bad_texts(arrays: Arrays) -> Iterator[str]:
    """Yields texts with numbers that are no characters."""
    for name in ("names", "image_paths", "fit"):
        codes = arrays[name].reshape(-1).view(np.uint32)
        if ((codes > sys.maxunicode) | ((codes >= 0xD800) & (codes < 0xE000))).any():
            yield f"`{name}` that is no text"
            return


def _find_bad_settings(arrays: Arrays) -> Iterator[str]:
    """Yields sizes and fits that no image can have."""
    for name in ("image_shape", "mini_mask_shape"):
        height, width = arrays[name].tolist()
        if min(height, width) < 1 or height * width > MAX_PIXELS:
            yield f"`{name}` {height} x {width}"
    height, width = arrays["mini_mask_shape"].tolist()
    if (byte_count := arrays["packed_mini_masks"].shape[1]) != -(-height * width // 8):
        yield f"mini-masks of {byte_count} bytes for {height} x {width} pixels"
    if str(arrays["fit"]) not in FITS:
        yield f"`fit` {str(arrays['fit'])!r:.80}"


def _find_bad_images(arrays: Arrays) -> Iterator[str]:
    """Yields names that are no file names, paths that leave the root, and parts that overlap or leave a gap."""
    names, paths = arrays["names"].tolist(), arrays["image_paths"].tolist()
    if bad := [name for name in names if not name or "/" in name or "\0" in name or name in (".", "..")]:
        yield f"the name {bad[0]!r:.80}"
    if len(set(names)) < len(names):
        yield "a name twice"
    if bad := [path for path in paths if not path or "\0" in path or not _stays_below(path)]:
        yield f"the image path {bad[0]!r:.80}"
    for name, total in (("offsets", len(arrays["boxes"])), ("map_offsets", len(arrays["map_bytes"]))):
        offsets = arrays[name]
        if offsets[0] != 0 or offsets[-1] != total or (offsets[1:] < offsets[:-1]).any():
            yield f"`{name}` that do not rise from 0 to {total}"
            return
    if (arrays["dropped"] < 0).any():
        yield "`dropped` below 0"
    height, width = arrays["image_shape"].tolist()
    start = np.frombuffer(_MAP_START + struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0), np.uint8)
    for first, stop in pairwise(arrays["map_offsets"].tolist()):
        if stop > first and not np.array_equal(arrays["map_bytes"][first : min(stop, first + len(start))], start):
            yield "an instance map that is no PNG of 16 bits in the size of the images"
            return


def _stays_below(path: str) -> bool:
    """Returns whether a path stays below the folder that it starts from."""
    return not path.startswith("/") and ".." not in PurePosixPath(path).parts


def _find_bad_instances(arrays: Arrays) -> Iterator[str]:
    """Yields boxes outside the image, and areas, ids and flags out of range."""
    boxes = arrays["boxes"].astype(np.int64)
    if (boxes[:, :2] < 0).any() or (boxes[:, 2:] > arrays["image_shape"]).any():
        yield "boxes outside the image"
        return
    sides = boxes[:, 2:] - boxes[:, :2]
    if (sides < 1).any():
        yield "boxes without area"
        return
    if ((arrays["areas"] < 1) | (arrays["areas"] > sides.prod(axis=1))).any():
        yield "areas larger than their box, or below 1"
    if ((arrays["instance_ids"] < 0) | (arrays["instance_ids"] > MAX_INSTANCE_ID)).any():
        yield f"instance ids outside 0 to {MAX_INSTANCE_ID}"
    if (arrays["is_crowd"].view(np.uint8) > 1).any():
        yield "`is_crowd` that is neither true nor false"
