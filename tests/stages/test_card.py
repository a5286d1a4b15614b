"""The stage that writes the card of a model."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from maskrcnn.network.weights.attributes import write_facts
from maskrcnn.project.errors import InputError
from maskrcnn.results.card import format_card
from stages import card
from tests.network.weights.facts import FACTS

TABLES = {
    "test": {"AP50": 0.741802, "rAP": 0.3713, "cityscapes_AP": 0.4, "coco_AP": 0.25},
    "classes": {"cAP_red": 1.0, "images": 60},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "params.yaml").write_text("variants: {base: {}}\n")
    with h5py.File(tmp_path / "models/base.h5", "w") as file:
        write_facts(file, FACTS)
    for table, scores in TABLES.items():
        (tmp_path / "metrics" / table).mkdir(parents=True)
        (tmp_path / "metrics" / table / "base.json").write_text(json.dumps(scores))
    return tmp_path


def test_the_card_states_facts_and_scores(root: Path) -> None:
    card.main("base", root)
    text = (root / "models/base.md").read_text()
    assert text.startswith("# base\n\nA Mask R-CNN with the backbone resnet14. It finds 3 classes in photos, ")
    assert "It sees images at 64 x 64 pixels (letterbox)." in text
    assert 'maskrcnn.load("models/base.h5")' in text
    assert "## Scores on the 60 test images" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    expected = ["| AP at IoU 0.50, as Matterport averages it | 0.742 |", "| red | 1.000 |", "| green | - |"]
    assert {*expected, "| val_loss | 0.25 |", "| keras | 3.15.1 |"} <= {*rows}
    assert "## Licence of the data\n\nCC BY 4.0\n" in text


def test_what_nobody_stated_is_said_so() -> None:
    text = format_card("base", replace(FACTS, licence=None, packages={}), {})
    assert "## Licence of the data\n\nnot stated\n" in text
    assert "## Made with\n\nnot stated\n" in text


def test_a_name_with_a_bar_stays_in_its_cell() -> None:
    text = format_card("base", replace(FACTS, class_names=("a|b", "c", "d")), {})
    assert r"| a\|b | - |" in text


def test_a_model_without_scores_names_the_stage(root: Path) -> None:
    (root / "metrics/test/base.json").unlink()
    with pytest.raises(FileNotFoundError, match="evaluate@base"):
        card.main("base", root)


def test_a_variant_that_params_do_not_name_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml` must have the variant `variants\.old`; got base"):
        card.main("old", root)


def test_no_backend_is_imported(root: Path) -> None:
    script = (
        "import sys; from stages.card import main; main('base'); print({'keras', 'jax', 'tensorflow'} & {*sys.modules})"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert (root / "models/base.md").is_file()
