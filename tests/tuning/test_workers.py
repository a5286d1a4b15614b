"""One search on several processes: a chief that decides and two workers that train."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from maskrcnn.project.params import read_yaml
from maskrcnn.tuning.trials import read_search

ROOT = Path(__file__).parents[2]
NAMES = ("chief", "worker1", "worker2")


def find_port() -> int:
    """Returns a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_workers_share_the_trials_of_one_search(tmp_path: Path) -> None:
    params = read_yaml(ROOT / "params.yaml")
    params["search"]["sgd"]["learning_rate"] = [1e-5, 1e-3]
    YAML().dump(params, tmp_path / "params.yaml")
    for name in (
        "data/processed/reduced_training.npz",
        "data/processed/reduced_validation.npz",
        "models/pretrained.h5",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    shared = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(find_port())}
    command = [sys.executable, "-m", "tests.tuning.worker", str(tmp_path)]
    processes = {
        name: subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **shared, "KERASTUNER_TUNER_ID": name},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in NAMES
    }
    said = {name: process.communicate(timeout=240)[0] for name, process in processes.items()}
    assert all(process.returncode == 0 for process in processes.values())
    learned = {name: int(re.search(r"learned (\d+) epochs", text)[1]) for name, text in said.items()}
    search = read_search(tmp_path, "sgd")
    assert len(search.trials) == 15
    assert learned["chief"] == 0
    assert learned["worker1"] > 0 and learned["worker2"] > 0
    assert learned["worker1"] + learned["worker2"] == 30  # no epoch twice, whoever began a run
    assert list((tmp_path / "checkpoints").rglob("done"))  # kept until the next stage begins
