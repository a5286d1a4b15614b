"""The stage `preprocess`: what it writes, what it counts, and that bad input leaves nothing behind."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from maskrcnn.data.records import Record, Records, build_record, read_records, write_records
from maskrcnn.project.errors import InputError
from maskrcnn.readers import splits
from maskrcnn.readers.cityscapes import CITYSCAPES, read_frames
from stages import preprocess
from stages.preprocess import choose_fullest, count_classes, count_truth, main
from tests.readers.coco_files import CAT, DOG, WOLF, annotate, compress, list_runs, make_mask, write_coco
from tests.readers.coco_files import rectangle as rectangle_of
from tests.readers.frames import Corners, rectangle, write_frame

RAW = (64, 128)
IMAGES, TRUTH = "leftImg8bit/val", "gtFine/val"
NAMES = ["lindau_000000_000019", *(f"munster_00000{index}_000019" for index in range(3))]
STREET: list[tuple[str, Corners]] = [
    ("road", rectangle(0, 0, 127, 64)),
    ("car", rectangle(4, 8, 11, 16)),
    ("car", rectangle(40, 10, 45, 12)),  # hidden by the next
    ("bus", rectangle(36, 6, 59, 40)),
    ("persongroup", rectangle(80, 20, 99, 40)),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with parameters, and raw frames of two cities: one of three images, one of one."""
    section = {"images": IMAGES, "truth": TRUTH, "cities": ["munster", "lindau"], "instance_maps": True}
    params = {
        "data": {"root": "raw", "format": "cityscapes", "image_shape": list(RAW), "classes": None, "licence": None},
        "preprocess": {"image_shape": list(RAW), "fit": "stretch", "mini_mask_shape": [14, 14], "instance_cap": 2},
        "splits": {"test": section, "validation": section | {"instance_maps": False}},
    }
    write_params(tmp_path, params)
    write_frame(tmp_path / "raw", STREET, name="munster_000000_000019", folder="val")
    write_frame(tmp_path / "raw", [], name="munster_000001_000019", folder="val")
    write_frame(tmp_path / "raw", STREET[:2], name="munster_000002_000019", folder="val")
    write_frame(tmp_path / "raw", STREET[1:2], name="lindau_000000_000019", folder="val")
    return tmp_path


def write_params(root: Path, params: dict) -> None:
    YAML().dump(params, root / "params.yaml")


def listed(root: Path) -> set[str]:
    """All files but the input."""
    files = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return {name for name in files if not name.startswith(("raw/", "params.yaml"))}


def test_writes_records_counts_and_pictures(root: Path) -> None:
    main("test", root)
    assert listed(root) == {
        "data/processed/test.npz",
        "metrics/data/test.json",
        *(f"pictures/truth/test/{name}.png" for name in NAMES),
    }
    records = read_records(root / "data/processed/test.npz")
    assert records.names == NAMES
    assert (records.catalogue, records.fit) == (CITYSCAPES, "stretch")
    assert np.unique(records.instance_map(1)).tolist() == [7, 24, 26000, 28000]
    # Cars: one in each of three images. The street's third truth, a crowd, takes a place beyond the cap of 2.
    counts = json.loads((root / "metrics/data/test.json").read_text())
    assert {name: count for name, count in counts.items() if count} == {
        "images": 4,
        "instances": 4,
        "most_instances": 2,
        "images_without": 1,
        "images_above_cap": 1,
        "dropped": 1,
        "crowds": 1,
        "instances_car": 3,
        "instances_bus": 1,
    }
    assert len(counts) == 7 + 10
    picture = cv2.imread(str(root / "pictures/truth/test/munster_000000_000019.png"))
    assert picture.shape[1] == 1600


def test_the_fullest_image_of_each_part_is_drawn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main("test", root)
    records = list(read_records(root / "data/processed/test.npz"))
    assert [len(record.boxes) for record in records] == [1, 3, 0, 1]
    monkeypatch.setattr(preprocess, "PICTURES", 2)
    assert choose_fullest(records) == [1, 3]
    monkeypatch.setattr(preprocess, "PICTURES", 1)
    assert choose_fullest(records) == [1]


def change(root: Path, section: str, **values: object) -> None:
    """Changes values of a section of params.yaml."""
    params = YAML().load(root / "params.yaml")
    params[section] |= values
    write_params(root, params)


def test_three_merged_classes_come_from_the_parameters_alone(root: Path) -> None:
    change(root, "data", classes={"vehicle": ["bus", "car"], "person": ["person", "rider"], "bicycle": ["bicycle"]})
    main("test", root)
    records = read_records(root / "data/processed/test.npz")
    assert records.catalogue.class_names == ("background", "vehicle", "person", "bicycle")
    assert records.catalogue.class_ids_by_label == {28: 1, 26: 1, 24: 2, 25: 2, 33: 3}
    street = records[1]
    assert street.class_ids.tolist() == [1, 1, 2]  # car, bus, crowd of persons
    assert street.instance_ids.tolist() == [26000, 28000, 24]
    counts = json.loads((root / "metrics/data/test.json").read_text())
    assert {key: count for key, count in counts.items() if key.startswith("instances_")} == {
        "instances_vehicle": 4,
        "instances_person": 0,
        "instances_bicycle": 0,
    }


def test_a_class_that_is_left_out_still_covers_others(root: Path) -> None:
    change(root, "data", classes={"car": ["car"]})
    main("test", root)
    records = read_records(root / "data/processed/test.npz")
    assert records[1].class_ids.tolist() == [1]
    assert records[1].dropped == 1  # the car behind the bus
    assert np.unique(records.instance_map(1)).tolist() == [7, 24, 28, 26000]


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("data", {"format": "voc"}, "`data.format` must be one of cityscapes, coco; got 'voc'"),
        ("preprocess", {"fit": "crop"}, "`preprocess.fit` must be one of stretch, letterbox; got 'crop'"),
        ("data", {"classes": {"cars": ["cra"]}}, r"`data.classes.cars` must merge labels .*; got 'cra', near to car"),
    ],
)
def test_unknown_names_are_refused(root: Path, section: str, values: dict, message: str) -> None:
    change(root, section, **values)
    with pytest.raises(InputError, match=message):
        main("test", root)
    assert not listed(root)


@pytest.fixture
def pets(root: Path) -> Path:
    """A repository with a COCO data set: a PNG and a JPEG of other sizes; polygons, run lengths and a crowd."""
    tall, wide = (128, 64), (50, 100)
    write_coco(
        root / "raw",
        {"tall.png": tall, "wide.jpg": wide},
        [
            annotate(1, 1, DOG, [rectangle_of(10, 20, 30, 60), rectangle_of(40, 20, 50, 40)]),
            annotate(2, 1, WOLF, compress(make_mask(tall, 64, 0, 128, 64))),
            annotate(3, 2, CAT, list_runs(make_mask(wide, 0, 0, 50, 50))),
            annotate(4, 2, DOG, compress(make_mask(wide, 0, 40, 50, 100)), iscrowd=1),
        ],
    )
    change(root, "data", format="coco", image_shape=None, classes={"cat": ["cat"], "canine": ["dog", "wolf"]})
    change(root, "splits", test={"images": "photos", "truth": "instances.json", "instance_maps": True})
    return root


def read_pets(root: Path, fit: str) -> Records:
    change(root, "preprocess", fit=fit)
    main("test", root)
    records = read_records(root / "data/processed/test.npz")
    assert records.names == ["tall", "wide"]
    assert records.fit == fit
    assert records.catalogue.class_names == ("background", "cat", "canine")
    assert [record.class_ids.tolist() for record in records] == [[2, 2], [1, 2]]
    assert [record.is_crowd.tolist() for record in records] == [[False, False], [False, True]]
    assert [record.instance_ids.tolist() for record in records] == [[2000, 2001], [1000, 2]]
    return records


def test_a_coco_data_set_is_stretched(pets: Path) -> None:
    tall, wide = read_pets(pets, "stretch")
    # 128 x 64 becomes 64 x 128: rows halve, columns double
    assert tall.boxes.tolist() == [[10, 20, 30, 100], [32, 0, 64, 128]]
    assert tall.areas.tolist() == [20 * 40 + 10 * 20, 32 * 128]
    # 50 x 100 becomes 64 x 128; the crowd lies below the cat, whose right edge is at 50 * 1.28 = 64
    assert wide.boxes.tolist() == [[0, 0, 64, 64], [0, 64, 64, 128]]


def test_a_coco_data_set_is_letterboxed(pets: Path) -> None:
    records = read_pets(pets, "letterbox")
    tall, wide = records
    # 128 x 64 becomes 64 x 32 at the left
    assert tall.boxes.tolist() == [[10, 5, 30, 25], [32, 0, 64, 32]]
    assert wide.boxes.tolist() == [[0, 0, 64, 64], [0, 64, 64, 128]]
    assert not records.instance_map(0)[:, 32:].any()
    image = records.read_image(0, pets / "raw")
    assert image[:, :32].any(axis=2).all()
    assert not image[:, 32:].any()
    counts = json.loads((pets / "metrics/data/test.json").read_text())
    assert (counts["instances"], counts["crowds"], counts["instances_canine"]) == (3, 1, 2)
    assert {path.name for path in (pets / "pictures/truth/test").iterdir()} == {"tall.png", "wide.png"}


def test_a_bad_annotation_of_coco_stops_the_stage(pets: Path) -> None:
    write_coco(pets / "raw", {"tall.png": (128, 64)}, [annotate(4, 1, DOG, [[0, 0, 1, 1]])])
    with pytest.raises(InputError, match=r"instances.json`, annotation 4, must have polygons of at least 3 points"):
        main("test", pets)
    assert not listed(pets)


def test_a_second_run_writes_the_same_and_removes_old_pictures(root: Path) -> None:
    main("validation", root)
    first = (root / "data/processed/validation.npz").read_bytes()
    (root / "pictures/truth/validation/old.png").write_bytes(b"")
    main("validation", root)
    assert (root / "data/processed/validation.npz").read_bytes() == first
    assert not (root / "pictures/truth/validation/old.png").exists()
    with pytest.raises(InputError, match="must hold instance maps"):
        read_records(root / "data/processed/validation.npz").instance_map(0)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes however few the frames are."""
    monkeypatch.setattr(splits, "FRAMES_A_PROCESS", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


@pytest.mark.usefixtures("pool")
def test_all_damaged_files_are_found_and_ten_named_before_anything_is_written(root: Path) -> None:
    for index in range(12):
        frame = write_frame(root / "raw", STREET, name=f"lindau_{index:06}_000019", folder="val")
        if index % 2:
            frame.polygons_path.write_text("{")
        else:
            frame.image_path.write_bytes(frame.image_path.read_bytes()[:-20])
    with pytest.raises(InputError, match="2 more files are damaged") as fault:
        main("test", root)
    lines = str(fault.value).splitlines()
    assert len(lines) == 11
    assert "lindau_000000_000019_leftImg8bit.png` must be a whole image" in lines[0]
    assert "lindau_000009_000019_gtFine_polygons.json` must be JSON" in lines[9]
    assert not listed(root)


@pytest.mark.parametrize("pooled", [False, True])
def test_damaged_pixels_are_found_before_anything_is_written(
    root: Path, request: pytest.FixtureRequest, pooled: bool
) -> None:
    """A header does not show them; a training would meet them hours later."""
    if pooled:
        request.getfixturevalue("pool")
    damaged = [root / "raw" / IMAGES / city / f"{city}_000000_000019_leftImg8bit.png" for city in ("lindau", "munster")]
    for path in damaged:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(InputError, match="a damaged file") as fault:
        main("test", root)
    rule = "must be an image that can be decoded; got a damaged file. Copy it again."
    assert str(fault.value).splitlines() == [f"`{path}` {rule}" for path in damaged]
    assert not listed(root)


def test_a_defect_of_the_code_is_not_taken_for_a_damaged_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr("maskrcnn.data.records.resize_map", fail)
    frames, _ = read_frames(root / "raw", IMAGES, TRUTH)
    with pytest.raises(ValueError, match="a defect") as fault:
        list(splits.build_records(frames, RAW, (7, 7), "stretch", instance_maps=False))
    assert not isinstance(fault.value, InputError)


@pytest.mark.parametrize("shape", [[64, 64], [128, 64]])
def test_images_of_another_size_than_the_parameters_are_refused(root: Path, shape: list[int]) -> None:
    change(root, "data", image_shape=shape)
    with pytest.raises(InputError, match=r"must state imgHeight, imgWidth \(\d+, 64\) as `data.image_shape` does"):
        main("test", root)
    assert not listed(root)


def test_missing_frames_are_refused(root: Path) -> None:
    (root / "raw/gtFine/val/lindau/lindau_000000_000019_gtFine_polygons.json").unlink()
    with pytest.raises(FileNotFoundError, match="annotation for every image"):
        main("test", root)
    assert not listed(root)


def test_an_unknown_split_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"must have the section `splits\.nowhere`; got"):
        main("nowhere", root)


@pytest.mark.parametrize("image_shape", [[64, 100], [0, 64], [-64, 64]])
def test_a_size_that_the_pyramid_cannot_halve_is_refused(root: Path, image_shape: list[int]) -> None:
    change(root, "preprocess", image_shape=image_shape)
    with pytest.raises(InputError, match=r"`preprocess.image_shape\[\d\]` must be (at least|a multiple of) 64; got"):
        main("test", root)


def test_processes_and_a_loop_give_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, _ = read_frames(root / "raw", IMAGES, TRUTH)

    def build_all() -> list[bytes]:
        built = splits.build_records(frames, RAW, (7, 7), "stretch", instance_maps=True)
        return [write_alone(root / "one.npz", record) for record in built]

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    in_a_loop = build_all()
    monkeypatch.setattr(splits, "FRAMES_A_PROCESS", 1)
    assert build_all() == in_a_loop


def write_alone(path: Path, record: Record) -> bytes:
    write_records(path, [record], RAW, (7, 7), "stretch", CITYSCAPES)
    return path.read_bytes()


def test_a_split_without_any_instance_has_its_counts(tmp_path: Path) -> None:
    empty = build_record(write_frame(tmp_path), RAW, (7, 7), "stretch", instance_map=False)
    assert count_truth([empty], 128) == dict.fromkeys(count_truth([empty], 128), 0) | {
        "images": 1,
        "images_without": 1,
    }
    assert set(count_classes([empty], CITYSCAPES).values()) == {0}
