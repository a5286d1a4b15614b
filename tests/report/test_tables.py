"""The verdict and the tables."""

import numpy as np

from maskrcnn.report.tables import build_tables, find_verdict, list_intervals, list_thresholds, sign

KEYS = ("AP50", "rAP", "cityscapes_AP", "cityscapes_AP50", "coco_AP", "coco_AP50")
OURS = {
    "base": {"AP50": 0.5, "rAP": 0.3, "cAP_car": 0.25, "AP95": 0.1},
    "flip": {"AP50": 0.6, "rAP": 0.4, "cAP_car": 0.25, "AP95": 0.2},
}
PUBLISHED = {"flip": {"AP50": 0.611, "rAP": 0.36, "cAP_car": 0.722}}


def sample(base: float, flip: float, spread: float) -> dict[str, dict[str, np.ndarray]]:
    """Returns replicates of both variants that differ by their own noise."""
    noise = np.random.default_rng(1).normal(0, spread, (2, 1000))
    return {name: dict.fromkeys(KEYS, ap + own) for name, ap, own in zip(OURS, (base, flip), noise, strict=True)}


def test_the_highest_rap_wins() -> None:
    verdict = find_verdict(OURS, PUBLISHED, sample(0.3, 0.4, 0.001))
    assert (verdict.best, verdict.runner_up, verdict.is_sure) == ("flip", "base", True)
    assert verdict.lead.startswith("+0.100 (+0.09")


def test_a_lead_within_chance_is_not_sure() -> None:
    assert not find_verdict(OURS, PUBLISHED, sample(0.3, 0.4, 0.2)).is_sure


def test_intervals_of_the_difference_use_the_same_replicates() -> None:
    shared = np.random.default_rng(1).normal(0, 0.2, 1000)  # images that are hard for both
    samples = {"base": dict.fromkeys(KEYS, 0.3 + shared), "flip": dict.fromkeys(KEYS, 0.4 + shared)}
    assert find_verdict(OURS, PUBLISHED, samples).lead == "+0.100 (+0.100 to +0.100)"


def test_one_variant_has_no_lead() -> None:
    verdict = find_verdict({"flip": OURS["flip"]}, {}, sample(0.3, 0.4, 0.1))
    assert (verdict.runner_up, verdict.lead, verdict.is_sure) == ("", "", False)


def test_the_verdict_stands_beside_what_was_published() -> None:
    rows = dict(find_verdict(OURS, PUBLISHED, sample(0.3, 0.4, 0.0)).rows)
    assert list(rows) == ["AP50", "rAP"]  # the averages that were scored
    assert (rows["AP50"].value, rows["AP50"].published, rows["AP50"].difference) == ("0.600", "0.611", "\u22120.011")
    assert rows["AP50"].interval == "0.400\u20130.400"


def test_the_best_of_a_row_is_marked_unless_all_are_equal() -> None:
    averages, classes, thresholds = build_tables(OURS, PUBLISHED)
    assert [(title, [cell.is_best for cell in cells]) for title, cells in averages.rows] == [
        ("AP50", [False, True]),
        ("rAP", [False, True]),
    ]
    ((name, cells),) = classes.rows
    assert name == "car" and [cell.is_best for cell in cells] == [False, False]
    assert [cell.published for cell in cells] == ["", "0.722"]
    assert [title for title, _ in thresholds.rows] == ["0.50", "0.95", "rAP"]


def test_rows_for_charts() -> None:
    intervals = list_intervals(OURS, sample(0.3, 0.4, 0.0))
    assert [(row["average"], row["variant"]) for row in intervals] == [
        ("AP50", "base"),
        ("AP50", "flip"),
        ("rAP", "base"),
        ("rAP", "flip"),
    ]
    assert list_thresholds({"ours": {"base": OURS["base"]}}) == [
        {"source": "ours", "variant": "base", "iou": 0.5, "AP": 0.5},
        {"source": "ours", "variant": "base", "iou": 0.95, "AP": 0.1},
    ]


def test_differences_have_a_sign() -> None:
    assert [sign(value) for value in (0.0104, -0.5, 0.0)] == ["+0.010", "\u22120.500", "+0.000"]
