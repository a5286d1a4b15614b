"""Checkpoints: what is kept of a training that is stopped, so that it can be resumed.

DVC deletes a stage's outputs before it runs. Checkpoints therefore lie outside of them, in
`checkpoints/<stage>/<fingerprint>/` of the repository that the command was started in.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maskrcnn.network.devices import process_number, wait_for_processes
from maskrcnn.project.errors import InputError

PACKAGE = Path(__file__).parents[1]
DIGITS = 16


def fingerprint(settings: Any, files: Iterable[Path]) -> str:
    """Returns a short digest of settings, input files and the code of this package.

    Args:
        settings: Anything that `json` writes; dataclasses are written as dictionaries.
        files: The input files.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=vars).encode())
    for path in (*files, *sorted(PACKAGE.rglob("*.py"))):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:DIGITS]


def checkpoints_folder(root: Path, stage: str, name: str) -> Path:
    """Returns the folder of a stage's checkpoints.

    Args:
        root: Folder of the repository; DVC's variable DVC_ROOT, which names the original one in a
            temporary workspace, comes first.
        stage: Name of the stage.
        name: Its fingerprint.
    """
    return Path(os.environ.get("DVC_ROOT", root)) / "checkpoints" / stage / name


@contextmanager
def open_checkpoints(root: Path, stage: str, name: str) -> Iterator[Path]:
    """Locks the folder of a stage's checkpoints for this process, and removes it once the stage is done.

    After an exception or a kill the folder stays, and the next process with the same fingerprint finds it. Of several
    processes that share a training, the first locks and removes the folder for all.

    Args:
        root, stage, name: See `checkpoints_folder`.
    Raises:
        InputError: if another process holds the folder; names its pid.
    """
    folder = checkpoints_folder(root, stage, name)
    if process_number() > 0:
        yield folder
        wait_for_processes()
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{name}.lock"), "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise InputError(
                f"`{folder}` must be free; the running process {lock.read().strip()} writes there, wait or stop it."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        folder.mkdir(exist_ok=True)
        yield folder
        wait_for_processes()
        shutil.rmtree(folder)
        Path(lock.name).unlink()
