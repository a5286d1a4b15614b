"""A study on made-up Cityscapes with the real dvc.yaml, whose stages write made-up files in no time.

What must not leave the machine holds `LICENSED`; what a training writes differs from run to run.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from maskrcnn.project.params import read_yaml
from stages import scale

ROOT = Path(__file__).parents[2]
CODE = ("maskrcnn", "scales", "pins", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore")
KEPT = (
    "models/pretrained.h5",
    "metrics/train/pretrained.json",
    "plots/history/pretrained.csv",
    "metrics/published_2021",
)
LICENSED = b"pixels and polygons of Cityscapes"
TRAINING = ("babysit", "coarse", "hyperband", "train")

SCRIPT = '''
"""Writes the outputs of a stage."""
import json, os, sys
from pathlib import Path

outputs = json.loads(Path("outputs.json").read_text())[" ".join(["python", *sys.argv])]
stage = Path(sys.argv[0]).stem
for name, is_pushed in outputs.items():
    path = Path(name) if Path(name).suffix else Path(name) / "first.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = os.urandom(8).hex() if stage in %(training)s else ""
    text = f"{name} {noise}" if is_pushed else f"%(licensed)s {name}"
    path.write_text(json.dumps({"made": 1}) if path.suffix == ".json" and "metrics" in name else text * 20)
    if path.name == "first.csv":
        path.with_name("second.csv").write_text(text[::-1] if is_pushed else text)
'''
LIST_OUTPUTS = """
import json
from dvc.repo import Repo
print(json.dumps({
    stage.cmd: {out.def_path: out.can_push for out in stage.outs} for stage in Repo().index.stages
}))
"""


def call(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of this Python's environment in a repository, with the package that lies there."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    own = {"PATH": path, "PYTHONPATH": str(root), "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    environment = os.environ | own | variables
    return subprocess.run(arguments, cwd=root, env=environment, capture_output=True, text=True)


def run(root: Path, *arguments: str) -> str:
    """Runs a program that must succeed, and returns what it prints."""
    process = call(root, *arguments)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def dvc(root: Path, *arguments: str) -> str:
    """Runs DVC."""
    return run(root, sys.executable, "-m", "dvc", *arguments)


def git(root: Path, *arguments: str) -> str:
    """Runs git as an author."""
    return run(root, "git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments)


def commit(root: Path, message: str) -> None:
    """Commits all that git does not ignore."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", message)


def find_stages(output: str) -> list[str]:
    """Returns the stages that a run of DVC executed, in their order."""
    return re.findall(r"Running stage '(\S+)'", output)


def copy_project(root: Path, *more: str) -> None:
    """Copies the code, the params and what git keeps of results, and more files or folders by name."""
    for name in (*CODE, *KEPT, *more):
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)


def make_study(root: Path) -> None:
    """Makes a repository of git and DVC at the real scale with few variants, in which nothing has run."""
    copy_project(root)
    scale.main("cityscapes", root)
    shorten_params(root)
    git(root, "init", "--quiet")
    dvc(root, "init", "--quiet")
    fake_stages(root)
    lock = read_yaml(ROOT / "dvc.lock")  # of the other stages it would make every step of DVC slower
    YAML().dump(lock | {"stages": {"pretrain": lock["stages"]["pretrain"]}}, root / "dvc.lock")
    commit(root, "A study")
    add_images(root)


def shorten_params(root: Path) -> None:
    """Leaves two variants, one candidate and one search."""
    params = read_yaml(root / "params.yaml")
    for section, names in (("variants", ["base", "flip"]), ("candidates", ["reference"]), ("search", ["sgd"])):
        params[section] = {name: params[section][name] for name in names}
    YAML().dump(params, root / "params.yaml")


def fake_stages(root: Path) -> None:
    """Replaces the scripts of the stages by one that writes their outputs without any work."""
    (root / "stages").mkdir()
    script = SCRIPT % {"training": TRAINING, "licensed": LICENSED.decode()}
    for path in (ROOT / "stages").glob("*.py"):
        (root / "stages" / path.name).write_text(script)
    outputs = json.loads(run(root, sys.executable, "-c", LIST_OUTPUTS))
    (root / "outputs.json").write_text(json.dumps(outputs, indent=1))


def add_images(root: Path) -> None:
    """Puts images, annotations and released weights where git ignores them."""
    params = read_yaml(root / "params.yaml")
    for folder, ending in (("leftImg8bit", "leftImg8bit.png"), ("gtFine", "gtFine_polygons.json")):
        for part, city in (("train", "aachen"), ("val", "munster")):
            path = root / params["data"]["root"] / folder / part / city / f"{city}_000000_000019_{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(LICENSED + path.name.encode())
    for weights in params["weights"].values():
        (root / weights["path"]).parent.mkdir(exist_ok=True)
        (root / weights["path"]).write_text(f"released {weights['path']}")


def clone(origin: Path, root: Path) -> Path:
    """Returns a clone of a repository, with the images."""
    git(origin, "clone", "--quiet", str(origin), str(root))
    add_images(root)
    return root


def read_shared(root: Path) -> dict[str, bytes]:
    """Returns the models, predictions and searches of a repository by their paths."""
    names = ("models/*.h5", "models/start/*.h5", "predictions/**/*.json", "tuning/*/**/*.csv")
    paths = {path for name in names for path in root.glob(name)} - {root / "models/pretrained.h5"}  # git keeps it
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}
