"""Files that appear whole or not at all, on the disk and not in memory alone."""

import errno
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import h5py
import numpy as np
import pytest

from maskrcnn.project.errors import InputError
from maskrcnn.project.files import check_writable, whole_file, whole_folder, write_text


def test_a_file_appears_at_the_end_in_folders_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    with whole_file(path) as unfinished:
        unfinished.write_text("whole")
        assert not path.exists()
        assert unfinished.parent == path.parent  # a rename within one file system is atomic
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="midway"), whole_file(path) as unfinished:
        unfinished.write_text("half of the new")
        raise RuntimeError("midway")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_before_the_first_byte_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="early"), whole_file(tmp_path / "file.txt"):
        raise RuntimeError("early")
    assert list(tmp_path.iterdir()) == []


def test_text_replaces_text(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    for text in ("a long first text", "short"):
        write_text(path, text)
        assert path.read_text() == text


def watch_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Returns a list that grows by what is synced, and by the renames."""
    done, sync, replace = [], os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        done.append("sync " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    def note(source: Path, target: Path) -> None:
        done.append(f"{source.name} becomes {target.name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", note)
    return done


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = watch_disk(monkeypatch)
    with whole_file(tmp_path / "file.txt") as unfinished:
        unfinished.write_text("whole")
    assert done == [f"sync {unfinished.name}", f"{unfinished.name} becomes file.txt", f"sync {tmp_path.name}"]


def test_all_files_of_a_folder_are_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = watch_disk(monkeypatch)
    with whole_folder(tmp_path / "folder") as unfinished:
        (unfinished / "a").mkdir()
        (unfinished / "a" / "file.txt").write_text("whole")
    assert done == [
        "sync a", "sync file.txt", f"sync {unfinished.name}",
        f"{unfinished.name} becomes folder", f"sync {tmp_path.name}",
    ]  # fmt: skip


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with whole_folder(tmp_path / "folder") as unfinished:
            (unfinished / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["folder", "folder/new"]


def test_an_error_leaves_the_folder_that_was_there(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "folder") as unfinished:
        (unfinished / "old").touch()
    with pytest.raises(RuntimeError, match="midway"), whole_folder(tmp_path / "folder") as unfinished:
        (unfinished / "new").touch()
        raise RuntimeError("midway")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["folder", "folder/old"]


KILLED = """
import os, signal, sys
from pathlib import Path
from maskrcnn.project.files import whole_file, whole_folder
write = {"file": whole_file, "folder": whole_folder}[sys.argv[1]]
with write(Path(sys.argv[2])) as unfinished:
    (unfinished / "part" if unfinished.is_dir() else unfinished).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_goes_with_the_next_writer_in_the_folder(kind: str, tmp_path: Path) -> None:
    for name in ("one", "other"):
        subprocess.run([sys.executable, "-c", KILLED, kind, str(tmp_path / name)], check=False)
        assert [path.name.split(".")[1] for path in tmp_path.iterdir()] == [name]  # the second removes the first's
    with whole_file(tmp_path / "one") if kind == "file" else whole_folder(tmp_path / "one") as unfinished:
        if kind == "file":
            unfinished.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_what_a_running_process_writes_stays(tmp_path: Path) -> None:
    with whole_file(tmp_path / "file.txt") as mine:
        other = tmp_path / mine.name.replace(f".{os.getpid()}.", f".{os.getppid()}.")
        other.touch()
        foreign = tmp_path / ".file.txt.another-machine.999999999.1.unfinished"
        foreign.touch()
        mine.touch()
        write_text(tmp_path / "another.txt", "")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(write_text, tmp_path / "file.txt", "of another thread").result()
        assert mine.exists()
    assert other.exists() and foreign.exists()


def leave(folder: Path, machine: str, age: float, kind: str = "file") -> Path:
    """Makes what the pid of no process has not finished, and whose newest change is some seconds old."""
    left = folder / f".a.txt.{machine}.999999999.1.unfinished"
    inner = left / "b/c" if kind == "folder" else left
    inner.parent.mkdir(parents=True, exist_ok=True)
    inner.touch()
    for path in (left, *left.rglob("*")):
        os.utime(path, (time.time() - 1e6,) * 2)
    os.utime(inner, (time.time() - age,) * 2)
    return left


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize(("hours", "stays"), [(23, True), (25, False)])
def test_what_another_machine_has_not_changed_for_a_day_goes(
    tmp_path: Path, kind: str, hours: int, stays: bool
) -> None:
    left = leave(tmp_path, "another", hours * 3600, kind)
    write_text(tmp_path / "b.txt", "")
    assert left.exists() == stays


def test_a_machine_of_the_same_name_is_another(tmp_path: Path) -> None:
    with whole_file(tmp_path / "file.txt") as mine:
        mine.touch()
        machine = mine.name.split(".")[3]
    ours, other = leave(tmp_path, machine, age=0), leave(tmp_path, socket.gethostname(), age=0)
    write_text(tmp_path / "b.txt", "")
    assert other.exists() and not ours.exists()


def test_threads_may_write_one_file_at_the_same_time(tmp_path: Path) -> None:
    barrier = Barrier(2)

    def write(text: str) -> None:
        with whole_file(tmp_path / "file.txt") as unfinished:
            barrier.wait()
            unfinished.write_text(text)
            barrier.wait()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write, ["a" * 1000, "b" * 1000])) == [None, None]
    assert (tmp_path / "file.txt").read_text() in ("a" * 1000, "b" * 1000)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_told_with_the_file_and_its_size(tmp_path: Path) -> None:
    write_text(tmp_path / "file.txt", "old")
    # /dev/full is a file of Linux that every write to fails as on a full disk
    rule = r"file.txt` must have 2.5 MB of disk space; got .* MB. Free some and .* resumes from its last state."
    with pytest.raises(InputError, match=rule), whole_file(tmp_path / "file.txt", 2_500_000) as unfinished:
        unfinished.write_bytes(b"half")
        Path("/dev/full").write_bytes(b"no space for this")
    assert (tmp_path / "file.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_told_of_a_file_whose_size_is_not_known(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"file.npz` must have more than 3 MB of disk space"),
        whole_file(tmp_path / "file.npz") as unfinished,
    ):
        unfinished.write_bytes(bytes(3_000_000))
        with open("/dev/full", "wb", buffering=0) as full:
            np.savez(full, numbers=np.zeros(100_000))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_is_told_of_a_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"file.h5` must have"), whole_file(tmp_path / "file.h5") as unfinished:
        unfinished.symlink_to("/dev/full")
        with h5py.File(unfinished, "w") as file:
            file["numbers"] = np.zeros(100_000)


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), whole_file(tmp_path / "file.txt"):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_path_is_checked_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file.txt"
    check_writable(path)
    assert path.parent.is_dir()
    write_text(path, "old")
    check_writable(path)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/a/b\.h5` must be in a folder that can be written; got: Not a"):
        check_writable(tmp_path / "file/a/b.h5")


def test_a_folder_without_permission_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:  # root may write everywhere
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(InputError, match=r"b\.h5` must be in a folder that can be written; got: Permission denied"):
        check_writable(tmp_path / "b.h5")
