"""Scores and errors as rows of metrics and of CSV tables."""

from dataclasses import replace

import numpy as np
import pytest

from maskrcnn.project.errors import InputError
from maskrcnn.scoring.average_precision import Curve, PerImageAP
from maskrcnn.scoring.errors import Error
from maskrcnn.scoring.rows import (
    average_row,
    check_test_sets,
    class_row,
    confusion_table,
    count_row,
    curve_table,
    error_counts,
    error_table,
    iou_row,
    loose_row,
    per_image_row,
)

NAN = float("nan")
NAMES = ("background", "car", "person")
SCORES = PerImageAP(
    ap=np.arange(10) / 10,
    class_ap=np.full((10, 3), [0, 0.5, 0.25]),
    class_images=np.array([0, 4, 2]),
    class_instances=np.array([0, 9, 3]),
    images=7,
    images_without_truth=1,
)


def error(kind, score=0.0):
    return Error(kind, 1, score, 0.33333333, 2, 40, (1.0, 2.04, 3.0, 4.0))


def test_rows_are_flat_numbers() -> None:
    assert per_image_row(SCORES, NAMES, 123) == {
        "cAP_car": 0.5,
        "cAP_person": 0.25,
        "images": 7,
        "images_without_truth": 1,
        "images_car": 4,
        "images_person": 2,
        "instances": 12,
        "test_set": 123,
    }
    assert count_row("instances", [9, 3], NAMES[1:]) == {"instances_car": 9, "instances_person": 3}
    assert list(iou_row(SCORES).items())[::9] == [("AP50", 0.0), ("AP95", 0.9)]


def test_averages_of_the_three_protocols() -> None:
    cityscapes_ap, coco_ap = np.full((10, 2), 0.5), np.full((10, 2), 0.25)
    cityscapes_ap[0], coco_ap[0] = 0.75, [NAN, 1.0]
    row = average_row(SCORES, cityscapes_ap, coco_ap)
    assert row == {
        "AP50": 0.0,
        "rAP": pytest.approx(0.45),  # (0 + 0.1 + ... + 0.9) / 10
        "cityscapes_AP": pytest.approx(0.525),  # (0.75 + 9 * 0.5) / 10
        "coco_AP": pytest.approx(5.5 / 19),  # 1 + 18 * 0.25, without the NaN
    }
    assert loose_row(cityscapes_ap, coco_ap) == {"cityscapes_AP50": 0.75, "coco_AP50": 1.0}


def test_what_has_no_truth_is_left_out() -> None:
    nothing = np.full((10, 2), NAN)
    assert class_row("AP", np.array([[0.5, NAN], [0.25, NAN]]), NAMES[1:]) == {"AP_car": 0.375}
    assert average_row(replace(SCORES, ap=nothing[:, 0]), nothing, nothing) == {}
    assert iou_row(replace(SCORES, ap=nothing[:, 0])) == {}
    unseen = replace(SCORES, class_ap=np.full((10, 3), [NAN, 0.5, NAN]), class_images=np.array([0, 4, 0]))
    row = per_image_row(unseen, NAMES, 123)
    assert "cAP_person" not in row and (row["cAP_car"], row["images_person"]) == (0.5, 0)


def test_scores_of_other_images_are_not_set_side_by_side() -> None:
    first = {"AP50": 0.5, "images": 3, "instances": 9, "test_set": 1}
    check_test_sets({"base": first, "flip": first | {"AP50": 0.25}})
    check_test_sets({"base": first})
    for other in ({"images": 4}, {"instances": 8}, {"test_set": 2}):
        with pytest.raises(
            InputError, match=r"classes/crop\.json` must be .* `metrics/classes/base\.json`, images 3, "
        ):
            check_test_sets({"base": first, "flip": first, "crop": first | other})
    with pytest.raises(InputError, match=r"test_set 1; got images 3, instances None, test_set None\. Run `dvc"):
        check_test_sets({"base": first, "of before": {"AP50": 0.5, "images": 3}})


def test_errors_are_counted_by_kind() -> None:
    errors = [error("background", 0.9), error("background", 0.89), error("missed", 0.0), error("class", 0.95)]
    assert error_counts(errors) == {
        "class": 1, "localisation": 0, "duplicate": 0, "background": 2, "missed": 1, "background_sure": 1
    }  # fmt: skip


def test_tables_begin_with_their_heading() -> None:
    assert confusion_table(np.zeros((3, 3), int), NAMES) == [("actual", "predicted")]
    assert error_table([], NAMES)[0][:3] == ("image", "kind", "class") and len(error_table([], NAMES)) == 1
    assert curve_table({"train": None}) == curve_table({}) == [("class", "recall", "precision", "score")]


def test_confusion_has_a_row_for_each_count() -> None:
    counts = np.array([[0, 0, 1], [0, 2, 0], [0, 0, 0]])
    assert confusion_table(counts, NAMES)[1:] == [("background", "person"), ("car", "car"), ("car", "car")]


def test_mistakes_and_curves_in_full() -> None:
    assert error_table([("ulm", error("class", 0.5))], NAMES)[1] == (
        "ulm", "class", "car", "person", 0.5, 0.3333, 40, 1.0, 2.0, 3.0, 4.0
    )  # fmt: skip
    rows = curve_table({"car": Curve(np.linspace(1, 0, 101), np.full(101, 0.5))})
    assert rows[1] == ("car", 0.0, 1.0, 0.5) and rows[-1] == ("car", 1.0, 0.0, 0.5) and len(rows) == 102
