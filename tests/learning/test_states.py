"""States: they come back whole, and the one before a damaged one is used."""

import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskrcnn.learning.states import check_layout, load_state, path_before, save_state
from maskrcnn.project.errors import InputError

STATE = {"0": np.arange(1000, dtype=np.float32), "1": np.array([7, 8], np.uint32)}
Arrays = dict[str, np.ndarray]


def decode(state: Arrays, progress: dict[str, Any]) -> tuple[Arrays, dict[str, Any]]:
    return state, progress


def load(path: Path, like: Arrays | None = None) -> tuple[Arrays, dict[str, Any]]:
    """Returns a state, whose arrays are compared with those of another."""

    def check(state: Arrays, progress: dict[str, Any]) -> tuple[Arrays, dict[str, Any]]:
        check_layout(state, like or state)
        return state, progress

    loaded = load_state(path, check)
    assert loaded is not None
    return loaded


def test_a_state_comes_back_bit_by_bit(tmp_path: Path) -> None:
    state = {"0": np.array([1e-30, np.pi], np.float32), "1": np.array([7, 8], np.uint32)}
    save_state(tmp_path / "last.npz", state, {"rows": [{"epoch": 1, "loss": 0.1}]})
    loaded, progress = load(tmp_path / "last.npz")
    assert progress == {"rows": [{"epoch": 1, "loss": 0.1}]}
    assert loaded.keys() == state.keys()
    for key, values in state.items():
        assert loaded[key].dtype == values.dtype
        np.testing.assert_array_equal(loaded[key], values)


def test_no_state_is_none(tmp_path: Path) -> None:
    assert load_state(tmp_path / "last.npz", decode) is None


def test_progress_is_read_without_the_state(tmp_path: Path) -> None:
    save_state(tmp_path / "last.npz", {"0": np.zeros(3)}, {"rows": [{"epoch": 1}]})
    assert load_state(tmp_path / "last.npz", decode, progress_alone=True) == ({}, {"rows": [{"epoch": 1}]})


def save_epochs(path: Path, *epochs: int) -> None:
    """Saves the states after some epochs."""
    for epoch in epochs:
        save_state(path, {name: values + epoch for name, values in STATE.items()}, {"epoch": epoch})


def epoch_of(path: Path) -> int:
    """Returns the epoch of a state that is checked to be whole."""
    state, progress = load(path, STATE)
    np.testing.assert_array_equal(state["0"], STATE["0"] + progress["epoch"])
    return int(progress["epoch"])


def test_the_last_two_states_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "sgd_0.001_0.9.npz"  # with dots in its name, as those of tuning
    save_epochs(path, 1, 2, 3)
    assert epoch_of(path) == 3
    path.unlink()  # a kill between the two renames
    assert epoch_of(path) == 2
    assert list(tmp_path.iterdir()) == [path_before(path)]


class Marker:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.mkdir, ("unpickled",)


def save_members(path: Path, method: int, **members: bytes) -> None:
    """Writes an archive of any members."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def change(position: float) -> Callable[[Path], None]:
    """Returns what changes one byte, at a place between 0 and 1."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(position * len(content))] ^= 1
        path.write_bytes(content)

    return damage


def save_pickle(path: Path) -> None:
    np.savez(path, **STATE | {"0": np.array([Marker()], object)}, progress=np.array("{}"))  # type: ignore[arg-type]


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "half of it": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "half of it zero": lambda path: path.write_bytes(path.read_bytes()[:2000] + bytes(path.stat().st_size - 2000)),
    "first half zero": lambda path: path.write_bytes(bytes(2000) + path.read_bytes()[2000:]),
    "a bit": change(0.5),
    "text": lambda path: path.write_text("<html>"),
    "an array": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "a pickle": lambda path: path.write_bytes(pickle.dumps(Marker())),
    "a pickled array": save_pickle,
    "other arrays": lambda path: np.savez(path, progress=np.array("{}"), other=np.zeros(3)),
    "another shape": lambda path: np.savez(path, **STATE | {"1": np.zeros(3, np.uint32)}, progress=np.array("{}")),
    "a NaN": lambda path: np.savez(path, **STATE | {"0": np.full(1000, np.nan, np.float32)}, progress=np.array("{}")),
    "another type": lambda path: np.savez(path, **STATE | {"1": np.zeros(2)}, progress=np.array("{}")),
    "compressed": lambda path: np.savez_compressed(path, **STATE, progress=np.array("{}")),
    "no progress": lambda path: np.savez(path, **STATE),
    "progress that is a list": lambda path: np.savez(path, **STATE, progress=np.array("[]")),
    "progress without an end": lambda path: np.savez(path, **STATE, progress=np.array('{"rows": ')),
    "nested progress": lambda path: np.savez(path, **STATE, progress=np.array("[" * 100_000)),
    "no members": lambda path: save_members(path, zipfile.ZIP_STORED),
    "members that are no arrays": lambda path: save_members(path, zipfile.ZIP_STORED, progress=b"{}"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_state_gives_way_to_the_one_before(
    damage: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.npz"
    save_epochs(path, 1, 2)
    damage(path)
    with pytest.warns(UserWarning, match=rf"`{path}` \(.*is damaged; the training resumes from `{path_before(path)}`"):
        assert epoch_of(path) == 1
    damage(path_before(path))
    rule = rf"must be whole; these files are damaged: `{path}` \(.*, `{path_before(path)}` \(.*Remove them and run"
    with pytest.raises(InputError, match=re.compile(rule, re.DOTALL)):
        load(path, STATE)
    assert not (tmp_path / "unpickled").exists()


def test_no_byte_can_change_unseen(tmp_path: Path) -> None:
    """A changed byte either stops the file or leaves every value as it was: a few bytes of a zip mean nothing."""
    path = tmp_path / "last.npz"
    save_epochs(path, 1)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    stopped = 0
    for place in random.choice(len(whole), 300, replace=False):
        change(place / len(whole))(path)
        try:
            assert epoch_of(path) == 1
        except InputError:
            stopped += 1
        path.write_bytes(whole)
    assert stopped > 270


def test_a_damaged_state_never_replaces_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    save_epochs(path, 1, 2)
    change(0.5)(path)
    save_epochs(path, 2)
    path.unlink()
    assert epoch_of(path) == 1


def test_damaged_progress_gives_way_to_that_before(tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    save_epochs(path, 1, 2)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"last.npz` \(.*is damaged"):
        assert load_state(path, decode, progress_alone=True) == ({}, {"epoch": 1})
    path_before(path).write_bytes(b"")
    with pytest.raises(InputError, match="these files are damaged"):
        load_state(path, decode, progress_alone=True)


def test_a_state_is_on_the_disk_before_the_old_one_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.npz"
    save_epochs(path, 1)
    done: list[str] = []
    replace = os.replace

    def note(source: Path, target: Path) -> None:
        done.append(target.name)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", lambda _: done.append("sync"))
    monkeypatch.setattr(os, "replace", note)
    save_epochs(path, 2)
    assert done == ["sync", "last.before.npz", "sync", "last.npz", "sync"]
