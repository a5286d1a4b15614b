"""`dvc repro` never empties a folder that the user names as the place of images."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from maskrcnn.project.params import read_yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of DVC, and none of git, with the pipeline's code and the weights that the demo starts from."""
    root = tmp_path_factory.mktemp("code")
    for name in ("maskrcnn", "stages", "pins"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", root)
    (root / "models").mkdir()
    shutil.copy(ROOT / "models/pretrained.h5", root / "models")
    assert dvc(root, "init", "--quiet", "--no-scm").returncode == 0
    return root


def dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs DVC with the stages' Python."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "dvc", *arguments]
    variables = {"PATH": path, "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(command, cwd=root, env=os.environ | variables, capture_output=True, text=True)


@pytest.mark.parametrize("place", ["photos", "../photos", "absolute", "data/synthetic/../photos"])
def test_images_of_ones_own_outlive_a_run(code: Path, place: str) -> None:
    folder = (code / "photos").resolve() if place == "absolute" else (code / place).resolve()
    photo = folder / "leftImg8bit/train/aachen/mine.png"
    photo.parent.mkdir(parents=True, exist_ok=True)
    photo.write_text("mine")
    params = read_yaml(ROOT / "params.yaml")
    params["data"]["root"] = str(folder) if place == "absolute" else place
    YAML().dump(params, code / "params.yaml")
    run = dvc(code, "repro", "synthesize@city")
    assert run.returncode != 0
    assert "`data.root` must be data/synthetic while `synthesize` draws the images" in run.stderr
    assert photo.read_text() == "mine"
    assert not (code / "data/synthetic").exists()


def test_files_where_the_city_is_drawn_outlive_a_run(code: Path) -> None:
    shutil.copy(ROOT / "params.yaml", code)
    photo = code / "data/synthetic/leftImg8bit/mine.png"
    photo.parent.mkdir(parents=True)
    photo.write_text("mine")
    run = dvc(code, "repro", "synthesize@city")
    assert run.returncode != 0
    assert "data/synthetic` must be empty, absent or drawn before; move your files elsewhere" in run.stderr
    assert photo.read_text() == "mine"


@pytest.mark.parametrize("place", ["pictures/truth/holiday", "pictures/truth/holiday/raw", "pictures/found/base/raw"])
def test_images_in_an_output_outlive_a_run(code: Path, place: str) -> None:
    photo = code / place / "mine.png"
    photo.parent.mkdir(parents=True, exist_ok=True)
    photo.write_text("mine")
    params = read_yaml(ROOT / "params.yaml") | {"synthesize": {}}
    params["data"]["root"] = "."
    params["splits"]["holiday"] = {"images": place, "truth": "truth", "instance_maps": False}
    YAML().dump(params, code / "params.yaml")
    assert dvc(code, "repro", "preprocess@holiday").returncode != 0  # DVC itself refuses some of these
    assert photo.read_text() == "mine"
