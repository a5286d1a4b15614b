"""The reader of COCO: what becomes of categories and overlaps, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskrcnn.data.frames import Truth
from maskrcnn.project.errors import InputError
from maskrcnn.readers.coco import read_frames
from tests.readers.coco_files import (
    CAT,
    CATEGORIES,
    DOG,
    WOLF,
    annotate,
    compress,
    list_runs,
    make_mask,
    rectangle,
    write_coco,
)

SHAPE = (40, 60)
SIZES = {"a.png": SHAPE, "folder/b.jpg": (30, 20)}


def read_truth(root: Path, *annotations: dict[str, Any], classes: dict[str, list[str]] | None = None) -> Truth:
    """Returns the truth of an image with these annotations."""
    write_coco(root, {"a.png": SHAPE}, list(annotations))
    (frame,), _ = read_frames(root, "photos", "instances.json", classes=classes)
    return frame.read_truth()


def test_images_become_frames_and_categories_classes(tmp_path: Path) -> None:
    write_coco(tmp_path, dict(reversed(SIZES.items())), [annotate(5, 1, WOLF, [rectangle(0, 0, 5, 5)])])
    frames, catalogue = read_frames(tmp_path, "photos", "instances.json")
    assert [frame.name for frame in frames] == ["a", "folder_b"]
    assert [frame.image_file for frame in frames] == ["photos/a.png", "photos/folder/b.jpg"]
    assert [frame.image_shape for frame in frames] == list(SIZES.values())
    # in the order of their ids, which have gaps: 3, 7, 90
    assert catalogue.class_names == ("background", "cat", "dog", "wolf")
    assert catalogue.class_ids_by_label == {1: 1, 2: 2, 3: 3}
    assert catalogue.void_label_ids == frozenset()
    without, with_wolf = (frame.read_truth() for frame in frames)
    assert without.class_ids.tolist() == [0]
    assert with_wolf.official_ids.tolist() == [0, 3000]
    assert with_wolf.object_map.shape == (30, 20)


def test_instances_are_numbered_within_their_class(tmp_path: Path) -> None:
    far = [rectangle(0, 0, 1, 1)]
    truth = read_truth(
        tmp_path,
        annotate(1, 1, DOG, far),
        annotate(2, 1, CAT, far),
        annotate(3, 1, DOG, far, iscrowd=1),
        annotate(4, 1, WOLF, far),
        annotate(5, 1, DOG, far),
        classes={"canine": ["wolf", "dog"]},
    )
    assert truth.class_ids.tolist() == [0, 1, 0, 1, 1, 1]
    assert truth.is_crowd.tolist() == [False, False, False, True, False, False]
    assert truth.official_ids.tolist() == [0, 1000, 0, 1, 1001, 1002]


def test_overlaps_show_the_smaller_mask_and_crowds_lie_below_all(tmp_path: Path) -> None:
    large, small = make_mask(SHAPE, 0, 0, 20, 20), make_mask(SHAPE, 5, 5, 10, 10)
    crowd = make_mask(SHAPE, 8, 8, 12, 12)
    truth = read_truth(
        tmp_path,
        annotate(1, 1, CAT, [rectangle(5, 5, 10, 10)]),
        annotate(2, 1, DOG, compress(large)),
        annotate(3, 1, DOG, list_runs(crowd), iscrowd=1),
        annotate(4, 1, DOG, [rectangle(30, 0, 40, 10)]),
        annotate(5, 1, DOG, [rectangle(30, 5, 40, 15)]),  # as large as the one before, so on top of it
    )
    expected = np.zeros(SHAPE, np.uint16)
    expected[0:20, 0:20] = 2  # the crowd lies inside, below
    expected[small > 0] = 1
    expected[0:10, 30:40] = 4
    expected[5:15, 30:40] = 5
    np.testing.assert_array_equal(truth.object_map, expected)


def test_what_belongs_to_no_class_still_covers_others(tmp_path: Path) -> None:
    annotations = [annotate(1, 1, CAT, [rectangle(0, 0, 20, 20)]), annotate(2, 1, DOG, [rectangle(0, 0, 5, 5)])]
    truth = read_truth(tmp_path, *annotations, classes={"cat": ["cat"]})
    assert truth.class_ids.tolist() == [0, 1, 0]
    assert truth.official_ids.tolist() == [0, 1000, 0]
    assert (truth.object_map[:5, :5] == 2).all()


def test_a_missing_iscrowd_means_none(tmp_path: Path) -> None:
    annotation = annotate(1, 1, CAT, [rectangle(0, 0, 20, 20)])
    del annotation["iscrowd"]
    assert not read_truth(tmp_path, annotation).is_crowd.any()


GOOD = annotate(1, 1, CAT, [rectangle(0, 0, 20, 20)])
IMAGE = {"id": 1, "file_name": "a.png", "height": 40, "width": 60}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"annotations": [GOOD, GOOD]}, "entry 1 of annotations, must have an id of its own; got 1 again"),
        ({"images": [IMAGE, IMAGE]}, "entry 1 of images, must have an id of its own; got 1 again"),
        ({"categories": [CATEGORIES[0]] * 2}, "entry 1 of categories, must have an id of its own; got 7 again"),
        ({"annotations": [7]}, r"entry 0 of annotations, must have id \(int\), image_id \(int\), category_id \(int\)"),
        ({"annotations": [{"id": 1}]}, "entry 0 of annotations, must have id"),
        ({"annotations": [GOOD | {"id": True}]}, "entry 0 of annotations, must have id"),
        ({"images": [IMAGE | {"height": 40.0}]}, r"entry 0 of images, must have id .*height \(int\)"),
        ({"images": [IMAGE | {"file_name": None}]}, r"entry 0 of images, must have id .*file_name \(str\)"),
        ({"categories": [{"id": 3}]}, r"entry 0 of categories, must have id \(int\), name \(str\)"),
        ({"annotations": [GOOD | {"image_id": 2}]}, "annotation 1, must have the image_id of an image; got 2"),
        ({"annotations": [GOOD | {"category_id": 1}]}, "annotation 1, must have the category_id of a category; got 1"),
        ({"annotations": [GOOD | {"iscrowd": 2}]}, "annotation 1, must have an iscrowd of 0 or 1; got 2"),
        (
            {"images": [IMAGE | {"width": 0}]},
            r"image photos/a.png, must have a positive height and width",
        ),
        *(
            ({"images": [IMAGE | {"file_name": name}]}, "image 1, must have the file_name of a file; got '")
            for name in ("", ".", "/", "a\0.png")
        ),
        (
            {"images": [IMAGE | {"height": 30_000, "width": 30_000}]},
            r"image photos/a.png, must have at most 100000000 pixels; got \(30000, 30000\)",
        ),
        ({"images": [IMAGE | {"file_name": "../../a.png"}]}, "image .*a.png, must lie below `data.root`; got"),
        ({"images": [IMAGE | {"file_name": "/a.png"}]}, "image .*a.png, must lie below `data.root`; got"),
        ({"images": [IMAGE, IMAGE | {"id": 2, "file_name": "a.jpg"}]}, "must have unique file names.*; got a 2 times"),
        ({"categories": [*CATEGORIES, {"id": 4, "name": "dog"}]}, "must have unique category names; got dog twice"),
        ({"images": []}, r"must have images in a list; got \[\]"),
        ({"categories": {}}, r"must have categories in a list; got \{\}"),
        ({"annotations": None}, "must have annotations in a list; got None"),
    ],
)
def test_contradictions_are_refused_by_file_and_entry(tmp_path: Path, changes: dict[str, Any], rule: str) -> None:
    write_coco(tmp_path, {"a.png": SHAPE}, [GOOD], changes)
    with pytest.raises(InputError, match=f"instances.json`,? {rule}"):
        read_frames(tmp_path, "photos", "instances.json")


@pytest.mark.parametrize("text", ["", "[1]", '{"images": [], "annotations": []}', "[" * 100_000, "\udc80"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "instances.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"instances.json` must be JSON with images, annotations, categories; got"):
        read_frames(tmp_path, "photos", "instances.json")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"instances.json` must exist; see .data.root. and .truth."):
        read_frames(tmp_path, "photos", "instances.json")


def test_missing_images_are_named(tmp_path: Path) -> None:
    write_coco(tmp_path, SIZES, [])
    (tmp_path / "photos/folder/b.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"instances.json` must name images that exist; got no .*b.jpg`"):
        read_frames(tmp_path, "photos", "instances.json")


def test_a_name_too_long_for_a_file_is_no_file(tmp_path: Path) -> None:
    write_coco(tmp_path, {"a.png": SHAPE}, [], {"images": [IMAGE | {"file_name": 5000 * "a"}]})
    with pytest.raises(FileNotFoundError, match=r"instances.json` must name images that exist; got no .*aaa`"):
        read_frames(tmp_path, "photos", "instances.json")


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    path = write_coco(tmp_path, {"a.png": SHAPE}, [])
    path.write_text(path.read_text().replace('"images"', '"images": [], "images"'))
    with pytest.raises(InputError, match=r"instances.json` must be JSON with .*; got the key 'images' twice"):
        read_frames(tmp_path, "photos", "instances.json")


def test_cities_are_refused(tmp_path: Path) -> None:
    write_coco(tmp_path, SIZES, [])
    with pytest.raises(InputError, match=r"`cities` must be null where `data.format` is coco; got \['aachen'\]"):
        read_frames(tmp_path, "photos", "instances.json", cities=["aachen"])


def test_images_of_another_size_than_the_parameters_are_refused(tmp_path: Path) -> None:
    write_coco(tmp_path, SIZES, [])
    with pytest.raises(InputError, match=r"image photos/folder/b.jpg, must have height and width \(40, 60\)"):
        read_frames(tmp_path, "photos", "instances.json", image_shape=SHAPE)


def test_an_image_of_another_size_than_the_file_is_refused(tmp_path: Path) -> None:
    path = write_coco(tmp_path, {"a.png": SHAPE}, [])
    content = json.loads(path.read_text())
    content["images"][0] |= {"height": 60, "width": 40}
    path.write_text(json.dumps(content))
    (frame,), _ = read_frames(tmp_path, "photos", "instances.json")
    with pytest.raises(InputError, match=r"a.png` must have height and width \(60, 40\), as annotated; got \(40, 60\)"):
        frame.read_truth()


def test_a_bad_segmentation_names_file_and_annotation(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"instances.json`, annotation 12, must have polygons of at least 3 points"):
        read_truth(tmp_path, annotate(12, 1, CAT, [[1, 2, 3, 4]]))


def name_categories(count: int) -> list[dict[str, Any]]:
    return [{"id": index, "name": f"class {index}"} for index in range(count)]


def test_more_classes_than_ids_are_refused(tmp_path: Path) -> None:
    write_coco(tmp_path, {"a.png": SHAPE}, [], {"categories": name_categories(64)})
    assert len(read_frames(tmp_path, "photos", "instances.json")[1].class_names) == 65
    write_coco(tmp_path, {"a.png": SHAPE}, [], {"categories": name_categories(65)})
    with pytest.raises(InputError, match=r"must have at most 64 classes; got 65. Choose or merge some"):
        read_frames(tmp_path, "photos", "instances.json")
    _, catalogue = read_frames(tmp_path, "photos", "instances.json", classes={"some": ["class 3", "class 64"]})
    assert catalogue.class_names == ("background", "some")


def test_more_instances_than_ids_are_refused(tmp_path: Path) -> None:
    many = [annotate(key, 1, CAT, [rectangle(0, 0, 5, 5)]) for key in range(1001)]
    assert read_truth(tmp_path, *many[:1000]).official_ids[-1] == 1999
    with pytest.raises(InputError, match="annotation 1000, must be one of at most 1000 of its class in an image"):
        read_truth(tmp_path, *many)


def test_more_annotations_than_numbers_are_refused(tmp_path: Path) -> None:
    write_coco(tmp_path, {"a.png": SHAPE}, [annotate(key, 1, CAT, []) for key in range(65536)])
    with pytest.raises(InputError, match="must have at most 65535 annotations per image; got 65536"):
        read_frames(tmp_path, "photos", "instances.json")
