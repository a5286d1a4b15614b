"""Files that appear whole or not at all."""

from pathlib import Path

import pytest

from maskrcnn.project.files import whole_file, write_text


def test_a_file_appears_at_the_end_in_folders_made_for_it(tmp_path: Path):
    path = tmp_path / "a" / "b" / "file.txt"
    with whole_file(path) as unfinished:
        unfinished.write_text("whole")
        assert not path.exists()
        assert unfinished.parent == path.parent  # a rename within one file system is atomic
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path: Path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="midway"), whole_file(path) as unfinished:
        unfinished.write_text("half of the new")
        raise RuntimeError("midway")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_before_the_first_byte_leaves_nothing(tmp_path: Path):
    with pytest.raises(RuntimeError, match="early"), whole_file(tmp_path / "file.txt"):
        raise RuntimeError("early")
    assert list(tmp_path.iterdir()) == []


def test_text_replaces_text(tmp_path: Path):
    path = tmp_path / "file.txt"
    for text in ("a long first text", "short"):
        write_text(path, text)
        assert path.read_text() == text
