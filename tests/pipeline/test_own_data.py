"""docs/own_data.md: its parameters are valid together, and its dataset is read with them."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from maskrcnn.data.records import read_records
from maskrcnn.project.params import read_params, read_yaml
from maskrcnn.project.rules import check_params
from stages import preprocess
from tests.readers.coco_files import CAT, DOG, WOLF, annotate, rectangle, write_coco

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/own_data.md").read_text()
BASE, CLASSES, WEIGHTS = (YAML(typ="safe").load(block) for block in re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the parameters of the page, and images and JSON files where it puts them."""
    write_params(tmp_path, read_yaml(ROOT / "params.yaml") | BASE | WEIGHTS)
    for command in re.findall(r"^sed .*$", DOC, re.MULTILINE):
        subprocess.run(shlex.split(command), cwd=tmp_path, check=True)
    annotations = [annotate(key, 1, label, [rectangle(0, 0, 20, 20)]) for key, label in enumerate((CAT, DOG, WOLF))]
    pets = tmp_path / "data/pets"
    path = write_coco(pets, {"0001.jpg": (90, 120), "0002.png": (60, 50)}, annotations)
    (pets / "photos").rename(pets / "images")
    for name in ("train", "val", "test"):
        shutil.copy(path, pets / f"{name}.json")
    return tmp_path


def write_params(root: Path, params: dict[str, Any]) -> None:
    YAML().dump(params, root / "params.yaml")


def test_the_parameters_are_valid_together(root: Path) -> None:
    study = check_params(read_params(root / "params.yaml"), root)
    steps = {
        name: getattr(study, name).schedule.validation_steps for name in ("babysit", "coarse", "hyperband", "train")
    }
    assert set(steps.values()) == {1}
    assert study.pretrain.schedule.validation_steps > 1  # of the demo's start weights, which stay
    starts = {variant.start for variant in study.variants.values()} - {"models/base.h5"}
    assert starts == {study.hyperband.start} == {"models/start/mine.h5"}


def test_the_dataset_is_read_with_them(root: Path) -> None:
    preprocess.main("test", root)
    records = read_records(root / "data/processed/test.npz")
    assert records.catalogue.class_names == ("background", "cat", "dog", "wolf")
    assert records.names == ["0001", "0002"]
    assert (records.image_shape, records.fit) == ((256, 256), "letterbox")
    assert records.instance_map(0).any()


def test_its_choice_of_classes_merges(root: Path) -> None:
    params = read_yaml(root / "params.yaml")
    params["data"] |= CLASSES["data"]
    write_params(root, params)
    preprocess.main("training", root)
    assert read_records(root / "data/processed/training.npz").catalogue.class_names == ("background", "cat", "canine")


def test_every_path_of_the_page_is_there() -> None:
    for path in re.findall(r"`((?:maskrcnn|stages|docs)/[\w./]+)`", DOC):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(\w+)` in `stages/preprocess.py`", DOC):
        assert hasattr(preprocess, name)
