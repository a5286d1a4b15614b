"""The stage that runs before all others."""

import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_yaml
from stages.check import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the params of the demo and, empty, the files that its trainings start from."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for name in ("models/pretrained.h5", "pins/random_weights.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    return tmp_path


def change(root: Path, key: str, value: object) -> None:
    """Sets a key of params.yaml, given by its full path."""
    params = section = read_yaml(root / "params.yaml")
    *parents, last = key.split(".")
    for name in parents:
        section = section[name]
    section[last] = value
    YAML().dump(params, root / "params.yaml")


def test_valid_params_leave_the_same_file_whatever_they_are(root: Path) -> None:
    main(root)
    first = (root / "data/params_checked.txt").read_text()
    change(root, "headline.variant", "flip")
    main(root)
    assert (root / "data/params_checked.txt").read_text() == first


@pytest.mark.parametrize(
    ("augment", "fault"),
    [
        ({"crop": 0.7}, r"`variants\.flip\.augment\.crop` must lie within \[0, 0\.5\); got 0\.7"),
        ({"mirror": 0.5}, r"`variants\.flip\.augment` must name some of flip, .*; got mirror"),
        (["flip"], r"`variants\.flip\.augment` must be a section; got \['flip'\]"),
    ],
)
def test_wrong_augmentations_are_refused(root: Path, augment: object, fault: str) -> None:
    change(root, "variants.flip.augment", augment)
    with pytest.raises(ValueError, match=fault):
        main(root)
    assert not (root / "data").exists()


@pytest.mark.parametrize(
    ("key", "start", "hint"),
    [
        ("variants.flip.start", "models/pretraned.h5", "the nearest is models/pretrained.h5"),
        ("babysit.start", "pins/random_weight.txt", "the nearest is pins/random_weights.txt"),
        ("candidates.other_start.start", "coco.h5", "`maskrcnn doctor` says where released files come from"),
        ("hyperband.start", "models/mask_rcnn_coco.h5", "`maskrcnn doctor` says where released files come from"),
        ("weights.deeper.path", "models/pretrained", "the nearest is models/pretrained.h5"),
    ],
)
def test_start_weights_that_are_not_there_are_refused(root: Path, key: str, start: str, hint: str) -> None:
    change(root, key, start)
    said = f"`{key}` must be a file that is there, or that a stage makes; got {start}, {hint}."
    with pytest.raises(InputError, match=re.escape(said)):
        main(root)
    assert not (root / "data").exists()


def test_start_weights_of_the_lock_may_be_missing(root: Path) -> None:
    (root / "models/pretrained.h5").unlink()
    with pytest.raises(
        InputError, match=r"; `weights\.deeper\.path`, .*, `variants\.base\.start`, .* got models/pretrained\.h5"
    ):
        main(root)
    (root / "dvc.lock").write_text("stages:\n  train@base:\n    deps:\n    - path: models/pretrained.h5\n")
    main(root)
