"""A stage runs the package that lies beside it, whatever the environment has installed."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "stages").glob("*.py"))
FIRST = "sys.path.insert(0, str(Path(__file__).resolve().parents[1]))"
LIGHT = "select_best"  # imports neither TensorFlow nor OpenCV


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A second clone, in which reading params tells where the code lies."""
    for name in ("maskrcnn", "stages"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    with (tmp_path / "maskrcnn/project/params.py").open("a") as file:
        file.write("\nprint('the clone:', __file__)\n")
    return tmp_path


def run(script: Path, folder: Path, **variables: str) -> str:
    """Returns what a script prints before it asks for files that are not there."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | variables
    command = [sys.executable, str(script)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True).stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_package_beside_a_script_comes_first(script: Path) -> None:
    _, *statements = ast.parse(script.read_text()).body
    places = [ast.unparse(statement) for statement in statements]
    before = places[: places.index(FIRST)]
    assert before == ["import sys", "from pathlib import Path"]


def test_a_clone_that_shares_an_environment_runs_its_own_code(clone: Path) -> None:
    expected = f"the clone: {clone}/maskrcnn/project/params.py"
    assert expected in run(clone / f"stages/{LIGHT}.py", clone)
    assert expected in run(Path(f"stages/{LIGHT}.py"), clone, PYTHONPATH=str(ROOT))
    assert "the clone" not in run(ROOT / f"stages/{LIGHT}.py", clone)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_queued_experiment_runs_what_was_queued(clone: Path) -> None:
    """An edit after queueing is in the working tree alone."""

    def call(*command: str) -> str:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        environment["PYTHONPATH"] = str(clone)  # as an editable install of the clone does
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    (clone / ".gitignore").write_text("__pycache__/\n")
    (clone / ".dvcignore").write_text("__pycache__/\n")
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace(": 40", ": 1").replace(": 60", ": 1").replace(": 20", ": 1"))
    stage = "  city:\n    cmd: python stages/synthesize.py city\n    deps: [maskrcnn/street]\n"
    (clone / "dvc.yaml").write_text(f"stages:\n{stage}    params: [synthesize]\n    outs: [data/synthetic]\n")
    code = clone / "maskrcnn/street/synthetic.py"
    original = code.read_text()
    call("git", "init", "--quiet")
    call("dvc", "init", "--quiet")
    call("git", "add", "--all")
    call("git", "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "--message", "Begin")
    call("dvc", "exp", "run", "--queue", "--name", "queued", "--set-param", "synthesize.city.seed=5")
    code.write_text(original + "\nraise SystemExit('edited after queueing')\n")
    call("dvc", "exp", "run", "--run-all")
    assert "queued" in call("dvc", "exp", "list", "--name-only")
