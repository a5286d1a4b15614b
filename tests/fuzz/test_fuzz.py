"""Some hundred damaged files of each format: only our errors, which name the file; `bench/fuzz.py` tries more."""

from pathlib import Path

import pytest

from tests.fuzz.formats import list_formats, try_mutant

FORMATS = ("polygons", "coco", "png", "png16", "jpeg", "records")
MUTANTS = 150


@pytest.fixture(autouse=True)
def quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """Keeps the lines of libpng and libjpeg out of the log."""


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused_by_name(tmp_path: Path, name: str) -> None:
    example = list_formats(tmp_path)[name]
    valid = example.path.read_bytes()
    messages = [try_mutant(example, valid, seed) for seed in range(MUTANTS)]
    refused = [message for message in messages if message]
    assert len(refused) > MUTANTS // 3
    assert all(message.startswith("`") for message in refused)
    example.path.write_bytes(valid)
    example.read()


def test_every_format_is_tried(tmp_path: Path) -> None:
    assert tuple(list_formats(tmp_path)) == FORMATS
