"""Regions of interest as a file."""

from pathlib import Path

import numpy as np
import pytest

from maskrcnn.project.errors import InputError
from maskrcnn.results.proposals import read_proposals, write_proposals

BOXES = np.array([[0, 1, 20, 30], [4, 5, 6, 7]], np.int32)


def test_written_regions_are_read_back(tmp_path) -> None:
    path = tmp_path / "proposals" / "base.json"
    write_proposals(path, {"munster_1": BOXES, "munster_2": BOXES[:0]})
    read = read_proposals(path)
    assert list(read) == ["munster_1", "munster_2"]
    np.testing.assert_array_equal(read["munster_1"], BOXES)
    assert read["munster_2"].shape == (0, 4)


def test_no_images(tmp_path) -> None:
    write_proposals(tmp_path / "base.json", {})
    assert read_proposals(tmp_path / "base.json") == {}


@pytest.mark.parametrize("spoiled", [np.nan, np.inf])
def test_a_region_that_is_not_finite_is_named(tmp_path: Path, spoiled: float) -> None:
    boxes = np.array([[0, 1, 20, 30], [4, 5, spoiled, 7]])
    with pytest.raises(InputError, match=r"Region 1 of munster_1 in `.*base\.json` must be finite; got"):
        write_proposals(tmp_path / "base.json", {"munster_1": boxes})
    assert not (tmp_path / "base.json").exists()


def test_a_missing_file_names_its_stage(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"base\.json` must exist; run `dvc repro`, whose stage `predict`"):
        read_proposals(tmp_path / "base.json")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("{", "must be JSON"),
        ("[]", "must map images to boxes; got list"),
        ('{"a": 1}', "must hold four pixels per box, y1, x1, y2, x2; got 1 for a"),
        ('{"a": [[1, 2, 3]]}', r"must hold four pixels per box, y1, x1, y2, x2; got \[\[1, 2, 3\]\] for a"),
        ('{"a": [[1, 2, 3, NaN]]}', "must be JSON; got NaN"),
        ('{"a": [[1, 2, 3, 1e10]]}', "must hold four pixels per box, y1, x1, y2, x2"),
        ('{"a": [[1, 2, 3, "4"]]}', "must hold four pixels per box, y1, x1, y2, x2"),
    ],
)
def test_damage_is_named(tmp_path, content, rule) -> None:
    (tmp_path / "base.json").write_text(content)
    with pytest.raises(ValueError, match=rf"base\.json` {rule}"):
        read_proposals(tmp_path / "base.json")
