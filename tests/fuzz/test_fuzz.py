"""Some hundred damaged files of each format: only our errors, which name the file; `bench/fuzz.py` tries more."""

from pathlib import Path

import pytest

from tests.fuzz.formats import make_format, try_mutant

MUTANTS = 150
NAMES = ("polygons", "coco", "png", "png16", "jpeg", "records")  # the others have tests of their own


@pytest.fixture(autouse=True)
def quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """Keeps the lines of libpng and libjpeg out of the log."""


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_read_or_refused_by_name(tmp_path: Path, name: str) -> None:
    example = make_format(name, tmp_path)
    valid = example.path.read_bytes()
    messages = [try_mutant(example, valid, seed) for seed in range(MUTANTS)]
    refused = [message for message in messages if message]
    assert len(refused) > MUTANTS // 3
    assert all(message.startswith("`") for message in refused)
    example.path.write_bytes(valid)
    example.read()


def test_a_search_does_not_read_what_keras_tuner_left(tmp_path: Path) -> None:
    example = make_format("keras_tuner", tmp_path)
    valid = example.path.read_bytes()
    assert b"ongoing_trials" in valid
    assert {try_mutant(example, valid, seed) for seed in range(20)} == {""}
