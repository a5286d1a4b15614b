"""Each stage of dvc.yaml depends on its script and exactly the modules that it imports."""

from pathlib import Path

import pytest

from tests.pipeline.closure import compare, find_closure, find_code_deps, find_script, read_stages

ROOT = Path(__file__).parents[2]

FILES = {
    "maskrcnn/__init__.py": "",
    "maskrcnn/notation.py": "",
    "maskrcnn/config.py": "import numpy as np",
    "maskrcnn/data/__init__.py": "from maskrcnn import notation",
    "maskrcnn/data/records.py": "def read():\n    import maskrcnn.data.masks",
    "maskrcnn/data/masks.py": "",
    "maskrcnn/data/batches.py": "import keras",
    "stages/train.py": "from maskrcnn.config import read\nfrom maskrcnn.data import records",
    "dvc.yaml": """
stages:
  train:
    foreach: ${variants}
    do:
      cmd: python stages/train.py ${key}
      deps:
      - stages/train.py
      - ${item.start}
      - maskrcnn/__init__.py
      - maskrcnn/config.py
      - maskrcnn/data/__init__.py
      - maskrcnn/data/batches.py
      - maskrcnn/data/records.py
      - maskrcnn/notation.py
  coarse:
    matrix:
      optimizer: ${coarse.optimizers}
    cmd: python stages/train.py ${item.optimizer}
    deps:
    - data/processed
    - maskrcnn
    - stages/train.py
""",
}
CLOSURE = {path for path in FILES if path.endswith(".py")} - {"maskrcnn/data/batches.py"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository with a wrong dvc.yaml."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_deps_are_the_import_closure() -> None:
    if faults := compare(read_stages(ROOT / "dvc.yaml"), ROOT):
        pytest.fail("\n".join(["dvc.yaml must list the imports of its stages;", *faults]), pytrace=False)


def test_closure_follows_packages_functions_and_attributes(tree: Path) -> None:
    assert find_closure("stages/train.py", tree) == CLOSURE


def test_missing_and_superfluous_deps_are_told(tree: Path) -> None:
    assert compare(read_stages(tree / "dvc.yaml"), tree) == [
        "add to the deps of train:\n      - maskrcnn/data/masks.py",
        "remove from the deps of train:\n      - maskrcnn/data/batches.py",
        "remove from the deps of coarse:\n      - maskrcnn/data/batches.py",
    ]


def test_exact_deps_are_accepted(tree: Path) -> None:
    stage = {"cmd": "python stages/train.py", "deps": sorted(CLOSURE)}
    assert compare({"train": stage}, tree) == []


def test_folder_stands_for_its_files(tree: Path) -> None:
    expected = {path for path in FILES if path.startswith("maskrcnn/data/")}
    assert find_code_deps({"deps": ["maskrcnn/data", "data/raw"]}, tree) == expected


@pytest.mark.parametrize("command", ["echo hello", "python stages/a.py && python stages/b.py"])
def test_stage_runs_one_script(command: str) -> None:
    with pytest.raises(ValueError, match="must run one script of stages/"):
        find_script({"cmd": command})
