"""Killed at any change of a file, a stage that is run again leaves what an uninterrupted one leaves, byte by byte."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = ("train", "babysit", "coarse", "hyperband", "predict", "preprocess")


def kill(folder: Path, kills: int, *stages: str, **variables: str) -> None:
    """Kills stages as `tests.faults` says, and prints how often; `variables` are added to the environment."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.faults", str(folder), str(kills), *stages]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    process = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    print(process.stdout)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("all equal afterwards") == len(stages)


@pytest.mark.timeout(600)
def test_stages_that_are_killed_now_and_then_leave_the_same(tmp_path: Path) -> None:
    kill(tmp_path, 2, *STAGES)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_stages_that_are_killed_at_many_changes_leave_the_same(tmp_path: Path) -> None:
    kill(tmp_path, 7, *STAGES)  # `python -m tests.faults FOLDER 0 STAGE` tries all changes, up to 400 kills a stage


@pytest.mark.slow
def test_a_kill_leaves_no_empty_lock(tmp_path: Path) -> None:
    kill(tmp_path, 20, "babysit")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_trainings_that_are_killed_at_random_moments_leave_the_same(tmp_path: Path) -> None:
    kill(tmp_path, 3, "network")  # each takes up to a minute; `python -m tests.faults FOLDER 20 network` tries more


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_on_jax_they_leave_the_same(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    kill(tmp_path, 1, "network", "hyperband", KERAS_BACKEND="jax")
