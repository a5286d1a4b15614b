"""Predictions as a file: the format, reading and writing, and every rule that an entry may break."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from maskrcnn.data.records import Records
from maskrcnn.project.errors import InputError
from maskrcnn.results.predictions import (
    Predictions,
    encode_mask,
    encode_parts,
    encode_predictions,
    read_predictions,
    write_predictions,
)

SHAPE = (4, 6)
MASK = np.zeros(SHAPE, bool)
MASK[1:3, 2:5] = True
MASK_CODE = encode_mask(MASK)
NOTHING = encode_predictions(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), np.zeros((0, *SHAPE), bool))


def one(class_id: int = 3, score: float = 0.75) -> Predictions:
    return encode_predictions(np.array([[1, 2, 3, 5]]), np.array([class_id]), np.array([score]), MASK[None])


def entry(**changes) -> dict:
    plain = {"image_id": 0, "category_id": 3, "bbox": [2, 1, 3, 2], "score": 0.5, "segmentation": rle()}
    return plain | changes


def rle(**changes) -> dict:
    return {"size": list(SHAPE), "counts": encode_mask(MASK)} | changes


def read(path, entries, text=None):
    path.write_text(json.dumps(entries) if text is None else text)
    return read_predictions(path, 2, SHAPE, 11)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_file_is_a_list_of_coco_results(tmp_path) -> None:
    write_predictions(tmp_path / "new" / "base.json", [NOTHING, one()], SHAPE)
    (result,) = json.loads((tmp_path / "new" / "base.json").read_text())
    assert result["image_id"] == 1 and result["category_id"] == 3 and result["score"] == 0.75
    assert result["bbox"] == [2, 1, 3, 2]  # x, y, width, height of (y1, x1, y2, x2) = (1, 2, 3, 5)
    assert np.array_equal(coco_mask.decode(result["segmentation"]), MASK)


@settings(max_examples=20)
@given(st.lists(st.lists(st.tuples(st.integers(1, 10), st.floats(0, 1)), max_size=3), min_size=2, max_size=2))
def test_reading_inverts_writing(tmp_path_factory, images) -> None:
    written = [
        encode_predictions(
            np.arange(4.0 * len(found)).reshape(-1, 4),
            np.array([class_id for class_id, _ in found], int),
            np.array([score for _, score in found], float),
            np.broadcast_to(MASK, (len(found), *SHAPE)),
        )
        for found in images
    ]
    path = tmp_path_factory.mktemp("predictions") / "base.json"
    write_predictions(path, iter(written), SHAPE)
    for before, after in zip(written, read_predictions(path, 2, SHAPE, 11), strict=True):
        assert before.rles == after.rles
        assert np.array_equal(before.boxes_px, after.boxes_px)
        assert np.array_equal(before.class_ids, after.class_ids)
        assert np.array_equal(before.scores, after.scores)


def test_nothing_found_is_an_empty_list(tmp_path) -> None:
    write_predictions(tmp_path / "base.json", [NOTHING, NOTHING], SHAPE)
    assert json.loads((tmp_path / "base.json").read_text()) == []
    assert [len(found) for found in read_predictions(tmp_path / "base.json", 2, SHAPE, 11)] == [0, 0]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path) -> None:
    write_predictions(tmp_path / "base.json", [one()], SHAPE)
    before = (tmp_path / "base.json").read_bytes()
    with pytest.raises(InputError, match=r"`scores` of prediction 0 of image 1 in `.*json` must be finite; got nan"):
        write_predictions(tmp_path / "base.json", [one(), one(score=float("nan"))], SHAPE)
    assert (tmp_path / "base.json").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["base.json"]


@pytest.mark.parametrize("spoiled", [np.nan, np.inf, -np.inf])
def test_a_box_that_is_not_finite_is_named(tmp_path: Path, spoiled: float) -> None:
    boxes = np.array([[1, 2, 3, 5], [1, 2, spoiled, 5]])
    found = encode_predictions(boxes, np.array([3, 3]), np.array([0.5, 0.5]), np.stack([MASK, MASK]))
    path, records = tmp_path / "base.json", object.__new__(Records)
    records.names = ["ulm_1", "ulm_2"]
    with pytest.raises(InputError, match=r"`boxes_px` of prediction 1 of ulm_2 in `.*base.json` must be finite; got"):
        write_predictions(path, [NOTHING, found], SHAPE, records)
    assert not path.exists()


def test_missing_file_names_the_stage(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"flip.json` must exist; .*`predict`"):
        read_predictions(tmp_path / "flip.json", 2, SHAPE, 11)


@pytest.mark.parametrize(
    "text", ["", "[{", '[{"image_id": 0},]', '[{"score": NaN}]', '[{"bbox": [0, 0, Infinity, 1]}]']
)
def test_broken_json_is_refused(tmp_path, text) -> None:
    with pytest.raises(ValueError, match=r"base.json` must be JSON; got"):
        read(tmp_path / "base.json", None, text)


def test_another_kind_of_json_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"must hold a list of COCO results; got dict"):
        read(tmp_path / "base.json", {"annotations": []})


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"image_id": 2}, "`image_id` must be a whole number below 2; got 2"),
        ({"image_id": -1}, "`image_id` must be a whole number below 2; got -1"),
        ({"image_id": True}, "`image_id` must be a whole number below 2; got True"),
        ({"category_id": 0}, "`category_id` must be a whole number from 1 to 10; got 0"),
        ({"category_id": 11}, "`category_id` must be a whole number from 1 to 10; got 11"),
        ({"category_id": 1.0}, "`category_id` must be a whole number from 1 to 10; got 1.0"),
        ({"score": 1.5}, r"`score` must lie within \[0, 1\]; got 1.5"),
        ({"score": "0.5"}, r"`score` must lie within \[0, 1\]; got '0.5'"),
        ({"bbox": [0, 0, 1e10, 1]}, "`bbox` must be x, y, width, height in pixels; got"),
        ({"bbox": [0, 0, -1, 1]}, "`bbox` must be x, y, width, height in pixels; got"),
        ({"bbox": [0, 0, 1]}, "`bbox` must be x, y, width, height in pixels; got"),
        ({"segmentation": [[0, 0, 1, 0, 1, 1]]}, "`segmentation` must have a `size` and compressed `counts`"),
        ({"segmentation": rle(counts=[24])}, "`segmentation` must have a `size` and compressed `counts`"),
        ({"segmentation": rle(size=[6, 4])}, r"`segmentation.size` must be \[4, 6\]; got \[6, 4\]"),
        ({"segmentation": rle(counts="3")}, "`counts` must be the COCO run lengths of the 24 pixels .* got '3'"),
        ({"segmentation": rle(counts=chr(ord(MASK_CODE[0]) + 64) + MASK_CODE[1:])}, "`counts` must be the COCO run"),
        ({"segmentation": rle(counts="\ud800")}, "`counts` must be the COCO run lengths"),
        ({"segmentation": rle(counts="")}, "`counts` must be the COCO run lengths"),
        ({"bbox": [0, 0, 1e308, 1e308]}, "`bbox` must be x, y, width, height in pixels; got"),
        ({"bbox": [0, 0, True, 1]}, "`bbox` must be x, y, width, height in pixels; got"),
        ({"segmentation": rle(counts="o")}, "`counts` must be the COCO run lengths of the 24 pixels .* got 'o'"),
    ],
)
def test_bad_entry_is_named(tmp_path, changes, rule) -> None:
    with pytest.raises(ValueError, match=r"Entry 1 of .*base.json: " + rule):
        read(tmp_path / "base.json", [entry(), entry(**changes)])


@pytest.mark.parametrize("bad", [7, {"image_id": 0}])
def test_entry_without_the_keys_is_named(tmp_path, bad) -> None:
    with pytest.raises(ValueError, match=r"Entry 0 of .* it must have the keys image_id, category_id"):
        read(tmp_path / "base.json", [bad])


@pytest.mark.parametrize("second", [5, "5"])
def test_id_occurs_once(tmp_path, second) -> None:
    with pytest.raises(ValueError, match=r"Entry 1 of .*`id` must be a whole number and occur once; got '?5"):
        read(tmp_path / "base.json", [entry(id=5), entry(id=second)])


def test_same_prediction_twice_is_allowed(tmp_path) -> None:
    assert [len(found) for found in read(tmp_path / "base.json", [entry(), entry()])] == [2, 0]


def test_masks_inside_their_boxes_are_encoded_as_whole_masks_are() -> None:
    boxes = np.array([[0, 0, 2, 3], [1, 2, 4, 4], [2, 2, 2, 3]])
    parts = [np.ones((2, 3), bool), np.array([[1, 0], [1, 1], [0, 1]], bool), np.ones((0, 1), bool)]
    masks = np.zeros((3, 5, 6), bool)
    masks[0, :2, :3], masks[1, 1:4, 2:4] = parts[:2]
    rest = np.array([1, 2, 3]), np.array([0.9, 0.8, 0.7])
    found, expected = encode_parts(boxes, *rest, parts, (5, 6)), encode_predictions(boxes, *rest, masks)
    assert found.rles == expected.rles
    for name in ("boxes_px", "class_ids", "scores"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert getattr(found, name).dtype == getattr(expected, name).dtype
