"""The environment that a stage runs in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from maskrcnn.project import runtime
from maskrcnn.project.config import Runtime
from maskrcnn.project.runtime import (
    LOCKS,
    advise_installation,
    check_installed,
    choose_settings,
    prepare_runtime,
)

ROOT = Path(__file__).parents[2]
LAUNCHER = {"KERAS_DISTRIBUTION_PROCESS_ID": "1", "KERASTUNER_TUNER_ID": "chief"}  # of one process among several


@pytest.fixture(autouse=True)
def environment() -> Iterator[dict[str, str]]:
    """An environment that is restored after a test, as another project leaves it."""
    others = {"KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1", **LAUNCHER}
    with mock.patch.dict(os.environ, others), mock.patch.object(runtime, "import_quietly"):
        for name in ("DVC_ROOT", "XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR", "TF_CPP_MIN_LOG_LEVEL"):
            os.environ.pop(name, None)
        yield os.environ  # type: ignore[misc]


def write_params(root: Path, backend: str = "jax", deterministic: str = "true") -> None:
    text = f"backend: {backend}\nprecision: float32\ndeterministic: {deterministic}\ndevices: all\n"
    (root / "params.yaml").write_text(text)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_params_decide_the_settings_of_keras(tmp_path: Path, backend: str) -> None:
    write_params(tmp_path, backend)
    prepare_runtime(tmp_path)
    found = {name: value for name, value in os.environ.items() if name.startswith("KERAS")}
    home = str(tmp_path / ".keras_cache")
    assert found == {"KERAS_BACKEND": backend, "KERAS_HOME": home, **LAUNCHER}


def test_compiled_code_is_kept_in_the_repository(tmp_path: Path) -> None:
    write_params(tmp_path)
    prepare_runtime(tmp_path)
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / ".jax_cache")
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "0"


def test_a_temporary_copy_of_the_repository_uses_the_folders_of_the_original(tmp_path: Path) -> None:
    write_params(tmp_path)
    os.environ["DVC_ROOT"] = "/original"
    prepare_runtime(tmp_path)
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "/original/.jax_cache"


def test_what_changes_no_result_is_the_users(tmp_path: Path) -> None:
    write_params(tmp_path)
    users = {"JAX_COMPILATION_CACHE_DIR": "/tmp/cache", "TF_CPP_MIN_LOG_LEVEL": "0"}
    os.environ.update(users)
    prepare_runtime(tmp_path)
    assert users.items() <= os.environ.items()


def test_either_backend_is_deterministic_if_it_must(tmp_path: Path) -> None:
    os.environ["XLA_FLAGS"] = "--xla_gpu_deterministic_ops=false"  # of two equal flags XLA takes the last
    flags = {"XLA_FLAGS": "--xla_gpu_deterministic_ops=false --xla_gpu_deterministic_ops=true"}
    for backend, expected in (("jax", flags), ("tensorflow", {"TF_DETERMINISTIC_OPS": "1"})):
        free, fixed = (choose_settings(Runtime(backend, "float32", is_fixed), tmp_path) for is_fixed in (False, True))
        assert fixed == free | expected
        assert not expected.keys() & free.keys()


def test_bad_params_exit_with_their_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"params\.yaml` must exist; run the command in the root"):
        prepare_runtime(tmp_path)
    write_params(tmp_path, "torch")
    with pytest.raises(SystemExit, match=r"`backend` must be one of tensorflow, jax; got 'torch'"):
        prepare_runtime(tmp_path)
    write_params(tmp_path)
    monkeypatch.setattr(runtime, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match=r"`backend` must be installed; got jax, `make install BACKEND=jax"):
        prepare_runtime(tmp_path)


def test_a_missing_backend_is_told_with_its_installation() -> None:
    fault = (
        r"`backend` must be installed; got none, `make install BACKEND=none DEVICE=cpu` or `pip install -r none\.txt`"
    )
    with mock.patch.dict(LOCKS, {("none", "cpu"): "none.txt"}), pytest.raises(ValueError, match=fault):
        check_installed("none")


@pytest.mark.parametrize(("backend", "device"), LOCKS)
def test_every_lock_holds_its_backend_alone(backend: str, device: str) -> None:
    path = LOCKS[backend, device]
    packages = {line.partition("==")[0] for line in (ROOT / path).read_text().splitlines()}
    assert bool({"tensorflow", "tensorflow-cpu"} & packages) == (backend == "tensorflow")
    assert ("jax" in packages) == (backend == "jax")
    assert any(name.startswith("nvidia-cudnn") for name in packages) == (device == "gpu")
    assert path in advise_installation(backend, device)


TENSORFLOW = r"""
import os
lines = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795706053.551758   25196 port.cc:153] oneDNN custom operations are on. You may see slightly",
    "E0000 00:00:1795706053.551758 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register",
    "E0000 00:00:1795706053.551758 cuda_driver.cc:1] failed call to cuInit",
    "To enable the following instructions: AVX2 AVX512F FMA, in other operations, rebuild TensorFlow",
    "Intel's own words",
)
os.write(2, "".join(f"{line}\n" for line in lines).encode())
if os.environ.get("DIES"):
    os.abort()
"""
KEPT = "E0000 00:00:1795706053.551758 cuda_driver.cc:1] failed call to cuInit\nIntel's own words\n"


def import_made_up_tensorflow(folder: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Imports a module that prints what TensorFlow prints on its start."""
    (folder / "tensorflow.py").write_text(TENSORFLOW)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])} | variables
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)


QUIETLY = "from maskrcnn.project.runtime import import_quietly; import_quietly('tensorflow'); "


def test_start_lines_of_tensorflow_are_left_out(tmp_path: Path) -> None:
    code = f"{QUIETLY} import os; os.write(2, b'I0000 later'); print('done')"
    process = import_made_up_tensorflow(tmp_path, code)
    assert (process.stdout, process.stderr) == ("done\n", f"{KEPT}I0000 later")  # later lines are not filtered


def test_the_last_words_of_a_process_that_is_aborted_appear(tmp_path: Path) -> None:
    process = import_made_up_tensorflow(tmp_path, QUIETLY, DIES="1")
    assert process.returncode < 0
    assert process.stderr == KEPT


def test_the_backend_is_imported_after_its_settings(tmp_path: Path) -> None:
    write_params(tmp_path, "tensorflow")
    seen = []
    with mock.patch.object(runtime, "import_quietly", lambda name: seen.append((name, os.environ["KERAS_BACKEND"]))):
        prepare_runtime(tmp_path)
    assert seen == [("tensorflow", "tensorflow")]
