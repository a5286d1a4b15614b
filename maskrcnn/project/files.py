"""Files and folders that are written whole or not at all, and that survive a loss of power."""

import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import get_ident

from maskrcnn.project.errors import InputError

SUFFIX = ".unfinished"
FULL = {errno.ENOSPC, errno.EDQUOT}
MEGABYTE = 1e6
LONGEST_PAUSE = 86_400.0  # seconds; after them, what another machine has not finished is taken for left behind


@contextmanager
def whole_file(path: Path, size: int | None = None) -> Iterator[Path]:
    """Yields a temporary path beside `path`; it replaces `path` at the end and is removed after an error.

    What processes that were killed left in the folder is removed; of other machines that share the folder, what has
    not changed for a day. Threads and processes may write one file at the same time; the last one to end wins.

    Args:
        path: The file to write; missing folders are made.
        size: The bytes that will be written, where they are known.
    Raises:
        InputError: if the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _name_unfinished(path)
    try:
        with _name_full_disk(path, unfinished, size):
            yield unfinished
            _sync(unfinished)
            os.replace(unfinished, path)
            _sync(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Refuses a path that could not be written, before long work whose result will be written there.

    Args:
        path: Of a file, or of a folder for `whole_folder`; missing folders around it are made.
    Raises:
        InputError: if its folder is no folder, or nothing may be written in it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = _name_unfinished(path)
        unfinished.touch()
        unfinished.unlink()
    except OSError as fault:
        raise InputError(f"`{path}` must be in a folder that can be written; got: {fault.strerror}.") from None


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with whole_file(path, len(text.encode())) as unfinished:
        unfinished.write_text(text)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yields an empty temporary folder; it replaces `folder` at the end and is removed after an error.

    Args:
        folder: The folder to write; the old one of this name is removed.
    Raises:
        InputError: if the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _name_unfinished(folder)
    unfinished.mkdir()
    old = unfinished.with_name(f"{unfinished.stem}.old{SUFFIX}")
    try:
        with _name_full_disk(folder, unfinished, None):
            yield unfinished
            for path in (*unfinished.rglob("*"), unfinished):
                _sync(path)
            if folder.exists():
                os.replace(folder, old)  # removing it would take longer, and a kill would leave a part of it
            os.replace(unfinished, folder)
            _sync(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _name_unfinished(path: Path) -> Path:
    """Returns a name that no other writer uses; removes what writers that are gone left in the folder."""
    left = re.compile(rf"\..+\.(?P<machine>[^.]+)\.(?P<pid>[0-9]+)\.[0-9]+(\.old)?{re.escape(SUFFIX)}")
    for name in os.listdir(path.parent):
        if found := left.fullmatch(name):
            other = path.with_name(name)
            is_left = not is_alive(int(found["pid"])) if found["machine"] == _machine() else _is_old(other)
            if is_left:
                _remove(other)
    return path.with_name(f".{path.name}.{_machine()}.{os.getpid()}.{get_ident()}{SUFFIX}")


@cache
def _machine() -> str:
    """Returns a name for where pids are those of this process: a container, or a machine since its start.

    Machines and containers that share a folder may have the same host name.
    """
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # not Linux
        return socket.gethostname().replace(".", "-")
    return f"{socket.gethostname()}-{start}-{space}".replace(".", "-")


def _is_old(path: Path) -> bool:
    """Returns whether nothing in a file or folder has changed for longer than a running process would need."""
    try:
        newest = max(part.lstat().st_mtime for part in (path, *path.rglob("*")))
    except FileNotFoundError:  # its writer has just ended
        return False
    return time.time() - newest > LONGEST_PAUSE


def is_alive(pid: int) -> bool:
    """Returns whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it belongs to another user
        return True
    return True


def _remove(path: Path) -> None:
    """Removes a file or a folder; another process may do so at the same time."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _name_full_disk(path: Path, unfinished: Path, size: int | None) -> Iterator[None]:
    """Turns the error of a full disk into one that names the file and the space that it needs."""
    try:
        yield
    except Exception as fault:
        if not _is_full(fault):
            raise
        written = unfinished.stat().st_size if unfinished.is_file() else 0
        needed = f"{size / MEGABYTE:.4g} MB" if size else f"more than {written / MEGABYTE:.4g} MB"
        # The unfinished file is removed, so that its space is free again.
        free = shutil.disk_usage(path.parent).free + written
        raise InputError(
            f"`{path}` must have {needed} of disk space; got {free / MEGABYTE:.4g} MB. Free some and run the command "
            "again: what was there before is kept, and a training resumes from its last state."
        ) from fault


def _is_full(fault: BaseException | None) -> bool:
    """Returns whether an error, or one that it followed, is that of a full disk or quota.

    HDF5 gives the number in the text alone, and closing a file that could not be written raises errors of its own.
    """
    while fault is not None:
        if getattr(fault, "errno", None) in FULL or os.strerror(errno.ENOSPC) in str(fault):
            return True
        fault = fault.__cause__ or fault.__context__
    return False
