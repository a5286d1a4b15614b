import json
from pathlib import Path

import pytest

from maskrcnn.scoring.scores import read_scores


def test_a_row_is_read(tmp_path):
    (tmp_path / "base.json").write_text('{"AP50": 0.5, "images": 3}')
    assert read_scores(tmp_path, "base") == {"AP50": 0.5, "images": 3}


def test_a_variant_that_was_not_scored_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"flip\.json` must exist; run `dvc repro evaluate@flip`"):
        read_scores(tmp_path, "flip")


def test_damage_is_named(tmp_path):
    (tmp_path / "base.json").write_text('{"AP50": 0.5')
    with pytest.raises(ValueError, match=r"base\.json` must be JSON; got .* Run `dvc repro evaluate@base`"):
        read_scores(tmp_path, "base")


@pytest.mark.parametrize("content", ["[0.5]", '{"AP50": "high"}', '{"AP50": NaN}', '{"AP50": true}', '{"AP50": [1]}'])
def test_what_is_no_flat_row_of_numbers_is_refused(tmp_path, content):
    (tmp_path / "base.json").write_text(content)
    with pytest.raises(ValueError, match=r"base\.json` must map names to finite numbers"):
        read_scores(tmp_path, "base")


def test_published_scores_agree_with_each_other():
    # rAP is the mean of the APs by IoU, up to the rounding of all of them; AP50 stands in both tables.
    published = Path(__file__).parents[2] / "metrics/published_2021"
    names = sorted(path.stem for path in (published / "test").iterdir())
    assert names == ["base", "flip", "flip_crop", "freeze_rpn_fpn", "unfreeze_backbone"]
    for name in names:
        test, by_iou = read_scores(published / "test", name), read_scores(published / "iou", name)
        assert list(by_iou) == [f"AP{iou}" for iou in range(50, 100, 5)]
        assert test["rAP"] == pytest.approx(sum(by_iou.values()) / 10, abs=1.1e-3)
        assert test["AP50"] == by_iou["AP50"]
    best = json.loads((published / "test/freeze_rpn_fpn.json").read_text())
    assert (best["AP50"], best["cAP_car"], best["cAP_truck"], best["cAP_train"]) == (0.623, 0.745, 0.242, 0)
