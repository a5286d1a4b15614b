"""What masks of a small size can reach, on a car and a ring."""

import json

import cv2
import numpy as np
import pytest

from maskrcnn.data.records import write_records
from maskrcnn.readers.cityscapes import CITYSCAPES
from stages.ceilings import main
from tests.stages.drawn import write_params
from tests.stages.scored import make_record

SHAPE = (128, 256)


@pytest.fixture
def root(tmp_path):
    """One image with a car that fills its box and a person who is a thin ring."""
    instance_map = np.full(SHAPE, 7, np.uint16)
    instance_map[10:30, 20:80] = 26000
    cv2.circle(instance_map, (180, 64), 60, 24000, 1)
    record = make_record("munster_000000_000019", instance_map)
    write_records(tmp_path / "data/processed/test.npz", [record], SHAPE, (56, 56), "stretch", CITYSCAPES)
    write_params(tmp_path)
    return tmp_path


def test_what_small_masks_can_reach(root) -> None:
    main(root)
    coarse, fine = (json.loads((root / f"metrics/ceilings/{side}.json").read_text()) for side in (28, 56))
    assert list(coarse) == list(fine)
    # The car loses nothing; the ring cannot be had: 1 of 2 truths at every IoU.
    assert (fine["cAP_car"], fine["cAP_person"], fine["AP50"], fine["rAP"]) == (1, 0, 0.5, 0.5)
    assert "cAP_train" not in fine and fine["images_train"] == 0
