"""The Makefile installs the chosen backend, and sets the param that the stages follow."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from maskrcnn.project.params import read_yaml
from maskrcnn.project.runtime import LOCKS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that the Makefile needs, without an environment."""
    for name in ("Makefile", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs make as from a shell, also where the tests were started by make."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *words], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(("backend", "device"), LOCKS)
@pytest.mark.parametrize("target", ["demo", "cityscapes", "pretrain", "doctor", "install"])
def test_the_chosen_backend_is_installed(clone: Path, target: str, backend: str, device: str) -> None:
    commands = make(clone, "--dry-run", target, f"BACKEND={backend}", f"DEVICE={device}").stdout
    assert f"uv pip sync --python .venv/bin/python --quiet --require-hashes {LOCKS[backend, device]}\n" in commands


@pytest.mark.parametrize("target", ["install", "test", "slow", "lint"])
def test_nothing_is_installed_into_an_active_environment(clone: Path, target: str) -> None:
    commands = make(clone, "--dry-run", target).stdout
    installs = [line for line in commands.splitlines() if re.search(r"uv pip (sync|install)", line)]
    assert len(installs) >= 2
    assert all("--python .venv/bin/python" in line for line in installs)


@pytest.mark.parametrize(("device", "backend"), [("cpu", "tensorflow"), ("gpu", "jax")])
def test_the_device_chooses_the_backend_otherwise(clone: Path, device: str, backend: str) -> None:
    assert f" {LOCKS[backend, device]}\n" in make(clone, "--dry-run", "demo", f"DEVICE={device}").stdout


@pytest.mark.parametrize("words", [["BACKEND=torch"], ["DEVICE=tpu"]])
def test_another_choice_is_refused(clone: Path, words: list[str]) -> None:
    assert "BACKEND must be tensorflow or jax, DEVICE cpu or gpu; got" in make(clone, "demo", *words).stderr


def test_without_a_gpu_params_choose_the_backend(clone: Path) -> None:
    make(clone, "backend", "BACKEND=jax", "DEVICE=cpu")
    assert f" {LOCKS['jax', 'cpu']}\n" in make(clone, "--dry-run", "demo", "DEVICE=cpu").stdout


def test_the_doctor_changes_nothing(clone: Path) -> None:
    assert "sed -i" not in make(clone, "--dry-run", "doctor", "BACKEND=jax", "DEVICE=cpu").stdout


@pytest.mark.parametrize("target", ["demo", "cityscapes", "pretrain"])
def test_what_runs_follows_the_choice(clone: Path, target: str) -> None:
    commands = make(clone, "--dry-run", target, "BACKEND=jax", "DEVICE=cpu").stdout
    first = re.search(r"dvc repro|stages/pretrain\.py", commands)
    assert first is not None
    assert "s/^backend: [a-z]*/backend: jax/" in commands[: first.start()]


def test_the_param_is_set_and_set_back(clone: Path) -> None:
    path = clone / "params.yaml"
    before, text = read_yaml(path), path.read_text()
    assert "params.yaml has backend: jax now." in make(clone, "backend", "BACKEND=jax", "DEVICE=cpu").stdout
    assert read_yaml(path) == before | {"backend": "jax"}
    assert make(clone, "backend", "BACKEND=jax", "DEVICE=cpu").stdout == ""
    make(clone, "backend", "BACKEND=tensorflow", "DEVICE=cpu")
    assert path.read_text() == text
    assert sorted(item.name for item in clone.iterdir()) == ["Makefile", "params.yaml", "requirements"]


def test_a_choice_forgets_what_another_one_installed(clone: Path) -> None:
    (clone / ".venv").mkdir()
    stamp = clone / ".venv/.installed-tensorflow-cpu"
    stamp.touch()
    assert " sync " not in make(clone, "--dry-run", "install", "BACKEND=tensorflow", "DEVICE=cpu").stdout
    commands = make(clone, "--dry-run", "install", "BACKEND=jax", "DEVICE=cpu").stdout
    assert commands.index("rm -f .venv/.installed-*") < commands.index(" sync ")
