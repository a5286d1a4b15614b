"""Stages that are started by hand on records of before a change refuse them before they build or write anything."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from maskrcnn.data.records import write_records
from maskrcnn.data.splits import list_settings
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_params, read_yaml
from maskrcnn.readers.cityscapes import CITYSCAPES
from tests.stages.scored import make_record

ROOT = Path(__file__).parents[2]
SHAPE = (64, 128)
STAGES = {
    "babysit": ((), "reduced_training"),
    "coarse": (("reference",), "reduced_training"),
    "hyperband": (("sgd",), "reduced_training"),
    "weights": (("deeper",), "training"),
    "train": (("base",), "training"),
    "predict": (("base",), "test"),
    "evaluate": (("base",), "test"),
    "draw": (("base",), "test"),
    "submit": (("base",), "test"),
    "report": ((), "test"),
    "ceilings": ((), "test"),
}
CHANGES = {
    "size": ("preprocess", {"image_shape": [64, 128]}, r"`preprocess\.image_shape` \[64, 128\], got \[128, 256\]"),
    "cap": ("preprocess", {"instance_cap": 4}, r"`preprocess\.instance_cap` 4, got 16"),
    "classes": ("data", {"classes": {"car": ["car"]}}, r'`data\.classes` \{"car": \["car"\]\}, got null'),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The demo's params, and one record in every split."""
    params = read_yaml(ROOT / "params.yaml")
    params["train"]["hyperparameters"] = "tuned.yaml"
    params["search"]["sgd"]["learning_rate"] = [1e-4, 1e-3]
    YAML().dump(params, tmp_path / "params.yaml")
    (tmp_path / "tuned.yaml").write_text("optimizer: sgd\nlearning_rate: 0.1\nmomentum: 0.9\nweight_decay: 0.0\n")
    record = make_record("munster_000000_000019", np.zeros(SHAPE, np.uint16))
    for split in params["splits"]:
        settings = list_settings(read_params(tmp_path / "params.yaml"), split)
        path = tmp_path / f"data/processed/{split}.npz"
        write_records(path, [record], SHAPE, (56, 56), "stretch", CITYSCAPES, settings)
    return tmp_path


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("stage", STAGES)
def test_records_of_other_params_are_refused(root: Path, stage: str, change: str) -> None:
    section, values, fault = CHANGES[change]
    params = read_yaml(root / "params.yaml")
    params[section] |= values
    YAML().dump(params, root / "params.yaml")
    arguments, split = STAGES[stage]
    before = sorted(root.rglob("*"))
    sentence = rf"{split}\.npz` must be made .*: {fault}\. Run `dvc repro preprocess@{split}`"
    with pytest.raises(InputError, match=sentence):
        importlib.import_module(f"stages.{stage}").main(*arguments, root)
    assert sorted(root.rglob("*")) == before
