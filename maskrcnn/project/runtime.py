"""Prepares a process for the backend of `params.yaml`, before Keras is imported."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from maskrcnn.project.command import exit_on_bad_input
from maskrcnn.project.config import Runtime
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_params, read_runtime

LOCKS = {
    ("tensorflow", "cpu"): "requirements/cpu.txt",
    ("tensorflow", "gpu"): "requirements/gpu.txt",
    ("jax", "cpu"): "requirements/jax.txt",
    ("jax", "gpu"): "requirements/jax-gpu.txt",
}

# What TensorFlow prints on its start, whatever TF_CPP_MIN_LOG_LEVEL says: an extended regular expression.
START_LINES = (
    "^WARNING: All log messages before absl::InitializeLog|^I[0-9]{4} |^To enable the following instructions"
    "|Unable to register cu[A-Za-z]+ factory|computation placer already registered"
)


def prepare_runtime(root: Path = Path()) -> None:
    """Sets the environment of this process as `params.yaml` says; bad input exits with its message.

    A script calls this before it imports Keras, which reads its settings once. So a stage has the same backend
    wherever it is started; the variables and files that Keras takes its settings from otherwise change nothing.

    Args:
        root: Folder of the repository.
    """
    with exit_on_bad_input():
        runtime = read_runtime(read_params(root / "params.yaml"))
        check_installed(runtime.backend)
    for name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):  # they would end a training early
        os.environ.pop(name, None)
    os.environ.update(choose_settings(runtime, root))
    for name, value in choose_defaults(root).items():
        os.environ.setdefault(name, value)
    import_quietly(runtime.backend)


def import_quietly(backend: str) -> None:
    """Imports a backend without the lines that TensorFlow prints on its start.

    Raises:
        ImportError: if the backend is not installed.
    """
    if backend != "tensorflow" or "tensorflow" in sys.modules:
        import_module(backend)
        return
    with leave_out(START_LINES):
        import_module(backend)


@contextmanager
def leave_out(pattern: str) -> Iterator[None]:
    """Leaves out the matching lines of what is written to standard error, by C code too.

    Another process filters, so that the last words of a process that is aborted appear.

    Args:
        pattern: An extended regular expression of grep.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    command = ["grep", "--line-buffered", "--invert-match", "--extended-regexp", pattern]
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stderr) as grep:
            assert grep.stdin is not None
            os.dup2(grep.stdin.fileno(), 2)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(stderr, 2)
    finally:
        os.close(stderr)


def check_installed(backend: str) -> None:
    """Refuses a backend that is not installed.

    Raises:
        InputError: with the command that installs it.
    """
    if find_spec(backend) is None:
        raise InputError(f"`backend` must be installed; got {backend}, {advise_installation(backend)}.")


def advise_installation(backend: str, device: str = "cpu") -> str:
    """Returns in words how a backend is installed; `device` is `cpu` or `gpu`."""
    make = f"make install BACKEND={backend} DEVICE={device}"
    return f"`{make}` or `pip install -r {LOCKS[backend, device]}` installs it"


def choose_settings(runtime: Runtime, root: Path) -> dict[str, str]:
    """Returns the variables that decide results, whatever the environment holds.

    `KERAS_HOME` names a folder of this repository, because `~/.keras/keras.json` may hold the settings of another
    project: the order of axes, the type of weights, the epsilon of layers.
    """
    settings = {"KERAS_BACKEND": runtime.backend, "KERAS_HOME": str(find_folder(root, ".keras_cache"))}
    if runtime.deterministic and runtime.backend == "jax":
        flags = os.environ.get("XLA_FLAGS", "")
        settings["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    if runtime.deterministic and runtime.backend == "tensorflow":
        settings["TF_DETERMINISTIC_OPS"] = "1"
    return settings


def choose_defaults(root: Path) -> dict[str, str]:
    """Returns the variables that change no result; those of the environment come first.

    JAX keeps what it has compiled in a folder of the repository: a second start of a training needs no compilation.
    """
    return {
        "JAX_COMPILATION_CACHE_DIR": str(find_folder(root, ".jax_cache")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }


def find_folder(root: Path, name: str) -> Path:
    """Returns a folder of the repository; of the original one where DVC runs an experiment in a temporary copy."""
    return Path(os.environ.get("DVC_ROOT", root)).resolve() / name
