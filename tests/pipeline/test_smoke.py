"""The whole pipeline at the smoke scale, through DVC itself, in a copy without git."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maskrcnn.config import read_params
from stages import scale

ROOT = Path(__file__).parents[2]
CODE = ("maskrcnn", "stages", "scales", "dvc.yaml", "dvc.lock", ".dvcignore")
PRETRAINED = ("models/pretrained.h5", "metrics/train/pretrained.json", "plots/history/pretrained.csv")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the pipeline runs on, at the smoke scale, after one `dvc repro`."""
    root = tmp_path_factory.mktemp("smoke")
    for name in (*CODE, *PRETRAINED, "params.yaml"):
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    dvc(root, "init", "--no-scm")
    scale.main("smoke", root)
    dvc(root, "repro")
    return root


def dvc(root: Path, *arguments: str) -> str:
    """Runs DVC in a repository with this Python, and with the package that lies there."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(root), "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_every_variant_is_scored(repository: Path) -> None:
    for name in read_params(repository / "params.yaml")["variants"]:
        scores = json.loads((repository / f"metrics/test/{name}.json").read_text())
        assert 0 <= scores["AP50"] <= 1


def test_second_run_does_nothing(repository: Path) -> None:
    assert "up to date" in dvc(repository, "repro")
    assert "up to date" in dvc(repository, "status")


def test_scoring_alone_follows_its_code(repository: Path) -> None:
    script = repository / "stages/evaluate.py"
    script.write_text(script.read_text() + "\n")
    assert dvc(repository, "repro").count("Running stage") == len(read_params(repository / "params.yaml")["variants"])
