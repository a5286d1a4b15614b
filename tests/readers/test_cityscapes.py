"""The reader of Cityscapes: what its labels mean, which files belong together, and what is refused."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers import labels as official
from cityscapesscripts.helpers.annotation import Annotation as OfficialAnnotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.project.errors import InputError
from maskrcnn.readers.cityscapes import (
    CITYSCAPES,
    CLASS_IDS,
    CLASS_NAMES,
    LABEL_IDS,
    Annotation,
    Object,
    make_catalogue,
    number_instances,
    paint_instances,
    paint_objects,
    read_annotation,
    read_frames,
)
from tests.readers.frames import Corners, rectangle, write_frame

SHAPE = (64, 128)
IMAGES, TRUTH = "leftImg8bit/train", "gtFine/train"
TRIANGLE = [[1, 1], [9, 1], [5, 9]]


def annotate(*objects: tuple[str, Corners], shape: tuple[int, int] = SHAPE) -> Annotation:
    return Annotation(*shape, tuple(Object(label, np.array(polygon, float)) for label, polygon in objects))


def write_annotation(folder: Path, **changes: object) -> Path:
    content = {"imgHeight": 64, "imgWidth": 128, "objects": [{"label": "car", "polygon": TRIANGLE}]} | changes
    path = folder / "cologne_000000_000019_gtFine_polygons.json"
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return path


def test_label_ids_are_the_official_ones() -> None:
    assert {label.name: label.id for label in official.labels} == LABEL_IDS


def test_classes_are_the_labels_with_instances() -> None:
    assert {label.name for label in official.labels if label.hasInstances} == set(CLASS_NAMES[1:])
    assert CLASS_IDS["background"] == 0
    assert CLASS_NAMES[CLASS_IDS["rider"]] == "rider"


@pytest.mark.parametrize(
    ("label", "name", "is_crowd", "class_name"),
    [
        ("car", "car", False, "car"),
        ("cargroup", "car", True, "car"),
        ("polegroup", "polegroup", False, "background"),  # a label of its own
        ("road", "road", False, "background"),
        ("license plate", "license plate", False, "background"),
    ],
)
def test_what_a_label_means(label: str, name: str, is_crowd: bool, class_name: str) -> None:
    item = Object(label, np.zeros((3, 2)))
    class_id = CITYSCAPES.class_ids_by_label.get(item.label_id, 0)
    assert (item.name, item.is_crowd, CLASS_NAMES[class_id]) == (name, is_crowd, class_name)


def test_painting_worked_example() -> None:
    annotation = annotate(
        ("road", rectangle(0, 0, 9, 4)),  # 7
        ("car", rectangle(1, 1, 2, 3)),  # 26000, hidden by the next
        ("car", rectangle(1, 1, 3, 3)),  # 26001
        ("license plate", rectangle(2, 1, 2, 2)),  # not painted
        ("person", rectangle(3, 0, 3, 2)),  # 24000 over the car
        ("cargroup", rectangle(5, 0, 6, 2)),  # 26
        ("car", rectangle(8, 2, 8, 3)),  # 26002
        shape=(4, 10),
    )
    expected = np.full((4, 10), 7)
    expected[1:3, 1:4] = 26001
    expected[0:2, 3] = 24000
    expected[0:2, 5:7] = 26
    expected[2, 8] = 26002
    np.testing.assert_array_equal(paint_instances(annotation), expected)
    assert number_instances(annotation).tolist() == [0, 7, 26000, 26001, 0, 24000, 26, 26002]
    # The plate is the fourth object; what lies below it shows.
    assert np.unique(paint_objects(annotation)).tolist() == [1, 3, 5, 6, 7]


known_labels = st.sampled_from([*LABEL_IDS, *(f"{name}group" for name in CLASS_NAMES[1:])])


@given(st.lists(known_labels, max_size=20), st.data())
def test_ids_are_those_of_cityscapes_scripts(names: list[str], data: st.DataObject) -> None:
    """Squares on a grid of ten, in any order and often in the same place; compared at their middles,
    where all rasterisers agree."""
    places = [data.draw(st.integers(0, 5)) for _ in names]
    objects = [
        {"label": name, "polygon": rectangle(10 * place + 1, 1, 10 * place + 8, 8)}
        for name, place in zip(names, places, strict=True)
    ]
    theirs = OfficialAnnotation()
    theirs.fromJsonText(json.dumps({"imgHeight": 10, "imgWidth": 60, "objects": objects}))
    ours = annotate(*((item["label"], item["polygon"]) for item in objects), shape=(10, 60))
    expected = np.array(createInstanceImage(theirs, "ids"))
    np.testing.assert_array_equal(paint_instances(ours)[5, 5::10], expected[5, 5::10])


def test_a_choice_of_classes_merges_labels_and_leaves_others_out() -> None:
    catalogue = make_catalogue({"two_wheeler": ["bicycle", "motorcycle"], "person": ["rider", "person"]})
    assert catalogue.class_names == ("background", "two_wheeler", "person")
    assert catalogue.class_ids_by_label == {33: 1, 32: 1, 25: 2, 24: 2}
    assert catalogue.void_label_ids == CITYSCAPES.void_label_ids


def test_labels_that_are_left_out_keep_their_bare_label_id() -> None:
    annotation = annotate(*((name, TRIANGLE) for name in ("car", "rider", "cargroup", "person", "ridergroup", "rider")))
    catalogue = make_catalogue({"human": ["person", "rider"]})
    # numbered within the label, as Cityscapes does, not within the class
    assert number_instances(annotation, catalogue).tolist() == [0, 26, 25000, 26, 24000, 25, 25001]


def test_a_choice_of_unknown_labels_is_refused() -> None:
    with pytest.raises(InputError, match=r"`data.classes.two` must merge labels .*; got 'bicicle', near to bicycle"):
        make_catalogue({"two": ["bicicle"]})
    with pytest.raises(InputError, match="must merge labels of the dataset; got 'road', near to "):
        make_catalogue({"street": ["road"]})


def test_read_truth_follows_the_choice_of_classes(tmp_path: Path) -> None:
    places = {"bus": 0, "rider": 20, "persongroup": 40}
    write_frame(tmp_path, [(label, rectangle(left, 0, left + 9, 9)) for label, left in places.items()])
    (frame,), catalogue = read_frames(tmp_path, IMAGES, TRUTH, classes={"human": ["person", "rider"]})
    truth = frame.read_truth()
    assert catalogue.class_names == ("background", "human")
    assert truth.class_ids.tolist() == [0, 0, 1, 1]
    assert truth.is_crowd.tolist() == [False, False, False, True]
    assert truth.official_ids.tolist() == [0, 28, 25000, 24]
    assert np.unique(truth.object_map).tolist() == [0, 1, 2, 3]


def test_an_image_must_have_the_size_of_its_annotation(tmp_path: Path) -> None:
    write_frame(tmp_path)
    (frame,), _ = read_frames(tmp_path, IMAGES, TRUTH)
    assert frame.read_truth().object_map.shape == SHAPE
    frame.image_path.write_bytes(cv2.imencode(".png", np.zeros((32, 64, 3), np.uint8))[1].tobytes())
    with pytest.raises(InputError, match=r"_leftImg8bit.png` must have height and width \(64, 128\), as annotated"):
        frame.read_truth()


def test_every_image_must_have_the_size_of_the_parameters(tmp_path: Path) -> None:
    write_frame(tmp_path)
    (frame,), _ = read_frames(tmp_path, IMAGES, TRUTH, image_shape=(32, 64))
    with pytest.raises(InputError, match=r"must state imgHeight, imgWidth \(32, 64\) as `data.image_shape` does"):
        frame.read_truth()


def test_frames_come_sorted_from_all_cities(tmp_path: Path) -> None:
    names = ["cologne_000001_000019", "aachen_000002_000019", "cologne_000000_000019"]
    written = [write_frame(tmp_path, name=name) for name in names]
    write_frame(tmp_path, name="bochum_000000_000019")
    frames, catalogue = read_frames(tmp_path, IMAGES, TRUTH, cities=["cologne", "aachen"], image_shape=SHAPE)
    assert frames == sorted(written, key=lambda frame: frame.name)
    assert catalogue == CITYSCAPES
    assert frames[0].image_file == "leftImg8bit/train/aachen/aachen_000002_000019_leftImg8bit.png"
    assert all(frame.image_path.is_file() and frame.polygons_path.is_file() for frame in written)


def test_without_cities_all_are_taken(tmp_path: Path) -> None:
    names = ["aachen_000000_000019", "cologne_000000_000019"]
    for name in names:
        write_frame(tmp_path, name=name)
    assert [frame.name for frame in read_frames(tmp_path, IMAGES, TRUTH)[0]] == names


def test_a_folder_without_cities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"must hold `.*leftImg8bit/train`; got no such folder"):
        read_frames(tmp_path, IMAGES, TRUTH)
    (tmp_path / IMAGES).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="must hold images of every city; got none of any"):
        read_frames(tmp_path, IMAGES, TRUTH)


def test_a_missing_folder_is_refused_with_advice(tmp_path: Path) -> None:
    write_frame(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"`.*` must hold `.*leftImg8bit/train/ulm`.*Download leftImg8bit_"):
        read_frames(tmp_path, IMAGES, TRUTH, cities=["cologne", "ulm"])


def test_what_file_systems_and_archivers_add_is_ignored(tmp_path: Path) -> None:
    frame = write_frame(tmp_path)
    for folder in (frame.image_path.parent, frame.polygons_path.parent):
        for name in (".DS_Store", "Thumbs.db", "._" + frame.image_path.name, "._" + frame.polygons_path.name):
            (folder / name).write_bytes(b"Mac OS X")
        for name in ("__MACOSX", "@eaDir", ".AppleDouble"):
            (folder.parent / name).mkdir()
        (folder.parent / "._cologne").write_bytes(b"Mac OS X")
    assert read_frames(tmp_path, IMAGES, TRUTH, image_shape=SHAPE)[0] == [frame]


@pytest.mark.parametrize("cities", [None, ["cologne"]])
@pytest.mark.parametrize("outer", ["leftImg8bit", "archives/leftImg8bit_trainvaltest"])
def test_a_nested_folder_is_found_and_the_fix_told(tmp_path: Path, outer: str, cities: list[str] | None) -> None:
    write_frame(tmp_path)
    nested = tmp_path / outer / "leftImg8bit"
    (tmp_path / "leftImg8bit").rename(tmp_path / "moved")
    nested.parent.mkdir(parents=True)
    (tmp_path / "moved").rename(nested)
    advice = rf"It is `{nested}/train`: move that folder to `{tmp_path}/leftImg8bit/train`\.$"
    with pytest.raises(FileNotFoundError, match=advice):
        read_frames(tmp_path, IMAGES, TRUTH, cities=cities)


def test_a_root_one_folder_too_deep_is_found(tmp_path: Path) -> None:
    write_frame(tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"It is `{tmp_path}/gtFine/train`: move"):
        read_frames(tmp_path / "leftImg8bit", IMAGES, TRUTH, cities=["cologne"])


def test_lonely_files_are_refused_and_at_most_ten_named(tmp_path: Path) -> None:
    frames = [write_frame(tmp_path, name=f"cologne_{index:06}_000019") for index in range(14)]
    for frame in frames[:12]:
        frame.polygons_path.unlink()
    with pytest.raises(FileNotFoundError, match=r"annotation for every image.*cologne_000009.* and 2 more") as fault:
        read_frames(tmp_path, IMAGES, TRUTH, cities=["cologne"])
    assert "cologne_000010" not in str(fault.value)
    frames[13].image_path.unlink()
    with pytest.raises(FileNotFoundError, match=r"got no .*and 3 more"):
        read_frames(tmp_path, IMAGES, TRUTH, cities=["cologne"])


def test_an_annotation_without_image_is_refused(tmp_path: Path) -> None:
    frame = write_frame(tmp_path)
    write_frame(tmp_path, name="cologne_000001_000019")
    frame.image_path.unlink()
    with pytest.raises(FileNotFoundError, match=r"got no `.*cologne_000000_000019_leftImg8bit.png`"):
        read_frames(tmp_path, IMAGES, TRUTH, cities=["cologne"])


def test_a_city_without_frames_is_refused(tmp_path: Path) -> None:
    frame = write_frame(tmp_path)
    write_frame(tmp_path, name="aachen_000000_000019")
    frame.image_path.unlink()
    frame.polygons_path.unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold images of every city; got none of \['cologne'\]"):
        read_frames(tmp_path, IMAGES, TRUTH, cities=["aachen", "cologne"])


def test_reads_what_is_not_deleted(tmp_path: Path) -> None:
    objects = [
        {"label": "car", "polygon": TRIANGLE},
        {"label": "no label", "polygon": [], "deleted": 1},
        {"label": "persongroup", "polygon": [[-3, 0.5], [200, 1], [5, 9]], "deleted": 0},
    ]
    annotation = read_annotation(write_annotation(tmp_path, objects=objects), SHAPE)
    assert (annotation.height, annotation.width) == SHAPE
    assert [item.label for item in annotation.objects] == ["car", "persongroup"]
    assert annotation.objects[1].polygon.tolist() == [[-3, 0.5], [200, 1], [5, 9]]


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        ("car", "must have the keys label and polygon; got 'car'"),
        ({"label": "car"}, "must have the keys label and polygon"),
        ({"label": "tram", "polygon": TRIANGLE}, "must have a label of Cityscapes; got 'tram'"),
        ({"label": "tramgroup", "polygon": TRIANGLE}, "must have a label of Cityscapes; got 'tramgroup'"),
        ({"label": ["car"], "polygon": TRIANGLE}, r"must have a label of Cityscapes; got \['car'\]"),
        ({"label": "car", "polygon": TRIANGLE[:2]}, "must have at least 3 points"),
        ({"label": "car", "polygon": []}, "must have at least 3 points"),
        ({"label": "car", "polygon": None}, "must have at least 3 points"),
        ({"label": "car", "polygon": [[1, 2], [3], [4, 5]]}, "must have at least 3 points"),
        ({"label": "car", "polygon": [[1, 2, 3]] * 3}, "must have at least 3 points"),
        ({"label": "car", "polygon": [["1", "2"]] * 3}, "must have at least 3 points"),
        ({"label": "car", "polygon": {"0": [1, 2]}}, "must have at least 3 points"),
        ({"label": "car", "polygon": [[True, 2]] * 3}, "must have at least 3 points"),
        (
            {"label": "car", "polygon": [[1, 2], [3, 100_001], [4, 5]]},
            r"must have points of at most 100000 pixels; got \[3, 100001\]",
        ),
        ({"label": "car", "polygon": [[1, 2], [-1e300, 4], [4, 5]]}, "must have points of at most 100000 pixels"),
        ({"label": "car", "polygon": [[1, 2], [10**17, 4], [4, 5]]}, "must have points of at most 100000 pixels"),
    ],
)
def test_bad_objects_are_refused_by_file_and_number(tmp_path: Path, item: object, rule: str) -> None:
    path = write_annotation(tmp_path, objects=[{"label": "road", "polygon": TRIANGLE}, item])
    with pytest.raises(InputError, match=rf"_polygons.json`, object 1, {rule}"):
        read_annotation(path, SHAPE)


@pytest.mark.parametrize("missing", ["imgHeight", "imgWidth", "objects"])
def test_a_missing_key_is_refused(tmp_path: Path, missing: str) -> None:
    with pytest.raises(InputError, match=rf"_polygons\.json` must be JSON with .*; got no {missing}\."):
        read_annotation(write_annotation(tmp_path, **{missing: None}), SHAPE)


@pytest.mark.parametrize("text", ["", '{"imgHeight": 64, "imgW', "[1]", "7", '"\udc80'])
def test_broken_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"broken.json` must be JSON with imgHeight, imgWidth, objects; got"):
        read_annotation(path, SHAPE)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('"car"', '"car", "label": "bus"', "the key 'label' twice"),
        ("[9, 1]", "[9, NaN]", "NaN, in a file"),
        ("[9, 1]", "[-Infinity, 1]", "-Infinity, in a file"),
        ("[9, 1]", f"[9, {'9' * 5000}]", "a whole number of 5000 digits"),
        ("[9, 1]", "[9, 1e400]", "1e400, which is too large"),
        ('"car"', "'car'", "Expecting value: .*, in a file that begins with b'{"),
    ],
)
def test_json_that_python_alone_would_read_is_refused(tmp_path: Path, old: str, new: str, rule: str) -> None:
    path = write_annotation(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=rf"_polygons\.json` must be JSON with .*; got {rule}"):
        read_annotation(path, SHAPE)


def test_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = write_annotation(tmp_path)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert len(read_annotation(path, SHAPE).objects) == 1
    path.write_text(path.read_text(encoding="utf-8-sig"), encoding="utf-16")
    with pytest.raises(InputError, match=r"must be JSON with .*; got 'utf-8' codec .* begins with b'\\xff\\xfe"):
        read_annotation(path, SHAPE)


@pytest.mark.parametrize("start", ["[" * 100_000, '{"objects": ' * 100_000])
def test_json_nested_too_deep_is_refused(tmp_path: Path, start: str) -> None:
    (tmp_path / "deep.json").write_text(start)
    with pytest.raises(InputError, match=r"deep.json` must be JSON with .*; got lists or objects nested too deep"):
        read_annotation(tmp_path / "deep.json", SHAPE)


def test_a_polygon_of_ten_million_points_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    path.write_text('{"objects": [{"label": "car", "polygon": [' + "[1,1]," * 10_000_000)
    with pytest.raises(InputError, match=r"long.json` must have at most 10000000 bytes; got 60000042"):
        read_annotation(path, SHAPE)


def test_outlines_that_cross_too_many_rows_are_refused(tmp_path: Path) -> None:
    zigzag = [[0, 0], [1, 10_000]] * 151  # 302 edges cross 10,000 rows each
    size = {"imgHeight": 10_000, "imgWidth": 10}
    path = write_annotation(tmp_path, **size, objects=[{"label": "car", "polygon": zigzag}])
    with pytest.raises(InputError, match=r"must have outlines that cross at most 3000000 rows, .*; got 3020000"):
        read_annotation(path, None)
    path = write_annotation(tmp_path, **size, objects=[{"label": "car", "polygon": zigzag[:-2]}])
    assert len(read_annotation(path, None).objects) == 1


def test_an_image_of_too_many_pixels_is_refused(tmp_path: Path) -> None:
    path = write_annotation(tmp_path, imgHeight=30_000, imgWidth=30_000)
    with pytest.raises(InputError, match=r"must state at most 100000000 pixels; got \(30000, 30000\)"):
        read_annotation(path, None)


def test_objects_that_are_no_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must have its objects in a list; got 7"):
        read_annotation(write_annotation(tmp_path, objects=7), SHAPE)


def test_an_annotation_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be readable; got Is a directory"):
        read_annotation(tmp_path, SHAPE)


def test_another_size_is_refused(tmp_path: Path) -> None:
    path = write_annotation(tmp_path, imgHeight=128, imgWidth=64)
    with pytest.raises(InputError, match=r"must state imgHeight, imgWidth \(64, 128\).*got \(128, 64\)"):
        read_annotation(path, SHAPE)


@pytest.mark.parametrize("side", [0, -64, 64.0, "64", True])
def test_a_side_that_is_no_count_of_pixels_is_refused(tmp_path: Path, side: object) -> None:
    with pytest.raises(InputError, match=r"_polygons\.json` must state imgHeight and imgWidth in whole pixels"):
        read_annotation(write_annotation(tmp_path, imgHeight=side), None)


def test_more_instances_than_ids_are_refused(tmp_path: Path) -> None:
    cars = [{"label": "car", "polygon": TRIANGLE}] * 1000
    assert number_instances(read_annotation(write_annotation(tmp_path, objects=cars), SHAPE))[-1] == 26999
    with pytest.raises(InputError, match="must have at most 1000 of one label; got 1001 of car"):
        read_annotation(write_annotation(tmp_path, objects=[*cars, cars[0]]), SHAPE)


def test_more_objects_than_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must have at most 65535 objects; got 65536"):
        read_annotation(write_annotation(tmp_path, objects=[7] * 65536), SHAPE)
