"""A script's words, and what is told of its errors."""

import sys
from collections.abc import Callable

import numpy as np
import pytest

from maskrcnn.learning.trainer import Divergence
from maskrcnn.project.command import run, told_errors


def call(monkeypatch: pytest.MonkeyPatch, main: Callable[..., None], *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["brew.py", *words])
    run(main, "Brews.\n\nReads   water", leaf="a key of the section `leaves`")


def test_words_become_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    brewed: list[str] = []
    call(monkeypatch, lambda leaf: brewed.append(leaf), "mint")
    assert brewed == ["mint"]


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


def raise_by_hand(leaf: str) -> None:
    raise ValueError(
        f"`leaf` must be mint; got {leaf}."
    )  # fmt: skip


def diverge(leaf: str) -> None:
    raise Divergence(epoch=1, step=len(leaf))


def open_nothing(leaf: str) -> None:
    open(f"/no/{leaf}").close()


def add_shapes(leaf: str) -> None:
    np.zeros(len(leaf)) + np.zeros(3)


def fail_in_numpy(leaf: str) -> None:
    np.stack([np.zeros(3), np.zeros(len(leaf))])


@pytest.mark.parametrize(
    ("main", "sentence"),
    [
        (raise_by_hand, r"^`leaf` must be mint; got tea\.s\.$"),
        (diverge, "diverged in epoch 1, step 5"),
        (open_nothing, "No such file or directory: '/no/tea.s'"),
    ],
)
def test_bad_input_ends_in_its_sentence(
    monkeypatch: pytest.MonkeyPatch, main: Callable[..., None], sentence: str
) -> None:
    monkeypatch.setattr("maskrcnn.project.command.OURS", (__name__.partition(".")[0],))
    with pytest.raises(SystemExit, match=sentence):
        call(monkeypatch, main, "tea.s")


@pytest.mark.parametrize("main", [add_shapes, fail_in_numpy])
def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, main: Callable[..., None]) -> None:
    monkeypatch.setattr("maskrcnn.project.command.OURS", (__name__.partition(".")[0],))
    with pytest.raises(ValueError, match="shape"):
        call(monkeypatch, main, "tea.s")


def test_what_others_raise_is_a_defect() -> None:
    with pytest.raises(ValueError, match="by hand"), told_errors():
        raise ValueError("by hand, but not in this package")
