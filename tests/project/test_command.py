"""The arguments of a script, and how it exits."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskrcnn.learning.watch import Divergence
from maskrcnn.project.command import run
from maskrcnn.project.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, main: Callable[..., None], *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["brew.py", *words])
    run(main, "Brews.\n\nReads   water", leaf="a key of the section `leaves`")


def test_words_become_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    brewed: list[str] = []
    call(monkeypatch, lambda leaf: brewed.append(leaf), "mint")
    assert brewed == ["mint"]


def test_time_and_memory_are_recorded(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    call(monkeypatch, lambda leaf: time.sleep(0.2), "mint")
    costs = json.loads((folder / "live/stages/brew@mint.json").read_text())
    assert 0.2 <= costs["seconds"] < 20
    assert 10 < costs["peak_memory_mb"] < 100_000


def test_costs_of_a_failure_are_not_recorded(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    with pytest.raises(SystemExit):
        call(monkeypatch, refuse, "sage")
    assert not (folder / "live").exists()


def test_ctrl_c_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(leaf: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="130"):
        call(monkeypatch, interrupt, "mint")
    assert capsys.readouterr().err.startswith("Interrupted. The same command")
    assert not (folder / "live").exists()


def test_help_is_the_first_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        call(monkeypatch, lambda leaf: None, "--help")
    shown = capsys.readouterr().out
    assert "Brews." in shown
    assert "a key of the section `leaves`" in shown
    assert "water" not in shown


def test_words_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        call(monkeypatch, lambda leaf: None)
    assert "required: leaf" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["../mint", "/tmp/mint", "a/b", ""])
def test_a_word_that_could_lead_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    brewed: list[str] = []
    with pytest.raises(SystemExit, match=r"`leaf` must be of letters, digits, `_` and `-`; got"):
        call(monkeypatch, brewed.append, word)
    assert not brewed


def refuse(leaf: str) -> None:
    raise InputError(f"`leaf` must be mint; got {leaf}.")


def diverge(leaf: str) -> None:
    raise Divergence(epoch=1, step=len(leaf))


def open_nothing(leaf: str) -> None:
    open(f"/no/{leaf}").close()


def stack_unequal(leaf: str) -> None:
    np.stack([np.zeros(3), np.zeros(len(leaf))])


def raise_value_error(leaf: str) -> None:
    raise ValueError("leaves have one shape")


@pytest.mark.parametrize(
    ("main", "message"),
    [
        (refuse, "`leaf` must be mint; got tea_s."),
        (diverge, "`learning_rate` must keep the loss finite; it diverged in epoch 1, step 5."),
        (open_nothing, "[Errno 2] No such file or directory: '/no/tea_s'"),
    ],
)
def test_bad_input_exits_with_its_message(
    monkeypatch: pytest.MonkeyPatch, main: Callable[..., None], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        call(monkeypatch, main, "tea_s")
    assert stopped.value.code == message


@pytest.mark.parametrize("main", [stack_unequal, raise_value_error])
def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch, main: Callable[..., None]) -> None:
    with pytest.raises(ValueError, match="shape"):
        call(monkeypatch, main, "tea_s")


SCRIPT = """
import numpy as np
from maskrcnn.project.command import run
from maskrcnn.project.errors import InputError

def main(leaf):
    if leaf == "tea":
        raise InputError("`leaf` must be mint; got tea.")
    np.stack([np.zeros(3), np.zeros(len(leaf))])

run(main, "Brews.", leaf="a leaf")
"""


@pytest.mark.parametrize(
    ("leaf", "lines", "last"),
    [
        ("tea", 1, "`leaf` must be mint; got tea."),
        ("mint", None, "ValueError: all input arrays must have the same shape"),
    ],
)
def test_a_process_prints_one_line_or_a_traceback(leaf: str, lines: int | None, last: str) -> None:
    shown = subprocess.run([sys.executable, "-c", SCRIPT, leaf], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 1
    assert shown.stderr.splitlines()[-1] == last
    assert len(shown.stderr.splitlines()) == lines if lines else shown.stderr.startswith("Traceback")
