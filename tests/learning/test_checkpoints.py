"""Checkpoints: their fingerprint, who holds them, and how long they last."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import maskrcnn
from maskrcnn.learning import checkpoints
from maskrcnn.learning.checkpoints import fingerprint, open_checkpoints


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


def test_the_folder_goes_with_success_and_stays_otherwise(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_checkpoints(tmp_path, "train", "ab") as folder:
        (folder / "half").touch()
        raise KeyboardInterrupt
    assert (tmp_path / "checkpoints/train/ab/half").is_file()
    with open_checkpoints(tmp_path, "train", "ab") as folder:
        assert (folder / "half").is_file()
    assert list((tmp_path / "checkpoints/train").iterdir()) == []


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
