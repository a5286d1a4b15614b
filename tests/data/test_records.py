"""Records: built from made frames, written and read again, and what is refused."""

import zipfile
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskrcnn.data.catalogue import encode_catalogue
from maskrcnn.data.mini_masks import paste_masks
from maskrcnn.data.records import (
    Record,
    Records,
    build_record,
    read_records,
    write_records,
)
from maskrcnn.project.errors import InputError
from maskrcnn.readers.cityscapes import CITYSCAPES, CLASS_IDS, paint_instances, read_annotation
from tests.data.spoiled_records import spoil
from tests.data.test_catalogue import PETS
from tests.readers.frames import Corners, rectangle, write_frame

RAW, HALF, MINI = (64, 128), (32, 64), (7, 9)  # 63 bits do not fill the last of 8 bytes
OBJECTS: list[tuple[str, Corners]] = [
    ("road", rectangle(0, 0, 127, 64)),
    ("car", rectangle(4, 8, 11, 16)),
    ("car", rectangle(40, 10, 45, 12)),  # hidden by the next
    ("bus", rectangle(36, 6, 59, 40)),
    ("persongroup", rectangle(80, 20, 99, 40)),
    ("person", rectangle(90, 30, 93, 44)),
]


def build(
    root: Path, objects: list[tuple[str, Corners]] = OBJECTS, shape: tuple[int, int] = RAW, **names: str
) -> Record:
    return build_record(write_frame(root, objects, **names), shape, MINI, "stretch", instance_map=True)


def write(path: Path, *records: Record) -> Records:
    write_records(path, records, RAW, MINI, "stretch", CITYSCAPES)
    return read_records(path)


def assert_equal(left: Record, right: Record) -> None:
    for field in fields(Record):
        values = getattr(left, field.name), getattr(right, field.name)
        np.testing.assert_array_equal(*values)
        assert isinstance(values[0], str | int) or values[0].dtype == values[1].dtype


def test_a_record_holds_what_can_be_seen(tmp_path: Path) -> None:
    record = build(tmp_path)
    assert record.name == "cologne_000000_000019"
    assert record.image_path == "leftImg8bit/train/cologne/cologne_000000_000019_leftImg8bit.png"
    # Columns 4 to 11 and rows 8 to 15, and so on; the person stands before the crowd and out of it.
    assert record.boxes.tolist() == [[8, 4, 16, 12], [6, 36, 40, 60], [20, 80, 40, 100], [30, 90, 44, 94]]
    assert record.class_ids.tolist() == [CLASS_IDS[name] for name in ("car", "bus", "person", "person")]
    assert record.is_crowd.tolist() == [False, False, True, False]
    # 8 * 8, 34 * 24, 20 * 20 less the 10 * 4 behind the person, 14 * 4
    assert record.areas.tolist() == [64, 816, 360, 56]
    assert record.instance_ids.tolist() == [26000, 28000, 24, 24000]
    assert record.dropped == 1
    assert record.mini_masks.shape == (4, *MINI)
    assert record.mini_masks[[0, 1, 3]].all()
    assert not record.mini_masks[2].all()


def test_a_scaled_record_halves_everything(tmp_path: Path) -> None:
    whole, half = build(tmp_path), build(tmp_path, shape=HALF)
    np.testing.assert_array_equal(half.boxes * 2, whole.boxes)
    np.testing.assert_array_equal(half.areas * 4, whole.areas)
    np.testing.assert_array_equal(half.mini_masks, whole.mini_masks)


def test_an_instance_too_small_for_the_new_size_is_dropped(tmp_path: Path) -> None:
    # At a quarter, the middles lie at 2, 6, 10, ...: columns 3 and 4 have none.
    thin = ("car", rectangle(3, 8, 4, 16))
    assert build(tmp_path, [thin]).dropped == 0
    record = build(tmp_path, [thin], shape=(16, 32))
    assert (len(record.boxes), record.dropped) == (0, 1)


def test_a_hidden_crowd_is_no_dropped_instance(tmp_path: Path) -> None:
    record = build(tmp_path, [("cargroup", rectangle(40, 10, 45, 12)), ("bus", rectangle(36, 6, 59, 40))])
    assert (len(record.boxes), record.dropped) == (1, 0)


def test_masks_and_areas_agree_with_the_instance_map(tmp_path: Path) -> None:
    record = build(tmp_path)
    instance_map = write(tmp_path / "split.npz", record).instance_map(0)
    pasted = paste_masks(record.mini_masks, record.boxes, RAW)
    for index in (0, 1, 3):
        np.testing.assert_array_equal(pasted[index], instance_map == record.instance_ids[index])
        assert record.areas[index] == pasted[index].sum()


def test_the_instance_map_comes_back_without_loss(tmp_path: Path) -> None:
    frame = write_frame(tmp_path, OBJECTS)
    records = write(tmp_path / "split.npz", build(tmp_path, [], name="aachen_000000_000019"), build(tmp_path))
    expected = paint_instances(read_annotation(frame.polygons_path, RAW))
    np.testing.assert_array_equal(records.instance_map(1), expected)
    assert records.instance_map(1).dtype == np.uint16
    assert not records.instance_map(0).any()


def test_write_and_read_are_inverses(tmp_path: Path) -> None:
    written = [
        build(tmp_path, name="aachen_000000_000019"),
        build(tmp_path, [], name="aachen_000001_000019"),
        build(tmp_path, OBJECTS[::-1], name="cologne_000000_000019"),
    ]
    records = write(tmp_path / "new" / "split.npz", *written)
    assert len(records) == 3
    assert records.names == [record.name for record in written]
    assert (records.image_shape, records.mini_mask_shape) == (RAW, MINI)
    for before, after in zip(written, records, strict=True):
        assert_equal(before, after)
    assert_equal(records[-1], written[2])


def test_images_without_truth_make_a_split(tmp_path: Path) -> None:
    (record,) = write(tmp_path / "split.npz", build(tmp_path, []))
    assert record.boxes.shape == (0, 4)
    assert record.mini_masks.shape == (0, *MINI)


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write(tmp_path / name, build(tmp_path))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_no_byte_is_left_to_the_release_of_python_or_zlib(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", build(tmp_path))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            assert (entry.date_time, entry.extract_version, entry.extra) == ((1980, 1, 1, 0, 0, 0), 20, b"")


def test_a_failing_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "processed" / "split.npz"
    write(path, build(tmp_path))
    before = path.read_bytes()

    def fill_disk(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, data: bytes) -> None:
        archive.fp.write(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fill_disk)
    with pytest.raises(InputError, match="of disk space; got"):
        write(path, build(tmp_path))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_no_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`records` must hold at least one record; got none for `.*split.npz`"):
        write(tmp_path / "split.npz")
    assert not (tmp_path / "split.npz").exists()


@pytest.mark.parametrize("change", [{"boxes": np.array([[4.0, 4.0, np.nan, 9.0]])}, {"areas": np.array([0])}])
def test_records_that_could_not_be_read_are_not_written(tmp_path: Path, change: dict[str, np.ndarray]) -> None:
    record = replace(build(tmp_path, [("car", rectangle(4, 8, 11, 16))]), **change)
    with pytest.raises(InputError, match=r"split\.npz` must be a file of records; got (`boxes` of type float|areas)"):
        write(tmp_path / "split.npz", record)
    assert not (tmp_path / "split.npz").exists()


def test_an_index_beyond_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        write(tmp_path / "split.npz", build(tmp_path))[1]


def test_a_split_without_maps_says_how_to_get_them(tmp_path: Path) -> None:
    record = build_record(write_frame(tmp_path, OBJECTS), RAW, MINI, "stretch", instance_map=False)
    with pytest.raises(InputError, match=r"split.npz` must hold instance maps; got none. Set .*`instance_maps`"):
        write(tmp_path / "split.npz", record).instance_map(0)


def test_a_damaged_map_is_refused_by_name(tmp_path: Path) -> None:
    records = write(tmp_path / "split.npz", build(tmp_path))
    with np.load(records.path) as arrays:
        png = arrays["map_bytes"].copy()
    png[-30] ^= 1
    spoil(records.path, "map_bytes", png)
    with pytest.raises(InputError, match=r"split.npz` .* got a damaged instance map of cologne_000000_000019\. Run"):
        read_records(records.path).instance_map(0)


def test_a_missing_file_names_its_stage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"test.npz` must exist; run `python stages/preprocess.py test`"):
        read_records(tmp_path / "test.npz")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.npz"
    write(path, build(tmp_path))
    content = path.read_bytes()
    for damaged in (
        b"",
        b"no archive",
        content[: len(content) // 2],
        content[:200] + b"?" * 50 + content[250:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"split.npz` must be a file of records; got .*preprocess.py split`"):
            read_records(path)


def test_a_file_of_other_arrays_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "split.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match=r"split.npz` must be a file of records; got"):
        read_records(tmp_path / "split.npz")
    np.savez(tmp_path / "split.npz", boxes=np.zeros((3, 4), np.int32))
    with pytest.raises(InputError, match=r"split.npz` must be a file of records; got .*class_ids"):
        read_records(tmp_path / "split.npz")


def test_damaged_input_is_refused(tmp_path: Path) -> None:
    frame = write_frame(tmp_path, OBJECTS)
    cv2.imwrite(str(frame.image_path), np.zeros((*HALF, 3), np.uint8))
    with pytest.raises(InputError, match="must have height and width"):
        build_record(frame, HALF, MINI, "stretch", instance_map=False)
    frame.polygons_path.write_text("{}")
    with pytest.raises(InputError, match="must be JSON with"):
        build_record(frame, HALF, MINI, "stretch", instance_map=False)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_image_and_mask_lie_on_one_grid(tmp_path: Path, fit: str) -> None:
    """A white car on black stays where its mask is, bright inside and dark outside, at another aspect ratio."""
    frame = write_frame(tmp_path, [("car", rectangle(20, 12, 59, 44))])
    record = build_record(frame, (32, 32), MINI, fit, instance_map=True)
    pixels = np.zeros((*RAW, 3), np.uint8)
    pixels[12:44, 20:60] = 255
    cv2.imwrite(str(frame.image_path), pixels)
    write_records(tmp_path / "split.npz", [record], (32, 32), MINI, fit, CITYSCAPES)
    records = read_records(tmp_path / "split.npz")
    assert records.fit == fit
    bright = records.read_image(0, tmp_path)[..., 0] > 127
    np.testing.assert_array_equal(paste_masks(record.mini_masks, record.boxes, (32, 32))[0], bright)
    np.testing.assert_array_equal(records.instance_map(0) == 26000, bright)
    # 64 x 128 becomes 32 x 32, or 16 x 32 above padding: rows 12 to 44 become 6 to 22, or 3 to 11
    assert record.boxes.tolist() == [[6, 5, 22, 15] if fit == "stretch" else [3, 5, 11, 15]]


def test_the_catalogue_comes_back(tmp_path: Path) -> None:
    records = write(tmp_path / "split.npz", build(tmp_path))
    assert records.catalogue == CITYSCAPES


@pytest.mark.parametrize(
    ("catalogue", "message"),
    [
        (b"{", "split.npz` must be a file of records; got Expecting"),
        (b'{"class_names": []}', "split.npz` must be a file of records; got `catalogue` must have the keys"),
        (encode_catalogue(PETS), "split.npz` must be a file of records; got class ids beyond background, cat, dog"),
    ],
)
def test_a_hostile_catalogue_is_refused(tmp_path: Path, catalogue: bytes, message: str) -> None:
    write(tmp_path / "split.npz", build(tmp_path))
    spoil(tmp_path / "split.npz", "catalogue", np.frombuffer(catalogue, np.uint8))
    with pytest.raises(InputError, match=message):
        read_records(tmp_path / "split.npz")
