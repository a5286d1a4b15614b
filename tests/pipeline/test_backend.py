"""The backend is a param: a stage runs on it whatever the environment says, and a change of it runs what it must."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.closure import find_closure, find_script, read_stages
from tests.pipeline.test_params import declared

ROOT = Path(__file__).parents[2]
STAGES = read_stages(ROOT / "dvc.yaml")
TRAININGS = {"pretrain", "babysit", "coarse", "hyperband", "train"}
RUNTIME: dict[str, set[str]] = {
    "backend": TRAININGS | {"predict", "weights"},
    "precision": TRAININGS | {"predict"},
    "deterministic": TRAININGS | {"predict", "weights"},
    "devices": TRAININGS | {"predict"},
    "feeder": set(),
}
READERS = {"card"}  # reads what a file of weights says of itself, see test_no_backend_is_imported of its tests
PREPARE = "from maskrcnn.project.runtime import prepare_runtime"
BACKENDS = {"keras", "keras_tuner", "tensorflow", "jax"}
# Runs a stage as a script until it misses a file, then prints what Keras took its settings from.
REPORT = """
import runpy, sys
script = sys.argv.pop(1)
try:
    runpy.run_path(script, run_name="__main__")
except SystemExit as end:
    import keras
    print(keras.config.backend(), keras.config.floatx(), keras.config.image_data_format(), end)
"""
# Makes an empty file of every dependency and output, and records all stages as done.
RECORD = """
from pathlib import Path
from dvc.repo import Repo
repo = Repo.init(no_scm=True)
paths = {Path(str(file)) for stage in repo.index.stages for file in (*stage.outs, *stage.deps)}
for path in sorted(paths, key=lambda path: -len(path.parts)):  # files before the folders that hold them
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
repo.commit(force=True)
"""


def imports_backend(path: Path) -> bool:
    """Returns whether a file imports Keras or a backend."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.partition(".")[0] in BACKENDS for name in names):
            return True
    return False


@pytest.mark.parametrize("key", RUNTIME)
def test_exactly_the_stages_that_a_key_changes_declare_it(key: str) -> None:
    assert {name for name, stage in STAGES.items() if key in declared(stage)} == RUNTIME[key]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_prepares_its_backend_before_it_imports_it(name: str) -> None:
    script = find_script(STAGES[name])
    needs_backend = name not in READERS and any(imports_backend(ROOT / path) for path in find_closure(script, ROOT))
    statements = [ast.unparse(statement) for statement in ast.parse((ROOT / script).read_text()).body]
    prepares = "if __name__ == '__main__':\n    prepare_runtime()"
    assert (prepares in statements) == needs_backend == ("backend" in declared(STAGES[name]))
    if needs_backend:
        before = [line for line in statements[: statements.index(prepares)] if "import" in line]
        assert before == ["import sys", "from pathlib import Path", PREPARE]


@pytest.mark.parametrize(("backend", "other"), [("tensorflow", "jax"), ("jax", "tensorflow")])
def test_params_come_before_the_environment(tmp_path: Path, backend: str, other: str) -> None:
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(re.sub(r"(?m)^backend: \w+", f"backend: {backend}", text))
    settings = {"backend": other, "floatx": "float64", "image_data_format": "channels_first", "epsilon": 0.5}
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras/keras.json").write_text(json.dumps(settings))
    environment = os.environ | {"HOME": str(tmp_path), "KERAS_BACKEND": other}
    command = [sys.executable, "-c", REPORT, str(ROOT / "stages/predict.py"), "base"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.startswith(f"{backend} float32 channels_last `data/processed/test.npz` must exist"), done.stderr


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which every stage is recorded as done, with files that hold nothing."""
    root = tmp_path_factory.mktemp("recorded")
    for name in ("params.yaml", "dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, root)
    run(root, "-c", RECORD)
    return root


@pytest.mark.parametrize(("key", "value"), [("backend", "jax"), ("precision", "mixed_bfloat16"), ("workers", "3")])
def test_a_change_runs_what_it_must(recorded: Path, key: str, value: str) -> None:
    text = (ROOT / "params.yaml").read_text()
    (recorded / "params.yaml").write_text(
        re.sub(rf"^( *){key}:( \w*)?", rf"\1{key}: {value}", text, flags=re.MULTILINE)
    )
    status: dict[str, list[dict[str, Any]]] = json.loads(run(recorded, "-m", "dvc", "status", "--json"))
    changed = {name.partition("@")[0]: changes for name, changes in status.items()}
    assert set(changed) == RUNTIME.get(key, set()) - {"pretrain"} | {"check"}  # which is frozen
    for name in set(changed) - {"check"}:
        assert changed[name] == [{"changed deps": {"params.yaml": {key: "modified"}}}]


def run(root: Path, *arguments: str) -> str:
    """Returns what Python prints in a repository."""
    done = subprocess.run([sys.executable, *arguments], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
