"""Other classes and another dataset run through the whole study by params alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from maskrcnn.data.frames import Frame
from maskrcnn.data.records import read_records
from maskrcnn.project.params import read_yaml
from maskrcnn.readers.cityscapes import CLASS_NAMES, read_frames
from maskrcnn.street.synthetic import write_cities
from tests.pipeline.study import dvc
from tests.pipeline.test_smoke import begin_repository
from tests.readers.coco_files import compress

CLASSES = {"car": ["car"], "person": ["person", "rider"], "bicycle": ["bicycle"]}
SIZES = {"aachen": (192, 320), "cologne": (160, 240)}  # of the raw images

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def write_params(root: Path, params: dict[str, Any]) -> None:
    """Writes params of three classes: all start weights are those of the demo, of which three classes are kept."""
    params["weights"] = {
        "three": {"path": "models/pretrained.h5", "backbone": "resnet14", "seed": 6, "class_map": "cityscapes"},
        "deeper": params["weights"]["deeper"] | {"class_map": "cityscapes"},
    }
    for users in ("variants", "candidates"):
        for user in params[users].values():
            user["start"] = user["start"].replace("models/pretrained.h5", "models/start/three.h5")
    params["hyperband"]["start"] = "models/start/three.h5"
    params["data"]["classes"] = CLASSES
    YAML().dump(params, root / "params.yaml")


def check_study(root: Path, images: int) -> None:
    """Checks that the whole study ran with three classes."""
    dvc(root, "repro")
    params = read_yaml(root / "params.yaml")
    for name in params["variants"]:
        scores = {
            key: value
            for table in ("test", "classes")
            for key, value in json.loads((root / f"metrics/{table}/{name}.json").read_text()).items()
        }
        assert scores["images"] == images
        assert 0 <= scores["AP50"] <= 1
        named = {key.removeprefix("cAP_") for key in scores if key.startswith("cAP_")}
        assert named <= set(CLASSES) and "car" in named
        found = json.loads((root / f"predictions/{name}.json").read_text())
        assert {each["category_id"] for each in found} <= {1, 2, 3}
    assert "up to date" in dvc(root, "status")


def test_three_classes_of_the_city_by_params_alone(tmp_path: Path) -> None:
    root = begin_repository(tmp_path)
    write_params(root, read_yaml(root / "params.yaml"))
    check_study(root, images=3)
    records = read_records(root / "data/processed/test.npz")
    assert records.catalogue.class_names == ("background", *CLASSES)


def test_a_coco_dataset_of_images_of_two_sizes_by_params_alone(tmp_path: Path) -> None:
    root = begin_repository(tmp_path)
    write_streets(root / "data/streets")
    params = read_yaml(root / "params.yaml")
    params |= {
        "synthesize": {},
        "data": {"root": "data/streets", "format": "coco", "image_shape": None, "licence": None},
    }
    params["preprocess"]["fit"] = "letterbox"
    for name, split in params["splits"].items():
        part = "train" if "training" in name else "val"
        params["splits"][name] = {"images": part, "truth": f"{part}.json", "instance_maps": split["instance_maps"]}
    write_params(root, params)
    check_study(root, images=6)
    assert {shape for shape in SIZES.values()} == {
        cv2.imread(str(path)).shape[:2] for path in (root / "data/streets/val").iterdir()
    }


def write_streets(root: Path) -> None:
    """Writes a dataset in COCO's format: streets of two cities, the images of each of its own size."""
    for part in ("train", "val"):
        dataset: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": 10 * number, "name": name} for number, name in enumerate(CLASS_NAMES) if number],
        }
        for seed, (city, size) in enumerate(SIZES.items()):
            for frame in draw_frames(root / "drawn" / city / part, part, city, size, seed):
                add_image(dataset, frame, root / part)
        (root / f"{part}.json").write_text(json.dumps(dataset))


def draw_frames(root: Path, part: str, city: str, size: tuple[int, int], seed: int) -> Iterator[Frame]:
    """Draws three frames of a city, in the files of Cityscapes."""
    list(write_cities(root, {part: {city: 3}}, size, "city", seed))
    frames, _ = read_frames(root, f"leftImg8bit/{part}", f"gtFine/{part}", image_shape=size)
    yield from frames


def add_image(dataset: dict[str, list[dict[str, Any]]], frame: Frame, folder: Path) -> None:
    """Adds an image as a JPEG file, and a run-length mask for each object of a class."""
    folder.mkdir(exist_ok=True)
    cv2.imwrite(str(folder / f"{frame.name}.jpg"), cv2.imread(str(frame.image_path)))
    truth, image_id = frame.read_truth(), len(dataset["images"]) + 1
    height, width = truth.object_map.shape
    dataset["images"].append({"id": image_id, "file_name": f"{frame.name}.jpg", "height": height, "width": width})
    for number in np.flatnonzero(truth.class_ids):
        mask = np.asfortranarray(truth.object_map == number, np.uint8)
        if mask.any():
            dataset["annotations"].append(
                {
                    "id": len(dataset["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": 10 * int(truth.class_ids[number]),
                    "iscrowd": int(truth.is_crowd[number]),
                    "segmentation": compress(mask),
                }
            )
