"""Checkpoints: what is kept of a training that is stopped, so that it can be resumed.

DVC deletes a stage's outputs before it runs. Checkpoints therefore lie outside of them, in
`checkpoints/<stage>/<fingerprint>/` of the repository that the command was started in.

A stage that is done marks its folder and leaves it: a process can still be killed before DVC has noted the outputs, and
then runs the stage again. The next stage that has checkpoints removes the folders that are marked.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from maskrcnn.network.devices import process_number, wait_for_processes
from maskrcnn.project.errors import InputError

PACKAGE = Path(__file__).parents[1]
DIGITS = 16
DONE = "done"  # the file that marks the folder of a stage that is done


def fingerprint(settings: Any, files: Iterable[Path]) -> str:
    """Returns a short digest of settings, input files and the code of this package.

    Args:
        settings: Anything that `json` writes; dataclasses are written as dictionaries.
        files: The input files.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=vars, allow_nan=False).encode())
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
    """Locks the folder of a stage's checkpoints for this process, and marks it once the stage is done.

    The next process with the same fingerprint finds the folder, whether the stage was done or not. Folders of other
    stages and fingerprints that are done are removed. Of several processes that share a training, the first locks
    and marks the folder for all.

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
    with _lock(folder):
        folder.mkdir(exist_ok=True)
        (folder / DONE).unlink(missing_ok=True)
        _remove_done(Path(os.environ.get("DVC_ROOT", root)) / "checkpoints")
        yield folder
        wait_for_processes()
        (folder / DONE).touch()


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Locks a folder for this process; the lock file beside it is removed at the end, but for a kill.

    Raises:
        InputError: if another process holds the folder; names its pid.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f"{folder.name}.lock")
    while True:
        with open(path, "a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise InputError(
                    f"`{folder}` must be free; the running process {lock.read().strip()} writes there, wait or stop it."
                ) from None
            if not _is_at(path, lock):
                continue  # its holder removed it after it was opened here; another process may hold a new one
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_at(path: Path, file: TextIO) -> bool:
    """Returns whether an open file is still the one that a path names."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _remove_done(checkpoints: Path) -> None:
    """Removes the folders of all stages that are done, and the locks and empty folders that kills left."""
    for mark in [path for path in checkpoints.rglob(DONE) if path.is_file()]:
        with suppress(InputError), _lock(mark.parent):  # a folder that another process holds is in use again
            if mark.is_file():
                for path in mark.parent.iterdir():
                    if path != mark:  # what a kill leaves of the folder is still marked
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
                shutil.rmtree(mark.parent)
    for lock in [*checkpoints.rglob("*.lock")]:
        folder = lock.with_suffix("")
        with suppress(InputError), _lock(folder), suppress(OSError):  # it is absent, or not empty
            folder.rmdir()
