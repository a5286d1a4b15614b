"""Files of records that lie: each is refused as a whole when it is opened, and nothing in it is run."""

import pickle
import re
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from maskrcnn.data.record_files import LAYOUT, read_arrays
from maskrcnn.data.records import build_record, read_records, write_records
from maskrcnn.project.errors import InputError
from maskrcnn.readers.cityscapes import CITYSCAPES
from tests.data.spoiled_records import spoil
from tests.readers.frames import rectangle, write_frame

RAW, MINI = (64, 128), (7, 9)
OBJECTS = [("car", rectangle(4, 8, 11, 16)), ("persongroup", rectangle(80, 20, 99, 40))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two images, the first of two objects and the second of none."""
    frames = [
        write_frame(tmp_path, objects, name=f"{name}_000000_000019")
        for name, objects in (("cologne", OBJECTS), ("ulm", []))
    ]
    records = [build_record(frame, RAW, MINI, "stretch", instance_map=True) for frame in frames]
    write_records(tmp_path / "split.npz", records, RAW, MINI, "stretch", CITYSCAPES)
    return tmp_path / "split.npz"


def refuse(path: Path, rule: str) -> None:
    message = rf"split.npz` must be a file of records; got {rule}.*Run `python stages/preprocess.py split`"
    with pytest.raises(InputError, match=message):
        read_records(path)


def replace_entry(path: Path, name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    """Replaces one file of the archive."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()} | {name: content}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for entry, stored in entries.items():
            archive.writestr(entry, stored)


def change(path: Path, name: str, edit: Callable[[np.ndarray], object]) -> None:
    """Edits a copy of one array."""
    with np.load(path) as arrays:
        values = arrays[name].copy()
    edit(values)
    spoil(path, name, values)


def test_what_was_written_is_read(path: Path) -> None:
    arrays = read_arrays(path)
    with np.load(path) as expected:
        assert {*expected.files} == {*LAYOUT} == {*arrays}
        for name in LAYOUT:
            np.testing.assert_array_equal(arrays[name], expected[name])
            assert arrays[name].dtype == expected[name].dtype


def test_an_array_in_column_order_is_read(path: Path) -> None:
    boxes = read_arrays(path)["boxes"]
    spoil(path, "boxes", np.asfortranarray(boxes))
    assert b"True" in zipfile.ZipFile(path).read("boxes.npy")[:80]
    np.testing.assert_array_equal(read_arrays(path)["boxes"], boxes)


class Trap:
    """Writes a marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("name", LAYOUT)
def test_a_pickle_is_never_opened(path: Path, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    spoil(path, name, np.array([Trap(marker)], object))
    refuse(path, f"`{name}` with the header .*O")
    assert not marker.exists()
    replace_entry(path, f"{name}.npy", pickle.dumps(Trap(marker)))
    refuse(path, f"`{name}` with the header ")
    path.write_bytes(pickle.dumps(Trap(marker)))
    refuse(path, "File is not a zip file")
    assert not marker.exists()


def make_npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """Returns a file of NumPy with any header."""
    length = (len(header) + 1).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + length + header.encode() + b"\n" + data


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<i4', 'fortran_order': False, 'shape': (10000000000000, 4), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (-1, 4), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 4), 'more': 1, }",
        "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (2, 4), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4), }",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (2, 4), }",
        "{'descr': '>i4', 'fortran_order': False, 'shape': (2, 4), }",
        "{'descr': '<i4', 'fortran_order': 7, 'shape': (2, 4), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': 8, }",
        "(" * 60_000,
        "__import__('os').system('true')",
        "",
    ],
)
def test_a_header_that_lies_is_refused(path: Path, header: str) -> None:
    replace_entry(path, "boxes.npy", make_npy(header, bytes(32)))
    refuse(path, "`boxes` (with the header|of shape)")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x03\x00" + bytes(99), b"\x93NUMPY\x01\x00\xff\xff"])
def test_another_file_in_place_of_an_array_is_refused(path: Path, content: bytes) -> None:
    replace_entry(path, "boxes.npy", content)
    refuse(path, "`boxes` with the header")


def test_a_long_header_of_the_second_version_is_read(path: Path) -> None:
    dropped = make_npy(
        "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }" + 70_000 * " ", bytes(8), b"\x02\x00"
    )
    replace_entry(path, "dropped.npy", dropped)
    assert read_arrays(path)["dropped"].tolist() == [0, 0]


def test_a_zip_bomb_is_refused_unread(path: Path) -> None:
    file = BytesIO()
    np.save(file, np.zeros((50_000_000, 4), np.int32))
    replace_entry(path, "boxes.npy", file.getvalue(), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2_000_000
    refuse(path, "`boxes` that is compressed, or larger than the file")


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        ("boxes", np.zeros((2, 3), np.int32), r"`boxes` of type int32 and shape \(2, 3\)"),
        ("boxes", np.zeros((2, 4), bool), r"`boxes` of type bool and shape \(2, 4\)"),
        ("areas", np.ones(3, np.int32), r"`areas` of type int32 and shape \(3,\)"),
        ("offsets", np.array([0, 2]), r"`map_offsets` of type int64 and shape \(3,\)"),
        ("names", np.array(["a", "b", "c"]), r"`image_paths` of type <U\d+ and shape \(2,\)"),
        ("image_shape", np.array([0, 128]), "`image_shape` 0 x 128"),
        ("image_shape", np.array([30_000, 30_000]), "`image_shape` 30000 x 30000"),
        ("mini_mask_shape", np.array([-7, -9]), "`mini_mask_shape` -7 x -9"),
        ("mini_mask_shape", np.array([7, 10]), "mini-masks of 8 bytes for 7 x 10 pixels"),
        ("fit", np.array("crop"), "`fit` 'crop'"),
        ("names", np.array(["a", "../b"]), r"the name '\.\./b'"),
        ("names", np.array(["a", "\0b"]), r"the name '\\x00b'"),
        ("names", np.array(["a", ".."]), r"the name '\.\.'"),
        ("names", np.array(["a", ""]), "the name ''"),
        ("names", np.array(["a", "a"]), "a name twice"),
        ("image_paths", np.array(["a.png", "/etc/passwd"]), "the image path '/etc/passwd'"),
        ("image_paths", np.array(["a.png", "b/../../c.png"]), r"the image path 'b/\.\./\.\./c.png'"),
        ("image_paths", np.array(["a.png", ""]), "the image path ''"),
        ("image_paths", np.array(["a.png", "\0b"]), r"the image path '\\x00b'"),
        ("offsets", np.array([0, 1, 1]), "`offsets` that do not rise from 0 to 2"),
        ("offsets", np.array([1, 2, 2]), "`offsets` that do not rise from 0 to 2"),
        ("offsets", np.array([0, 3, 2]), "`offsets` that do not rise from 0 to 2"),
        ("map_offsets", np.array([0, 1, 2]), "`map_offsets` that do not rise from 0 to"),
        ("dropped", np.array([0, -1]), "`dropped` below 0"),
        ("boxes", np.array([[-1, 4, 16, 12]] * 2), "boxes outside the image"),
        ("boxes", np.array([[8, 4, 16, 129]] * 2), "boxes outside the image"),
        ("boxes", np.array([[16, 4, 8, 12]] * 2), "boxes without area"),
        ("areas", np.array([64, 0]), "areas larger than their box, or below 1"),
        ("areas", np.array([65, 1]), "areas larger than their box, or below 1"),
        ("instance_ids", np.array([0, -1]), "instance ids outside 0 to 65535"),
        ("instance_ids", np.array([0, 65536]), "instance ids outside 0 to 65535"),
        ("is_crowd", np.array([0, 2], np.uint8).view(bool), "`is_crowd` that is neither true nor false"),
        ("class_ids", np.array([1, 11]), "class ids beyond background, car"),
        ("class_ids", np.array([0, 1]), "class ids beyond background, car"),
        ("map_bytes", np.zeros(1000, np.uint8), "`map_offsets` that do not rise from 0 to 1000"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(path: Path, name: str, values: np.ndarray, rule: str) -> None:
    spoil(path, name, values)
    refuse(path, rule)


def test_offsets_of_other_images_are_refused(path: Path) -> None:
    for name in ("offsets", "map_offsets"):
        change_length(path, name)
    refuse(path, "2 images with 2 offsets")


def change_length(path: Path, name: str) -> None:
    """Cuts off the last item of an array."""
    with np.load(path) as arrays:
        values = arrays[name][:-1]
    spoil(path, name, values)


@pytest.mark.parametrize("code", [0x110000, 0xD800])
def test_text_that_is_none_is_refused(path: Path, code: int) -> None:
    spoil(path, "names", np.array([[code], [97]], np.uint32).view("<U1")[:, 0])
    refuse(path, "`names` that is no text")


def test_a_map_of_another_size_is_refused(path: Path) -> None:
    change(path, "map_bytes", lambda png: png.__setitem__(19, 127))  # the width's last byte
    refuse(path, "an instance map that is no PNG of 16 bits in the size of the images")


@pytest.mark.parametrize(("place", "value"), [(8, 1), (10, 12), (6, 1)])
def test_an_entry_that_cannot_be_unpacked_is_refused(path: Path, place: int, value: int) -> None:
    """Encrypted, compressed by an unknown method, or of a later version of ZIP."""
    content = bytearray(path.read_bytes())
    for header in re.finditer(b"PK\x01\x02", bytes(content)):
        content[header.start() + place] = value if place != 6 else 99
    path.write_bytes(content)
    refuse(path, "")
