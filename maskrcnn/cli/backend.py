"""The backend and the device of a command, chosen before Keras is imported."""

import os
from importlib.util import find_spec
from pathlib import Path

from maskrcnn.project.config import Runtime
from maskrcnn.project.errors import InputError
from maskrcnn.project.runtime import (
    advise_installation,
    check_installed,
    choose_defaults,
    choose_settings,
    import_quietly,
)

BACKENDS = ("tensorflow", "jax")
AUTO, CPU, GPU = "auto", "cpu", "gpu"
CACHE = Path.home() / ".cache/maskrcnn"  # what JAX compiled; and Keras finds no settings of other projects there


def prepare_backend(backend: str | None, device: str) -> None:
    """Sets the environment that Keras reads once, when it is imported, and imports the backend without its start lines.

    Args:
        backend: `tensorflow` or `jax`; by default that of `KERAS_BACKEND`, or the first one that is installed.
        device: `auto` for a GPU if there is one, `cpu`, `gpu`, or `gpu:1` for the second one.
    Raises:
        InputError: if the backend is not known or not installed.
    """
    chosen = backend or os.environ.get("KERAS_BACKEND") or next(filter(find_spec, BACKENDS), BACKENDS[0])
    if chosen not in BACKENDS:
        raise InputError(f"`KERAS_BACKEND` must be one of {', '.join(BACKENDS)}; got {chosen}.")
    check_installed(chosen)
    # Detection computes the same with and without deterministic kernels, up to rounding.
    os.environ.update(choose_settings(Runtime(backend=chosen, deterministic=False), CACHE))
    for name, value in choose_defaults(CACHE).items():
        os.environ.setdefault(name, value)
    kind, _, number = device.partition(":")
    if kind == CPU:
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    elif number:
        os.environ["CUDA_VISIBLE_DEVICES"] = number
    import_quietly(chosen)


def check_device(device: str) -> None:
    """Refuses a GPU that the backend does not see, and a backend that sees no device at all; imports Keras.

    Raises:
        InputError: for a GPU with the command that installs support for it.
    """
    import keras

    from maskrcnn.network.devices import list_devices

    if not list_devices(GPU if device.startswith(GPU) else None):
        backend = keras.backend.backend()
        raise InputError(
            f"`--device` must be one that {backend} sees; got {device}. {advise_installation(backend, GPU)}."
        )
