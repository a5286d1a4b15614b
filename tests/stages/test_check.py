"""The stage that runs before all others."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from maskrcnn.project.params import read_yaml
from stages.check import main

ROOT = Path(__file__).parents[2]


def test_valid_params_leave_the_same_file_whatever_they_are(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    main(tmp_path)
    first = (tmp_path / "data/params_checked.txt").read_text()
    params = read_yaml(ROOT / "params.yaml")
    params["headline"]["variant"] = "flip"
    YAML().dump(params, tmp_path / "params.yaml")
    main(tmp_path)
    assert (tmp_path / "data/params_checked.txt").read_text() == first


@pytest.mark.parametrize(
    ("augment", "fault"),
    [
        ({"crop": 0.7}, r"`variants\.flip\.augment\.crop` must lie within \[0, 0\.5\); got 0\.7"),
        ({"mirror": 0.5}, r"`variants\.flip\.augment` must name some of flip, .*; got mirror"),
        (["flip"], r"`variants\.flip\.augment` must be a section; got \['flip'\]"),
    ],
)
def test_wrong_augmentations_are_refused(tmp_path: Path, augment: object, fault: str) -> None:
    params = read_yaml(ROOT / "params.yaml")
    params["variants"]["flip"]["augment"] = augment
    YAML().dump(params, tmp_path / "params.yaml")
    with pytest.raises(ValueError, match=fault):
        main(tmp_path)
    assert not (tmp_path / "data").exists()
