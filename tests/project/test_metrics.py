"""Metrics as files: six digits, finite, flat."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from maskrcnn.project.metrics import read_metrics, write_metrics


def test_numbers_have_six_digits_and_integers_stay_integers(tmp_path) -> None:
    # The two doubles differ in the 16th digit, as sums do between CPUs.
    write_metrics(tmp_path / "new/a.json", {"AP": 0.4022004629400886, "images": 3, "rAP": np.float64(1)})
    write_metrics(tmp_path / "new/b.json", {"AP": 0.4022004629400883, "images": 3, "rAP": 1.0})
    text = (tmp_path / "new/a.json").read_text()
    assert text == (tmp_path / "new/b.json").read_text() == '{\n  "AP": 0.4022,\n  "images": 3,\n  "rAP": 1.0\n}\n'
    write_metrics(tmp_path / "c.json", {"loss": 123.45678949})
    assert json.loads((tmp_path / "c.json").read_text()) == {"loss": 123.456789}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "0.5", True])
def test_what_is_no_finite_number_is_not_written(tmp_path, value) -> None:
    with pytest.raises(ValueError, match=rf"a\.json` must hold finite numbers; got {value!r} for `AP`"):
        write_metrics(tmp_path / "a.json", {"images": 3, "AP": value})
    assert not any(tmp_path.iterdir())


def test_reading_inverts_writing(tmp_path) -> None:
    write_metrics(tmp_path / "base.json", {"AP50": 0.5, "images": 3})
    metrics = read_metrics(tmp_path / "base.json", "evaluate@base")
    assert metrics == {"AP50": 0.5, "images": 3} and type(metrics["images"]) is int


def test_a_missing_file_names_its_stage(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"flip\.json` must exist; run `dvc repro evaluate@flip`"):
        read_metrics(tmp_path / "flip.json", "evaluate@flip")


def test_damage_is_named(tmp_path) -> None:
    (tmp_path / "base.json").write_text('{"AP50": 0.5')
    with pytest.raises(ValueError, match=r"base\.json` must be JSON; got .* Run `dvc repro evaluate@base`"):
        read_metrics(tmp_path / "base.json", "evaluate@base")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[0.5]", "map names to finite numbers; got list"),
        ('{"AP50": "high"}', "map names to finite numbers; got high for 'AP50'"),
        ('{"AP50": true}', "map names to finite numbers; got True for 'AP50'"),
        ('{"rAP": 1, "AP50": [1]}', r"map names to finite numbers; got \[1\] for 'AP50'"),
        ('{"AP50": NaN}', "be JSON; got NaN"),
        ('{"AP50": 1, "AP50": 1}', "be JSON; got the key 'AP50' twice"),
    ],
)
def test_what_is_no_flat_row_of_numbers_is_refused(tmp_path: Path, content: str, fault: str) -> None:
    (tmp_path / "base.json").write_text(content)
    with pytest.raises(ValueError, match=rf"base\.json` must {fault}\. Run `dvc repro evaluate@base`"):
        read_metrics(tmp_path / "base.json", "evaluate@base")


def test_published_scores_agree_with_each_other() -> None:
    # rAP is the mean of the APs by IoU, up to the rounding of all of them; AP50 stands in both tables.
    published = Path(__file__).parents[2] / "metrics/published_2021"
    names = sorted(path.stem for path in (published / "test").iterdir())
    assert names == ["base", "flip", "flip_crop", "freeze_rpn_fpn", "unfreeze_backbone"]
    for name in names:
        test, by_iou = (read_metrics(published / f"{table}/{name}.json", "evaluate") for table in ("test", "iou"))
        assert list(by_iou) == [f"AP{iou}" for iou in range(50, 100, 5)]
        assert test["rAP"] == pytest.approx(sum(by_iou.values()) / 10, abs=1.1e-3)
        assert test["AP50"] == by_iou["AP50"]
    best = json.loads((published / "test/freeze_rpn_fpn.json").read_text())
    assert (best["AP50"], best["cAP_car"], best["cAP_truck"], best["cAP_train"]) == (0.623, 0.745, 0.242, 0)


def test_dvc_shows_a_score_that_is_left_out_as_a_dash(tmp_path: Path) -> None:
    def dvc(*words: str) -> str:
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    dvc("init", "--no-scm", "--quiet")
    write_metrics(tmp_path / "test/base.json", {"AP50": 0.5, "cAP_train": 0.0})
    write_metrics(tmp_path / "test/flip.json", {"AP50": 0.25})
    write_metrics(tmp_path / "test/none.json", {})
    rows = [line.replace(" ", "") for line in dvc("metrics", "show", "--md", "test").splitlines() if ".json" in line]
    assert rows == ["|test/base.json|0.5|0.0|", "|test/flip.json|0.25|-|", "|test/none.json|-|-|"]
