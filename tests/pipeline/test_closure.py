"""Each stage of dvc.yaml depends on its script and exactly the rooms of the package that it imports."""

import ast
import sys
from pathlib import Path

import pytest

from tests.pipeline.closure import (
    compare,
    find_closure,
    find_code_deps,
    find_rooms,
    find_script,
    find_unneeded,
    read_stages,
)

ROOT = Path(__file__).parents[2]
STAGES = read_stages(ROOT / "dvc.yaml")

FILES = {
    "maskrcnn/__init__.py": "",
    "maskrcnn/inference.py": "import maskrcnn.project.notation",
    "maskrcnn/project/__init__.py": "",
    "maskrcnn/project/notation.py": "",
    "maskrcnn/project/config.py": "import numpy as np",
    "maskrcnn/data/__init__.py": "from maskrcnn.project import notation",
    "maskrcnn/data/records.py": "def read():\n    import maskrcnn.data.masks",
    "maskrcnn/data/masks.py": "",
    "maskrcnn/data/batches.py": "import keras",
    "stages/train.py": "from maskrcnn.inference import detect\nfrom maskrcnn.data import records",
    "dvc.yaml": """
stages:
  train:
    foreach: ${variants}
    do:
      cmd: python stages/train.py ${key}
      deps: [stages/train.py, maskrcnn/data, maskrcnn/project, '${item.start}']
  coarse:
    matrix:
      optimizer: ${coarse.optimizers}
    cmd: python stages/train.py ${item.optimizer}
    deps: [data/processed, stages/train.py, maskrcnn/data, maskrcnn/inference.py, maskrcnn/project, maskrcnn/tuning]
""",
}
CLOSURE = {path for path in FILES if path.endswith(".py")} - {"maskrcnn/data/batches.py", "maskrcnn/project/config.py"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository with a wrong dvc.yaml."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_deps_are_the_rooms_that_are_imported() -> None:
    if faults := compare(STAGES, ROOT):
        pytest.fail("\n".join(["dvc.yaml must list the rooms that its stages import;", *faults]), pytrace=False)


def test_the_pipeline_can_be_read() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 250
    assert (ROOT / "dvc.lock").stat().st_size <= 120_000


def test_a_training_runs_again_for_little_that_it_does_not_need() -> None:
    assert len(find_code_deps(STAGES["train"])) <= 8
    assert len(find_unneeded(STAGES["train"], ROOT)) <= 2


@pytest.mark.parametrize("name", ["babysit", "coarse", "hyperband", "train", "weights"])
def test_drawing_and_scoring_train_nothing_anew(name: str) -> None:
    rooms = {"maskrcnn/pictures", "maskrcnn/scoring", "maskrcnn/results", "maskrcnn/street", "maskrcnn/cli"}
    assert not find_code_deps(STAGES[name]) & rooms


def test_the_front_door_runs_no_code_of_the_package() -> None:
    tree = ast.parse((ROOT / "maskrcnn/__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    assert names <= set(sys.stdlib_module_names) | {"collections.abc"}


def test_closure_follows_packages_functions_and_attributes(tree: Path) -> None:
    assert find_closure("stages/train.py", tree) == CLOSURE
    assert find_rooms(CLOSURE) == {"stages/train.py", "maskrcnn/data", "maskrcnn/inference.py", "maskrcnn/project"}


def test_missing_and_superfluous_deps_are_named(tree: Path) -> None:
    assert compare(read_stages(tree / "dvc.yaml"), tree) == [
        "add to the deps of train: maskrcnn/inference.py",
        "remove from the deps of coarse: maskrcnn/tuning",
    ]


def test_files_that_a_stage_does_not_import_are_counted(tree: Path) -> None:
    stage = read_stages(tree / "dvc.yaml")["train"]
    assert find_unneeded(stage, tree) == {"maskrcnn/data/batches.py", "maskrcnn/project/config.py"}


@pytest.mark.parametrize("command", ["echo hello", "python stages/a.py && python stages/b.py"])
def test_stage_runs_one_script(command: str) -> None:
    with pytest.raises(ValueError, match="must run one script of stages/"):
        find_script({"cmd": command})
