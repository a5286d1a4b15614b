"""The precision-recall curve and its area: worked examples, brute force, and the published example."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.scoring.average_precision import RECALLS, average_precision, mean_ap, precision_recall, trace_curve
from maskrcnn.scoring.matches import match
from tests.scoring.scenes import make_scene, scenes

NAN = float("nan")
PUBLISHED = np.array([4, 3, 2, 1, -1, 0])  # truth found by each prediction, of 5 truths


def test_published_worked_example() -> None:
    precisions, recalls = precision_recall(PUBLISHED > -1, 5)
    assert np.allclose(precisions, [1, 1, 1, 1, 4 / 5, 5 / 6])
    assert np.allclose(recalls, [0.2, 0.4, 0.6, 0.8, 0.8, 1])
    # Precision 1 up to recall 0.8, then 5/6 up to 1: 0.8 + 0.2 * 5/6.
    assert average_precision(PUBLISHED > -1, 5) == pytest.approx(0.8 + 0.2 * 5 / 6, abs=1e-12)


@pytest.mark.parametrize(
    ("found", "truth_count", "expected"),
    [
        ([], 3, 0.0),
        ([False, False], 2, 0.0),
        ([True, True], 2, 1.0),
        ([True], 4, 0.25),  # precision 1 up to recall 1/4, nothing beyond
        ([False, True], 1, 0.5),  # precision 1/2 at recall 1
        ([False, True, True], 2, 2 / 3),  # 1/2 at recall 1/2 is raised to the 2/3 at recall 1
    ],
)
def test_small_curves(found, truth_count, expected) -> None:
    assert average_precision(np.array(found, bool), truth_count) == pytest.approx(expected, abs=1e-12)


def area_by_rectangles(found, truth_count):
    """For each of the truth_count steps of recall, the best precision of any prefix that reaches it."""
    prefixes = [(sum(found[:length]), length) for length in range(1, len(found) + 1)]
    heights = [
        max((hits / length for hits, length in prefixes if hits >= step), default=0)
        for step in range(1, truth_count + 1)
    ]
    return sum(heights) / truth_count


@given(st.lists(st.booleans(), max_size=12), st.integers(0, 5))
def test_equals_brute_force(found, missed) -> None:
    truth_count = max(sum(found) + missed, 1)
    expected = area_by_rectangles(found, truth_count)
    assert average_precision(np.array(found, bool), truth_count) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 5))
def test_false_alarm_at_the_end_changes_nothing(found, missed) -> None:
    truth_count = sum(found) + missed
    longer = average_precision(np.array([*found, False], bool), truth_count)
    assert longer == average_precision(np.array(found, bool), truth_count)


def trace(*split, class_id=1, threshold=0):
    return trace_curve([match(scene.overlaps()) for scene in split], class_id, threshold)


def test_worked_example() -> None:
    # Of 2 truths: hit 0.9, alarm 0.8, hit 0.7. Precision 1 up to recall 1/2, then 2/3 up to 1.
    found = [(0, 60, 1, 0.9), (300, 360, 1, 0.8), (60, 120, 1, 0.7)]
    curve = trace(make_scene([(26000, 60), (26001, 60)], found))
    assert curve.precisions[RECALLS <= 0.5] == pytest.approx(1) and curve.scores[RECALLS <= 0.5] == pytest.approx(0.9)
    assert curve.precisions[RECALLS > 0.5] == pytest.approx(2 / 3)
    assert curve.scores[RECALLS > 0.5] == pytest.approx(0.7)


def test_images_share_a_curve_in_order_of_score() -> None:
    # The alarm of the second image scores between the hits of the first.
    first = make_scene([(26000, 60), (26001, 60)], [(0, 60, 1, 0.9), (60, 120, 1, 0.7)])
    second = make_scene([], [(0, 60, 1, 0.8)])
    assert trace(first, second).precisions[-1] == pytest.approx(2 / 3)


def test_recall_out_of_reach_has_no_precision() -> None:
    curve = trace(make_scene([(26000, 60), (26001, 60)], [(0, 60, 1, 0.9)]))
    assert curve.precisions.tolist() == [1.0] * 51 + [0.0] * 50
    assert curve.scores.tolist() == [0.9] * 51 + [0.0] * 50


def test_threshold_is_chosen() -> None:
    scene = make_scene([(26000, 100)], [(0, 60, 1, 0.9)])  # IoU 0.6
    assert trace(scene, threshold=2).precisions[0] == 1 and trace(scene, threshold=3).precisions[0] == 0


def test_crowds_are_no_alarms() -> None:
    scene = make_scene([(26000, 60), (26, 60)], [(60, 120, 1, 0.9), (0, 60, 1, 0.8)])
    assert trace(scene).precisions.tolist() == [1.0] * 101


def test_a_class_without_truth_has_no_curve_and_one_without_predictions_is_zero() -> None:
    scene = make_scene([(26000, 60), (24, 60)], [(0, 60, 2, 0.9)])  # the persons are a crowd
    assert trace(scene, class_id=2) is None and trace(scene, class_id=3) is None
    assert not trace(scene, class_id=1).precisions.any()


@settings(max_examples=30)
@given(st.lists(scenes(), min_size=1, max_size=2))
def test_precision_falls_with_recall(split) -> None:
    curve = trace(*split)
    assert curve is None or ((np.diff(curve.precisions) <= 0).all() and (np.diff(curve.scores) <= 0).all())


def test_class_without_truth_is_left_out_of_the_mean() -> None:
    class_ap = np.array([[0.5, NAN, 1.0], [0.25, NAN, 0.25]])
    assert mean_ap(class_ap) == 0.5  # (0.5 + 1 + 0.25 + 0.25) / 4
    assert mean_ap(class_ap[:1]) == 0.75


def test_no_truth_has_no_mean() -> None:
    assert np.isnan(mean_ap(np.full((2, 2), NAN)))
