"""The files of the Cityscapes benchmark."""

import cv2
import numpy as np
import pytest

from maskrcnn.results.predictions import Predictions, encode_predictions
from maskrcnn.results.submission import write_submission

SHAPE = (4, 6)
MASKS = np.zeros((2, *SHAPE), bool)
MASKS[0, 1:3, 2:5] = MASKS[1, 0, 0] = True
LABEL_IDS = {1: 26, 2: 24}


def found(*class_ids: int) -> Predictions:
    count = len(class_ids)
    scores = np.array([0.875, 1 / 3])[:count]
    return encode_predictions(np.zeros((count, 4)), np.array(class_ids, int), scores, MASKS[:count])


def test_one_text_an_image_and_one_mask_an_instance(tmp_path) -> None:
    write_submission(tmp_path / "base", ["ulm_0", "ulm_1"], [found(1, 2), found()], LABEL_IDS, SHAPE, SHAPE)
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == [
        "ulm_0.txt", "ulm_0_0.png", "ulm_0_1.png", "ulm_1.txt",
    ]  # fmt: skip
    lines = (tmp_path / "base" / "ulm_0.txt").read_text().splitlines()
    assert lines == ["ulm_0_0.png 26 0.875", "ulm_0_1.png 24 0.3333333333333333"]
    mask = cv2.imread(str(tmp_path / "base" / "ulm_0_0.png"), cv2.IMREAD_UNCHANGED)
    assert mask.dtype == np.uint8 and np.array_equal(mask, MASKS[0] * 255)
    assert (tmp_path / "base" / "ulm_1.txt").read_text() == ""


def test_masks_grow_to_the_size_of_the_benchmark(tmp_path) -> None:
    write_submission(tmp_path / "base", ["ulm_0"], [found(1)], LABEL_IDS, SHAPE, (8, 12))
    mask = cv2.imread(str(tmp_path / "base" / "ulm_0_0.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(mask, np.kron(MASKS[0], np.ones((2, 2))) * 255)


def test_other_classes_are_left_out(tmp_path) -> None:
    write_submission(tmp_path / "base", ["ulm_0"], [found(1, 7)], LABEL_IDS, SHAPE, SHAPE)
    assert (tmp_path / "base" / "ulm_0.txt").read_text() == "ulm_0_0.png 26 0.875\n"
    assert not (tmp_path / "base" / "ulm_0_1.png").exists()


def test_old_files_go_and_failure_keeps_them(tmp_path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "old.txt").touch()
    with pytest.raises(ValueError, match="zip"):
        write_submission(tmp_path / "base", ["ulm_0"], [], LABEL_IDS, SHAPE, SHAPE)
    assert [path.name for path in tmp_path.iterdir()] == ["base"] and (tmp_path / "base" / "old.txt").exists()
    write_submission(tmp_path / "base", [], [], LABEL_IDS, SHAPE, SHAPE)
    assert not any((tmp_path / "base").iterdir())
