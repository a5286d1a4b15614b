import json

import cv2
import numpy as np
import pytest

from maskrcnn.data.records import Record, write_records
from stages.ceilings import main

SHAPE = (128, 256)


@pytest.fixture
def root(tmp_path):
    """One image with a car that fills its box and a person who is a thin ring."""
    instance_map = np.full(SHAPE, 7, np.uint16)
    instance_map[10:30, 20:80] = 26000
    cv2.circle(instance_map, (180, 64), 60, 24000, 1)
    record = Record(
        name="munster_000000_000019",
        image_path="munster.png",
        boxes=np.zeros((1, 4), np.int32),
        class_ids=np.ones(1, np.int32),
        is_crowd=np.zeros(1, bool),
        areas=np.ones(1, np.int32),
        mini_masks=np.zeros((1, 56, 56), bool),
        instance_ids=np.ones(1, np.int32),
        dropped=0,
        instance_png=cv2.imencode(".png", instance_map)[1].reshape(-1),
    )
    write_records(tmp_path / "data/processed/test.npz", [record], SHAPE, (56, 56))
    return tmp_path


def test_what_small_masks_can_reach(root):
    main(root)
    coarse, fine = (json.loads((root / f"metrics/ceilings/{side}.json").read_text()) for side in (28, 56))
    assert list(coarse) == list(fine)
    # The car loses nothing; the ring cannot be had: 1 of 2 truths at every IoU.
    assert (fine["cAP_car"], fine["cAP_person"], fine["AP50"], fine["rAP"]) == (1, 0, 0.5, 0.5)
