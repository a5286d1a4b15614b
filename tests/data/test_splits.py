"""Records and the params that they were made with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from maskrcnn.data.records import read_records, write_records
from maskrcnn.data.splits import check_splits, list_settings, read_split
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import Params, read_params, read_yaml
from maskrcnn.readers.cityscapes import CITYSCAPES
from tests.stages.scored import make_record

ROOT = Path(__file__).parents[2]
SHAPE = (64, 128)


def change_params(root: Path, **sections: dict[str, Any]) -> Params:
    """Writes the demo's params with other values; `splits_test` stands for `splits.test`."""
    params = read_yaml(ROOT / "params.yaml")
    for name, values in sections.items():
        section = params
        for key in name.split("_"):
            section = section[key]
        section |= values
    YAML().dump(params, root / "params.yaml")
    return read_params(root / "params.yaml")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A test split, made with the demo's params and a choice of classes."""
    params = change_params(tmp_path, data={"classes": {"car": ["car"], "person": ["person", "rider"]}})
    record = make_record("munster_000000_000019", np.zeros(SHAPE, np.uint16))
    path = tmp_path / "data/processed/test.npz"
    write_records(path, [record], SHAPE, (56, 56), "stretch", CITYSCAPES, list_settings(params, "test"))
    return tmp_path


def test_records_of_todays_params_are_read(root: Path) -> None:
    assert read_split(root, "test", read_params(root / "params.yaml")).names == ["munster_000000_000019"]


CLASSES = {"car": ["car"], "person": ["person", "rider"]}


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        ({"preprocess": {"image_shape": [64, 128]}}, r"`preprocess\.image_shape` \[64, 128\], got \[128, 256\]"),
        ({"preprocess": {"mini_mask_shape": [28, 28]}}, r"`preprocess\.mini_mask_shape` \[28, 28\], got \[56, 56\]"),
        ({"preprocess": {"instance_cap": 4}}, r"`preprocess\.instance_cap` 4, got 16"),
        ({"preprocess": {"fit": "letterbox"}}, r'`preprocess\.fit` "letterbox", got "stretch"'),
        ({"data": {"classes": None}}, r'`data\.classes` null, got \{"car": \["car"\], "person": \["person", .*\}'),
        ({"data": {"classes": dict(reversed(CLASSES.items()))}}, r'`data\.classes` \{"person": .*, got \{"car": .*\}'),
        ({"splits_test": {"cities": ["lindau"]}}, r'`splits\.test\.cities` \["lindau"\], got \["munster"\]'),
    ],
)
def test_other_params_are_named_with_both_values_and_the_command(root: Path, sections: Any, fault: str) -> None:
    params = change_params(root, **({"data": {"classes": CLASSES}} | sections))
    sentence = rf"test\.npz` must be made with the values of params\.yaml: {fault}\. Run `dvc repro preprocess@test`\.$"
    with pytest.raises(InputError, match=sentence):
        read_split(root, "test", params)
    with pytest.raises(InputError, match=sentence):
        check_splits(root, params, "test")


def test_all_that_changed_is_named(root: Path) -> None:
    with pytest.raises(InputError, match=r"`data\.classes` .*; `preprocess\.instance_cap` 4, got 16\. Run"):
        read_split(root, "test", change_params(root, preprocess={"instance_cap": 4}))


def test_other_params_change_nothing(root: Path) -> None:
    params = change_params(root, data={"classes": CLASSES}, splits_training={"cities": ["bremen"]}, draw={"images": 1})
    check_splits(root, params, "test")


def test_records_without_settings_are_taken_as_they_are(root: Path) -> None:
    record = make_record("munster_000000_000019", np.zeros(SHAPE, np.uint16))
    write_records(root / "data/processed/test.npz", [record], SHAPE, (56, 56), "stretch", CITYSCAPES)
    assert len(read_split(root, "test", change_params(root))) == 1


def test_the_digest_follows_names_size_and_truth(tmp_path: Path) -> None:
    def digest(name: str = "munster", shape: tuple[int, int] = SHAPE, area: int = 1, settings: Any = None) -> int:
        record = make_record(name, np.zeros(shape, np.uint16))
        record.areas[:] = area
        write_records(tmp_path / "test.npz", [record], shape, (56, 56), "stretch", CITYSCAPES, settings)
        return read_records(tmp_path / "test.npz").digest

    same = digest()
    assert same == digest(settings={"data.classes": None})
    assert len({same, digest("lindau"), digest(shape=(64, 64)), digest(area=2)}) == 4
