"""A made-up city whose variants have been scored: what the stages that draw and compare read."""

import json
from pathlib import Path

import cv2
import numpy as np
from ruamel.yaml import YAML

from maskrcnn.data.records import write_records
from maskrcnn.readers.cityscapes import CITYSCAPES, CLASS_IDS
from maskrcnn.results.predictions import Predictions, encode_predictions, write_predictions
from maskrcnn.results.proposals import write_proposals
from tests.stages.scored import make_record

SHAPE = (64, 128)
NAMES = [f"munster_00000{index}_000019" for index in range(3)]
DRAWN = [NAMES[0], NAMES[2]]
RIDER, PERSON = CLASS_IDS["rider"], CLASS_IDS["person"]
CAR = np.s_[10:30, 10:40]
RIDERS = (np.s_[30:60, 60:75], np.s_[30:60, 90:105])
COUNTS = {"images": 3, "images_without_truth": 0, "images_rider": 3, "images_bus": 0, "instances": 9, "test_set": 7}
PARAMS = {
    "scale": "demo",
    "data": {"root": "data/city", "format": "cityscapes", "image_shape": list(SHAPE), "classes": None, "licence": None},
    "draw": {"images": 2, "min_score": 0.5, "proposals": 1, "confusions": 2, "crops": 4},
    "splits": {"test": {}},
    "candidates": {"random": {}},
    "search": {"sgd": {}},
    "variants": {"base": {}, "flip": {}},
    "compare": {"reference": "base"},
    "headline": {"variant": "base"},
}


def make_instance_map() -> np.ndarray:
    """Returns the truth of every image: a car and two riders on a road."""
    instance_map = np.full(SHAPE, 7, np.uint16)
    for place, instance in zip((CAR, *RIDERS), (26000, 25000, 25001), strict=True):
        instance_map[place] = instance
    return instance_map


def write_city(root: Path) -> None:
    """Writes three images with a car and two riders each, and two variants: `base` takes one rider for a person."""
    instance_map = make_instance_map()
    records = [make_record(name, instance_map) for name in NAMES]
    write_records(root / "data/processed/test.npz", records, SHAPE, (56, 56), "stretch", CITYSCAPES)
    (root / "data/city").mkdir()
    noise = np.random.default_rng(5).integers(0, 255, (*SHAPE, 3)).astype(np.uint8)
    for name in NAMES:
        cv2.imwrite(str(root / f"data/city/{name}.png"), noise)
    write_variant(root, "base", rider=PERSON)
    write_variant(root, "flip", rider=RIDER)
    write_params(root)


def write_variant(root: Path, name: str, rider: int) -> None:
    """Writes what a variant found, its regions of interest and its scores."""
    found = [find(rider)] * len(NAMES)
    write_predictions(root / f"predictions/{name}.json", found, SHAPE)
    boxes = np.array([[10, 10, 30, 40], [0, 0, 5, 5]])
    write_proposals(root / f"predictions/proposals/{name}.json", dict.fromkeys(NAMES, boxes))
    ap = 0.5 if rider == PERSON else 0.75
    write_json(root / f"metrics/test/{name}.json", {"AP50": ap, "rAP": 0.25})
    write_json(root / f"metrics/iou/{name}.json", {f"AP{iou}": ap for iou in range(50, 100, 5)})
    by_class = {"cAP_rider": ap, "coco_AP_rider": ap, "instances_rider": 6, "instances_bus": 0}
    write_json(root / f"metrics/classes/{name}.json", by_class | COUNTS)


def find(rider: int) -> Predictions:
    """Returns the car, the first rider as what it was taken for, and the second one as a rider."""
    masks = np.zeros((3, *SHAPE), bool)
    for mask, place in zip(masks, (CAR, *RIDERS), strict=True):
        mask[place] = True
    class_ids = np.array([CLASS_IDS["car"], rider, RIDER])
    return encode_predictions(np.zeros((3, 4)), class_ids, np.array([0.9, 0.8, 0.7]), masks)


def write_json(path: Path, row: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(row))


def write_params(root: Path, **sections: object) -> None:
    """Writes params.yaml, with sections in the place of its own."""
    YAML().dump(PARAMS | sections, root / "params.yaml")
