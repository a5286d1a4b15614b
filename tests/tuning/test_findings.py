"""Findings of the tuning stages: written as YAML, read back the same."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.tuning.findings import format_losses, note_tie, read_finding, write_finding


@dataclass(frozen=True)
class Cup:
    size: float
    handle: str | None


@dataclass(frozen=True)
class Shelf:
    """A finding with a value of every kind that tuning writes."""

    name: str
    range: tuple[float, float]
    cups: list[Cup]
    best: dict[str, Cup | None]


SHELF = Shelf("upper", (1e-5, 0.1), [Cup(3.0, None), Cup(2.5, "left")], {"red": Cup(1e-6, "null"), "blue": None})


def test_a_finding_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_finding(tmp_path / "tuning" / "shelf.yaml", SHELF)
    assert read_finding(Shelf, tmp_path / "tuning" / "shelf.yaml", "shelf") == SHELF


def test_rows_of_a_table_have_a_line_each(tmp_path: Path) -> None:
    write_finding(tmp_path / "shelf.yaml", SHELF)
    assert (tmp_path / "shelf.yaml").read_text().splitlines() == [
        "name: upper",
        "range: [1e-05, 0.1]",
        "cups:",
        "- {size: 3.0, handle: null}",
        "- {size: 2.5, handle: left}",
        "best:",
        "  red: {size: 1e-06, handle: 'null'}",
        "  blue: null",
    ]


def test_a_finding_without_tables_has_a_line_a_value(tmp_path: Path) -> None:
    write_finding(tmp_path / "cup.yaml", Cup(3.0, None))
    assert (tmp_path / "cup.yaml").read_text() == "size: 3.0\nhandle: null\n"


def test_the_stage_that_makes_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"shelf\.yaml` must exist; `dvc repro shelf` makes it\."):
        read_finding(Shelf, tmp_path / "shelf.yaml", "shelf")


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shelf.yaml").write_text("size: big\nhandle: left\n")
    with pytest.raises(ValueError, match=r"shelf\.size` must be a number; got 'big'"):
        read_finding(Cup, tmp_path / "shelf.yaml", "shelf")


def test_losses_have_four_digits_unless_more_are_needed_to_see_a_difference() -> None:
    assert format_losses([1.23456, 1.5]) == ["1.235", "1.5"]
    assert format_losses([1.23456, 1.23454]) == ["1.2346", "1.2345"]
    assert format_losses([1.5, 1.5]) == ["1.5", "1.5"]


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=4))
def test_different_losses_never_look_the_same(losses: list[float]) -> None:
    assert len(set(format_losses(losses))) == len(set(losses))


def test_only_the_lowest_losses_make_a_tie() -> None:
    assert note_tie([1.0, 2.0, 1.0], "the first wins") == " (a tie: the first wins)"
    assert note_tie([1.0, 2.0, 2.0], "the first wins") == ""
