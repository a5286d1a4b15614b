"""Errors by kind: worked examples at both sides of each threshold, and laws on random scenes."""

from collections import Counter

from hypothesis import given, settings

from maskrcnn.scoring.errors import find_errors, worst_errors
from tests.scoring.scenes import make_scene, scenes


def kinds_of(segments, found, min_score=0.0):
    return [error.kind for error in find_errors(make_scene(segments, found).overlaps(), min_score)]


CAR = [(26000, 100)]


def test_found_truth_is_no_error() -> None:
    assert kinds_of(CAR, [(0, 100, 1, 0.9)]) == []


def test_each_kind() -> None:
    assert kinds_of(CAR, [(0, 100, 1, 0.9), (0, 100, 1, 0.8)]) == ["duplicate"]
    assert kinds_of(CAR, [(0, 100, 2, 0.9)]) == ["class"]
    assert kinds_of(CAR, [(0, 30, 1, 0.9)]) == ["localisation"]  # IoU 0.3
    assert kinds_of(CAR, [(0, 30, 2, 0.9)]) == ["background", "missed"]
    assert kinds_of(CAR, [(300, 400, 1, 0.9)]) == ["background", "missed"]
    assert kinds_of(CAR, []) == ["missed"]


def test_thresholds_are_reached_by_equality() -> None:
    assert kinds_of(CAR, [(0, 50, 1, 0.9)]) == []  # IoU 0.5
    assert kinds_of(CAR, [(0, 49, 1, 0.9)]) == ["localisation"]
    assert kinds_of(CAR, [(0, 50, 2, 0.9)]) == ["class"]
    assert kinds_of(CAR, [(0, 49, 2, 0.9)]) == ["background", "missed"]
    assert kinds_of(CAR, [(0, 100, 1, 0.9), (0, 50, 1, 0.8)]) == ["duplicate"]
    assert kinds_of(CAR, [(0, 100, 1, 0.9), (0, 49, 1, 0.8)]) == ["localisation"]
    assert kinds_of(CAR, [(0, 10, 1, 0.9)]) == ["localisation"]  # IoU 0.1
    assert kinds_of(CAR, [(0, 9, 1, 0.9)]) == ["background", "missed"]


def test_thresholds_are_arguments() -> None:
    overlaps = make_scene(CAR, [(0, 30, 1, 0.9)]).overlaps()
    assert find_errors(overlaps, 0.5, foreground_iou=0.3) == []
    assert [error.kind for error in find_errors(overlaps, 0.5, background_iou=0.31)] == ["background", "missed"]


def test_crowd_and_low_scores_are_no_alarms() -> None:
    assert kinds_of([(26, 100)], [(0, 100, 1, 0.9)]) == []
    assert kinds_of(CAR, [(0, 100, 1, 0.9), (300, 400, 1, 0.4)], min_score=0.5) == []
    assert kinds_of(CAR, [(0, 100, 1, 0.4)], min_score=0.5) == ["missed"]


def test_alarm_tells_where_and_what() -> None:
    # The person covers pixels 90 to 210: 10 of the car, all 100 of the bus-sized caravan (class 9).
    (error, missed) = find_errors(make_scene([(26000, 100), (29000, 100)], [(90, 210, 2, 0.75)]).overlaps(), 0.5)
    assert (error.kind, error.class_id, error.score, error.area) == ("class", 2, 0.75, 120)
    assert (error.other_class_id, error.iou) == (9, 100 / 120)
    # The car shares 10 pixels with the person; it fills columns 0 to 4 of 24 rows, the last one in part.
    assert (missed.kind, missed.class_id, missed.score, missed.area) == ("missed", 1, 0.0, 100)
    assert (missed.other_class_id, missed.iou) == (2, 10 / 210)
    assert missed.box_px == (0, 0, 24, 5)


def test_localisation_names_the_truth_of_its_class() -> None:
    # 30 pixels of the car (IoU 0.3 = 30 / 100 of the union 130 - 30), 40 of the person, IoU 40 / 130.
    (error, _) = find_errors(make_scene([(26000, 90), (24000, 100)], [(60, 130, 1, 0.5)]).overlaps(), 0.5)
    assert (error.kind, error.other_class_id, error.iou) == ("localisation", 1, 30 / 130)


@settings(max_examples=40)
@given(scenes())
def test_every_truth_is_found_or_explained_or_missed(scene) -> None:
    overlaps = scene.overlaps()
    counts = Counter(error.kind for error in find_errors(overlaps, 0.0))
    assert counts["missed"] <= len(overlaps.truth_ids)
    assert sum(counts.values()) - counts["missed"] <= len(overlaps.class_ids)
    if not len(overlaps.class_ids):
        assert counts == Counter(missed=len(overlaps.truth_ids))


def test_worst_come_first_by_class_and_kind() -> None:
    split = {
        "a": make_scene([(26000, 40), (26001, 90)], [(300, 340, 1, 0.6), (400, 440, 2, 0.9)]),
        "b": make_scene([(26000, 60)], [(300, 340, 1, 0.8)]),
    }
    errors = [(name, error) for name, scene in split.items() for error in find_errors(scene.overlaps(), 0.5)]
    assert [(name, error.class_id, error.kind, error.area) for name, error in worst_errors(errors, 2)] == [
        ("b", 1, "background", 40),
        ("a", 1, "background", 40),
        ("a", 1, "missed", 90),
        ("b", 1, "missed", 60),
        ("a", 2, "background", 40),
    ]
    assert len(worst_errors(errors, 1)) == 3
    assert len(worst_errors(errors[:1] * 25)) == 20  # unless another count is given
