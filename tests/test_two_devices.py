"""Two devices learn and find what one does with the same batches; a killed training on two devices resumes exactly.

Processes of their own make two devices of the CPU.
"""

import csv
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from maskrcnn.learning.loss_model import COUNTED, DECAY_NAME, LOSS_NAMES
from maskrcnn.learning.optimizers import CLIP_NORM
from tests.learning.scenes import write_split

ROOT = Path(__file__).parents[1]
FILES = ("plots/history/small.csv", "models/small.h5", "metrics/train/small.json")
Results = dict[str, np.ndarray]

# Sums over a batch are added in another order, and a float32 sum is off by 6e-8 for each of its additions at most.
LOSS_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 5e-5  # of a largest entry; a gradient, or a live statistic, has passed through hundreds of sums


def start(task: str, *arguments: str | Path, devices: int = 2, **variables: str) -> subprocess.Popen[bytes]:
    """Starts a task of two_devices.py."""
    environment = os.environ | {
        "DEVICES": str(devices),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.two_devices", task, *map(str, arguments)]
    return subprocess.Popen(command, env=environment | variables, cwd=ROOT)


def run(task: str, *arguments: str | Path, devices: int = 2) -> int:
    """Runs a task of two_devices.py; returns its exit status."""
    return start(task, *arguments, devices=devices).wait()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("0", id="frozen_batch_norm"),
        pytest.param("1", id="live_batch_norm", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Results]:
    """What a step leaves on one device and on two."""
    folder = tmp_path_factory.mktemp("steps")
    assert run("compare", folder, request.param) == 0
    one, two = (dict(np.load(folder / f"{devices}.npz")) for devices in (1, 2))
    assert one.keys() == two.keys()
    return one, two


def part(results: Results, name: str) -> Results:
    return {key: values for key, values in results.items() if key.startswith(f"{name}/")}


def test_each_device_has_its_part_of_the_images(pair: tuple[Results, Results]) -> None:
    one, two = pair
    assert one["seen/images"].tolist() == [0]
    assert two["seen/images"].tolist() == [0, 2]


def test_losses_are_those_of_one_device(pair: tuple[Results, Results]) -> None:
    one, two = (part(results, "figures") for results in pair)
    names = {"loss", *LOSS_NAMES, DECAY_NAME, *COUNTED}
    assert one.keys() == {f"figures/{prefix}{name}" for prefix in ("", "val_") for name in names}
    for name, figures in one.items():
        assert figures > 0, name
        np.testing.assert_allclose(two[name], figures, rtol=LOSS_TOLERANCE, err_msg=name)


def test_the_gradient_is_clipped_as_a_whole(pair: tuple[Results, Results]) -> None:
    for results in pair:
        squares = sum(np.sum(np.square(slot, dtype=np.float64)) for slot in part(results, "slots").values())
        np.testing.assert_allclose(np.sqrt(squares), CLIP_NORM, rtol=1e-5)


def test_gradients_and_statistics_are_those_of_one_device(pair: tuple[Results, Results]) -> None:
    one, two = pair
    largest = max(np.abs(values).max() for values in part(one, "slots").values())
    for name, values in (part(one, "slots") | part(one, "variables")).items():
        # Biases in front of a live batch norm have no gradient but rounding errors.
        tolerance = GRADIENT_TOLERANCE * max(np.abs(values).max(), 1e-2 * largest)
        np.testing.assert_allclose(two[name], values, rtol=0, atol=tolerance, err_msg=name)


def test_two_devices_find_what_one_does(tmp_path: Path) -> None:
    assert run("find", tmp_path) == 0
    one, two = (np.load(tmp_path / f"{devices}.npz") for devices in (1, 2))
    assert len(one["class_ids"]) > 5  # in four images of a batch, and in the first once more alone
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=LOSS_TOLERANCE, err_msg=name)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX computes with whole batches")
def test_a_process_can_share_batches_again() -> None:
    assert run("average") == 0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inputs = tmp_path_factory.mktemp("inputs")
    (inputs / "data/processed").mkdir(parents=True)
    write_split(inputs / "data/processed")
    return inputs


@pytest.fixture(scope="module")
def uninterrupted(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("uninterrupted")
    assert run("learn", inputs, root) == 0
    return root


def read_history(root: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((root / "plots/history/small.csv").read_text().splitlines()))


@pytest.fixture
def killed(inputs: Path, tmp_path: Path) -> Path:
    """A training on two devices that was killed in its second epoch."""
    assert run("learn", inputs, tmp_path, "kill") == -signal.SIGKILL
    assert len(read_history(tmp_path)) == 1
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_training_on_two_devices_resumes_exactly(inputs: Path, uninterrupted: Path, killed: Path) -> None:
    assert run("learn", inputs, killed) == 0
    for name in FILES:
        assert (killed / name).read_bytes() == (uninterrupted / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_checkpoint_of_two_devices_resumes_on_one(inputs: Path, uninterrupted: Path, killed: Path) -> None:
    assert run("learn", inputs, killed, devices=1) == 0
    rows, expected = read_history(killed), read_history(uninterrupted)
    assert rows[0] == expected[0]  # not trained again
    assert len(rows) == len(expected) == 3
    for row, other in zip(rows, expected, strict=True):
        np.testing.assert_allclose([float(v) for v in row.values()], [float(v) for v in other.values()], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="several processes share a training with JAX alone")
def test_two_processes_share_a_training(inputs: Path, uninterrupted: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    cluster = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": address, "KERAS_DISTRIBUTION_NUM_PROCESSES": "2"}
    processes = [
        start("learn", inputs, tmp_path, devices=1, **cluster, KERAS_DISTRIBUTION_PROCESS_ID=str(number))
        for number in range(2)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert list((tmp_path / "checkpoints/train").rglob("done"))
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (uninterrupted / name).read_bytes(), name
