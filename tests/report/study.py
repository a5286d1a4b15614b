"""A made-up study that was scored and tabulated: what the stage `report` reads. Its texts are hostile to HTML."""

import json
from pathlib import Path

import cv2
import numpy as np
from ruamel.yaml import YAML

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.data.records import write_records
from maskrcnn.project.files import write_text
from maskrcnn.results.predictions import Predictions, encode_predictions, write_predictions
from maskrcnn.results.proposals import write_proposals
from stages import ceilings, evaluate, report
from tests.stages import drawn
from tests.stages.drawn import write_json
from tests.stages.scored import make_record

ROOT = Path(__file__).parents[2]
SHAPE = (64, 128)
HOSTILE = "</script><b onclick='alert(1)'>\u2028 & \"bus\""
CATALOGUE = Catalogue(("background", "car", HOSTILE), {26: 1, 28: 2}, frozenset({0, 4}))
CAR, BUS = 1, 2
NAMES = ["munster_0 <b>&amp;", "munster_1", "aachen_2"]
CITIES = ["munster", "munster", "aachen"]
PLACES = ((np.s_[10:30, 10:40], 26000), (np.s_[30:60, 60:75], 28000), (np.s_[30:60, 90:105], 28001))
REGIONS = np.array([[10, 10, 30, 40], [0, 0, 5, 5]])
PARAMS = drawn.PARAMS | {"data": drawn.PARAMS["data"] | {"image_shape": [128, 256]}}
TABLES = {
    "losses": "variant,epoch,loss,val_loss,val_mask_loss\nbase,1,3.5,2.5,0.5\nbase,2,1.5,2.0,\nflip,1,3.0,2.25,0.25\n",
    "learning_rates": "candidate,learning_rate,epoch,val_loss\nrandom,0.01,1,2.5\nrandom,0.1,1,9000\n",
    "trials": "search,trial,learning_rate,momentum,weight_decay,epoch,val_loss\nsgd,0,0.001,0.9,0.0001,1,1.5\n",
    "searches": "search,trial,learning_rate,momentum,weight_decay,val_loss\nsgd,0,0.001,0.9,0.0001,1.5\n",
    "classes": "split,class,instances\ntest,car,3\ntest,bus,600\n",
}


def write_study(root: Path) -> None:
    """Writes three images with a car and two buses each, and two variants: `base` takes one bus for a car."""
    instance_map = np.full(SHAPE, 7, np.uint16)
    for place, instance in PLACES:
        instance_map[place] = instance
    records = [make_record(name, instance_map) for name in NAMES]
    records = [
        type(record)(**{**vars(record), "image_path": f"{city}/{record.name}.png"})
        for record, city in zip(records, CITIES, strict=True)
    ]
    write_records(root / "data/processed/test.npz", records, SHAPE, (56, 56), "stretch", CATALOGUE)
    rng = np.random.default_rng(5)
    for record in records:
        path = root / "data/city" / record.image_path
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (128, 256, 3)).astype(np.uint8))
    YAML().dump(PARAMS, root / "params.yaml")
    for name, second in (("base", CAR), ("flip", BUS)):
        write_predictions(root / f"predictions/{name}.json", [find(second)] * 2 + [find(second, 0)], SHAPE)
        write_proposals(root / f"predictions/proposals/{name}.json", {NAMES[0]: REGIONS})
        evaluate.main(name, root)
    ceilings.main(root)
    write_findings(root)


def write_report(root: Path) -> Path:
    """Writes the study and its report; returns the folder."""
    write_study(root)
    report.main(root)
    return root


def find(second: int, count: int = 3) -> Predictions:
    """Returns the car, the first bus as what it was taken for, and a car where nothing is; or the first of these."""
    masks = np.zeros((3, *SHAPE), bool)
    for mask, place in zip(masks, (PLACES[0][0], PLACES[1][0], np.s_[0:8, 100:120]), strict=True):
        mask[place] = True
    class_ids, scores = np.array([CAR, second, CAR]), np.array([0.9, 0.8, 0.7])
    boxes = np.array([[10, 10, 30, 40], [30, 60, 60, 75], [0, 100, 8, 120]])
    return encode_predictions(boxes[:count], class_ids[:count], scores[:count], masks[:count])


def write_findings(root: Path) -> None:
    """Writes what tuning, training and counting leave."""
    for name, text in TABLES.items():
        write_text(root / f"plots/tables/{name}.csv", text)
    curves = "variant,class,recall,precision\nbase,car,0,1\nflip,car,0,0.5\nbase,bus,0,1\n"
    write_text(root / "plots/tables/precision_recall.csv", curves)
    row = {"images": 3, "images_without": 0, "instances": 9, "crowds": 0, "dropped": 0}
    write_json(root / "metrics/data/test.json", row)
    for table in ("test", "iou"):
        for path in (ROOT / f"metrics/published_2021/{table}").glob("*.json"):
            write_json(root / f"metrics/published_2021/{table}/{path.name}", json.loads(path.read_text()))
    coarse = {"comparisons": {"start": {"winner": "random", "why": "<i>it</i> is alone"}}, "intervals": {}}
    selected = {"optimizer": "sgd", "learning_rate": 0.001, "momentum": 0.9, "weight_decay": 0.0001}
    why = {"found": "the best trial", "overruled": {"momentum": "0.9 instead of 0.8"}}
    for name, values in (("coarse_best", coarse), ("selected", selected), ("selected_why", why)):
        (root / "tuning").mkdir(exist_ok=True)
        YAML().dump(values, root / f"tuning/{name}.yaml")
