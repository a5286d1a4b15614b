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
        state: Arrays by name; none is named `progress`.
        progress: Anything that `json` writes.
    Raises:
        InputError: if the disk is full.
    """
    with whole_file(path, sum(values.nbytes for values in state.values())) as unfinished:
        with open(unfinished, "wb") as file:
            np.savez(file, allow_pickle=False, **{PROGRESS: np.array(json.dumps(progress, allow_nan=False))}, **state)
            file.flush()
            os.fsync(file.fileno())  # takes long; `path` must not be missing meanwhile
        if _is_undamaged(path):  # a damaged file must not replace a good one
            os.replace(path, path_before(path))


def load_state(
    path: Path, decode: Callable[[dict[str, ndarray], dict[str, Any]], Content], progress_alone: bool = False
) -> Content | None:
    """Returns what the newest state and its progress mean; where it is damaged, those before it, with a warning.

    Args:
        path: As `save_state` was given it.
        decode: Takes the state and the progress; any error of it means that the file is damaged.
        progress_alone: Whether the state is not read, and `decode` gets an empty one.
    Returns:
        What `decode` returns; None if there is no such file.
    Raises:
        InputError: if there are files, but none is whole.
    """
    damages: list[str] = []
    for candidate in (path, path_before(path)):
        if not candidate.is_file():
            continue
        try:
            state = _read_entries(candidate, [PROGRESS] if progress_alone else None)
            progress = _decode_progress(state.pop(PROGRESS))
            content = decode(state, progress)
        except Exception as fault:  # a damaged archive raises any of a dozen errors of zipfile, zlib and NumPy
            damages.append(f"`{candidate}` ({type(fault).__name__}: {fault})")
            continue
        if damages:
            warnings.warn(f"{damages[0]} is damaged; the training resumes from `{candidate}`.", stacklevel=2)
        return content
    if damages:
        raise InputError(
            f"The state of a training must be whole; these files are damaged: {', '.join(damages)}. "
            "Remove them and run the command again: this training starts anew."
        )
    return None


def path_before(path: Path) -> Path:
    """Returns the file of the state before the newest one."""
    return path.with_suffix(".before.npz")


def check_layout(state: Mapping[str, ndarray], like: Mapping[str, ndarray]) -> None:
    """Refuses a state that is not finite, or whose arrays have other names, types or shapes than those of another.

    Raises:
        InputError: if it is so.
    """
    layouts = [{name: (values.dtype, values.shape) for name, values in arrays.items()} for arrays in (state, like)]
    if layouts[0] != layouts[1]:
        raise InputError(f"its {len(state)} arrays are not the {len(like)} of this training")
    if not is_whole(state):
        raise InputError("its arrays hold values that are not finite")


def is_whole(state: Mapping[str, ndarray]) -> bool:
    """Returns whether no value of a state is NaN or infinite."""
    return all(np.isfinite(values).all() for values in state.values())


def _read_entries(path: Path, names: list[str] | None = None) -> dict[str, ndarray]:
    """Returns entries of a file, all if no names are given; the checksums are checked, nothing is unpickled."""
    size = path.stat().st_size
    # Opened here, for np.load leaves a damaged archive open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        for entry in archive.zip.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise InputError("it is compressed, which a state never is")
            if entry.file_size > size:
                raise InputError(f"its entry {entry.filename} claims to be larger than the file")
            _check_claim(archive.zip, entry)
        entries = {name: archive[name] for name in names or archive.files}
    if not all(isinstance(values, ndarray) for values in entries.values()):
        raise InputError("it holds entries that are no arrays")
    return entries


def _check_claim(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Refuses an array that claims to be larger than its entry: NumPy would reserve the memory before it reads."""
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise InputError(f"its entry {entry.filename} has another version than states have")
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
    if entry.file_size < (size := np.prod([kind.itemsize, *shape], dtype=object)):
        raise InputError(f"its entry {entry.filename} claims to hold {size} bytes")


def _decode_progress(entry: ndarray) -> dict[str, Any]:
    progress = json.loads(str(entry))
    if not isinstance(progress, dict):
        raise InputError(f"its progress must be an object; got {type(progress).__name__}")
    return progress


def _is_undamaged(path: Path) -> bool:
    """Returns whether there is such a file and its checksums are right."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # see `load_state`
        return False
