"""The state of a training in a file; reading it needs no Keras."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from maskrcnn.project.files import whole_file

PROGRESS = "progress"  # the entry of a state file that is not an array but JSON


def save_state(path: Path, state: Mapping[str, ndarray], progress: Mapping[str, Any]) -> None:
    """Writes a state and the progress of its training, whole or not at all.

    Args:
        path: The `.npz` file; missing folders are made.
        state: As `Trainer.read_state` returns it.
        progress: Anything that `json` writes.
    """
    with whole_file(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, allow_pickle=False, **{PROGRESS: np.array(json.dumps(progress))}, **state)


def load_state(path: Path) -> tuple[dict[str, ndarray], dict[str, Any]] | None:
    """Returns the state and progress of a file that `save_state` wrote, or None if there is no such file."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as file:
        state = dict(file)
    return state, json.loads(str(state.pop(PROGRESS)))


def load_progress(path: Path) -> dict[str, Any] | None:
    """Returns the progress alone, without reading the state; None if there is no such file."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as file:
        return json.loads(str(file[PROGRESS]))
