"""The last two states of a training in files; reading them needs no Keras.

The older one is used where the newest is damaged: a disk fails, or a copy ends early.
"""

import json
import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_file

PROGRESS = "progress"  # the entry of a state file that is not an array but JSON
Content = TypeVar("Content")


def save_state(path: Path, state: Mapping[str, ndarray], progress: Mapping[str, Any]) -> None:
    """Writes a state and the progress of its training, whole or not at all; the state before it is kept too.

    Args:
        path: The `.npz` file; missing folders are made. The file before it becomes `path_before(path)`.
        state: As `Trainer.read_state` returns it.
        progress: Anything that `json` writes.
    Raises:
        InputError: if the disk is full.
    """
    with whole_file(path, sum(values.nbytes for values in state.values())) as unfinished:
        with open(unfinished, "wb") as file:
            np.savez(file, allow_pickle=False, **{PROGRESS: np.array(json.dumps(progress))}, **state)
            file.flush()
            os.fsync(file.fileno())  # takes long; `path` must not be missing meanwhile
        if _is_whole(path):  # a damaged file must not replace a good one
            os.replace(path, path_before(path))


def load_state(
    path: Path, like: Mapping[str, ndarray] | None = None
) -> tuple[dict[str, ndarray], dict[str, Any]] | None:
    """Returns the newest state and its progress; where it is damaged, those before it, with a warning.

    Args:
        path: As `save_state` was given it.
        like: A state of the same trainer: names, types and shapes must be equal. None accepts any.
    Returns:
        The state and the progress; None if there is no such file.
    Raises:
        InputError: if there are files, but none is whole.
    """

    def read(candidate: Path) -> tuple[dict[str, ndarray], dict[str, Any]]:
        state = _read_entries(candidate)
        progress = _decode_progress(state.pop(PROGRESS))
        if like is not None and _layout(state) != _layout(like):
            raise InputError("its arrays are not those of this training")
        return state, progress

    return _read_newest(path, read)


def load_progress(path: Path) -> dict[str, Any] | None:
    """Returns the newest progress without reading the state; where it is damaged, that before it, with a warning.

    Args:
        path: As `save_state` was given it.
    Returns:
        The progress; None if there is no such file.
    Raises:
        InputError: if there are files, but none is whole.
    """
    return _read_newest(path, lambda candidate: _decode_progress(_read_entries(candidate, [PROGRESS])[PROGRESS]))


def path_before(path: Path) -> Path:
    """Returns the file of the state before the newest one."""
    return path.with_suffix(".before.npz")


def _read_newest(path: Path, read: Callable[[Path], Content]) -> Content | None:
    """Returns what can be read of the newest file that is not damaged; None if there is no file."""
    damages: list[str] = []
    for candidate in (path, path_before(path)):
        if not candidate.is_file():
            continue
        try:
            content = read(candidate)
        except Exception as fault:  # a damaged archive raises any of a dozen errors of zipfile, zlib and NumPy
            damages.append(f"`{candidate}` ({type(fault).__name__}: {fault})")
            continue
        if damages:
            warnings.warn(f"{damages[0]} is damaged; the training resumes from `{candidate}`.", stacklevel=3)
        return content
    if damages:
        raise InputError(
            f"The state of a training must be whole; these files are damaged: {', '.join(damages)}. "
            "Remove them and run the command again: this training starts anew."
        )
    return None


def _read_entries(path: Path, names: list[str] | None = None) -> dict[str, ndarray]:
    """Returns entries of a file, all if no names are given; the checksums are checked, nothing is unpickled."""
    # Opened here, for np.load leaves a damaged archive open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.zip.infolist()):
            raise InputError("it is compressed, which a state never is")
        entries = {name: archive[name] for name in names or archive.files}
    if not all(isinstance(values, ndarray) for values in entries.values()):
        raise InputError("it holds entries that are no arrays")
    return entries


def _decode_progress(entry: ndarray) -> dict[str, Any]:
    progress = json.loads(str(entry))
    if not isinstance(progress, dict):
        raise InputError(f"its progress must be an object; got {type(progress).__name__}")
    return progress


def _layout(state: Mapping[str, ndarray]) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """Returns the type and shape of every array."""
    return {name: (values.dtype, values.shape) for name, values in state.items()}


def _is_whole(path: Path) -> bool:
    """Returns whether there is such a file and its checksums are right."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # see `_read_newest`
        return False
