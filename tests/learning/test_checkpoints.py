"""Checkpoints: their fingerprint, who holds them, and how long they last."""

import fcntl
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

import maskrcnn
from maskrcnn.learning import checkpoints
from maskrcnn.learning.checkpoints import fingerprint, open_checkpoints

pytestmark = pytest.mark.one_backend


@dataclass
class Settings:
    rate: float


def test_a_fingerprint_follows_settings_and_files(tmp_path: Path) -> None:
    path = tmp_path / "records.npz"
    path.write_bytes(b"one")
    first = fingerprint([Settings(0.1)], [path])
    assert fingerprint([Settings(0.1)], [path]) == first
    assert fingerprint([Settings(0.2)], [path]) != first
    path.write_bytes(b"two")
    assert fingerprint([Settings(0.1)], [path]) != first


def test_a_fingerprint_follows_the_code_of_the_whole_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(maskrcnn.__file__).parent == checkpoints.PACKAGE
    for name in ("__init__.py", "network/ops/nms.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(checkpoints, "PACKAGE", tmp_path)
    first = fingerprint([], [])
    assert fingerprint([], []) == first
    (tmp_path / "network/ops/nms.py").write_text("two")
    second = fingerprint([], [])
    (tmp_path / "network/ops/new.py").write_text("three")
    assert len({first, second, fingerprint([], [])}) == 3


def test_a_folder_stays_until_another_is_opened_after_success(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_checkpoints(tmp_path, "train", "ab") as folder:
        (folder / "half").touch()
        raise KeyboardInterrupt
    assert (tmp_path / "checkpoints/train/ab/half").is_file()
    with open_checkpoints(tmp_path, "train", "cd"):  # the first is not done
        assert (tmp_path / "checkpoints/train/ab/half").is_file()
    with open_checkpoints(tmp_path, "train", "ab") as folder:
        assert (folder / "half").is_file()
        assert names(tmp_path) == ["ab", "ab.lock", "half"]
    assert names(tmp_path) == ["ab", "done", "half"]
    with open_checkpoints(tmp_path, "train", "ab"):  # DVC did not note that the stage was done
        assert names(tmp_path) == ["ab", "ab.lock", "half"]
    with pytest.raises(KeyboardInterrupt), open_checkpoints(tmp_path, "hyperband/sgd", "ef"):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def names(root: Path) -> list[str]:
    """Returns the names of all that the stage `train` keeps."""
    return sorted(path.name for path in (root / "checkpoints/train").rglob("*"))


def test_what_a_process_holds_is_not_removed(tmp_path: Path) -> None:
    with open_checkpoints(tmp_path, "train", "ab") as folder:
        (folder / "done").touch()
        with open_checkpoints(tmp_path, "train", "cd"):
            assert folder.is_dir()


@pytest.mark.parametrize("call", range(1, 5))
def test_a_kill_while_a_folder_is_removed_leaves_nothing_for_ever(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_checkpoints(tmp_path, "train", "ab") as folder:
        for name in ("last.npz", "last.before.npz", "best.h5"):
            (folder / name).touch()
    unlink, calls = Path.unlink, []

    def stop(path: Path, missing_ok: bool = False) -> None:
        if path.parent == folder:
            calls.append(path)
            if len(calls) == call:
                raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", stop)
    with suppress(KeyboardInterrupt), open_checkpoints(tmp_path, "train", "cd"):
        assert call == 4  # there are three files to remove, beside the mark
    monkeypatch.undo()
    with open_checkpoints(tmp_path, "train", "cd"):
        assert names(tmp_path) == ["cd", "cd.lock"]


def test_locks_and_empty_folders_that_kills_left_go(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints/train"
    for name in ("empty", "unfinished"):
        (folder / name).mkdir(parents=True)
    (folder / "unfinished/last.npz").touch()
    for name, pid in (("absent", "999999999"), ("without_pid", ""), ("empty", ""), ("unfinished", "")):
        (folder / f"{name}.lock").write_text(pid)
    with (folder / "starting.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with open_checkpoints(tmp_path, "babysit", "ab"):
            assert names(tmp_path) == ["last.npz", "starting.lock", "unfinished"]


def test_a_lock_that_its_holder_removed_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, opened = fcntl.flock, []

    def remove_and_lock(file: TextIO, kind: int) -> None:
        opened.append(file)
        if len(opened) == 1:
            Path(file.name).unlink()  # by its holder, between opening and locking it here
        lock(file, kind)

    monkeypatch.setattr(fcntl, "flock", remove_and_lock)
    with open_checkpoints(tmp_path, "train", "ab"):
        assert (tmp_path / "checkpoints/train/ab.lock").read_text() == str(os.getpid())
        assert len(opened) > 1
    assert not (tmp_path / "checkpoints/train/ab.lock").exists()


def test_a_second_writer_is_refused_by_pid(tmp_path: Path) -> None:
    second = "import sys, pathlib; from maskrcnn.learning.checkpoints import open_checkpoints as o\n"
    second += "with o(pathlib.Path(sys.argv[1]), 'train', 'ab'): pass"
    with open_checkpoints(tmp_path, "train", "ab"):
        process = subprocess.run([sys.executable, "-c", second, str(tmp_path)], capture_output=True, text=True)
    assert process.returncode != 0
    assert f"must be free; the running process {os.getpid()} writes there" in process.stderr


def test_the_repository_of_a_temporary_workspace_keeps_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "original"))
    with open_checkpoints(tmp_path / "workspace", "train", "ab") as folder:
        assert folder == tmp_path / "original/checkpoints/train/ab"
