import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.scoring.curves import RECALLS, trace_curve
from maskrcnn.scoring.matching import match
from tests.scoring.scenes import make_scene, scenes


def trace(*split, class_id=1, threshold=0):
    return trace_curve([match(scene.overlaps()) for scene in split], class_id, threshold)


def test_worked_example():
    # Of 2 truths: hit 0.9, alarm 0.8, hit 0.7. Precision 1 up to recall 1/2, then 2/3 up to 1.
    found = [(0, 60, 1, 0.9), (300, 360, 1, 0.8), (60, 120, 1, 0.7)]
    curve = trace(make_scene([(26000, 60), (26001, 60)], found))
    assert curve.precisions[RECALLS <= 0.5] == pytest.approx(1) and curve.scores[RECALLS <= 0.5] == pytest.approx(0.9)
    assert curve.precisions[RECALLS > 0.5] == pytest.approx(2 / 3)
    assert curve.scores[RECALLS > 0.5] == pytest.approx(0.7)


def test_images_share_a_curve_in_order_of_score():
    # The alarm of the second image scores between the hits of the first.
    first = make_scene([(26000, 60), (26001, 60)], [(0, 60, 1, 0.9), (60, 120, 1, 0.7)])
    second = make_scene([], [(0, 60, 1, 0.8)])
    assert trace(first, second).precisions[-1] == pytest.approx(2 / 3)


def test_recall_out_of_reach_has_no_precision():
    curve = trace(make_scene([(26000, 60), (26001, 60)], [(0, 60, 1, 0.9)]))
    assert curve.precisions.tolist() == [1.0] * 51 + [0.0] * 50
    assert curve.scores.tolist() == [0.9] * 51 + [0.0] * 50


def test_threshold_is_chosen():
    scene = make_scene([(26000, 100)], [(0, 60, 1, 0.9)])  # IoU 0.6
    assert trace(scene, threshold=2).precisions[0] == 1 and trace(scene, threshold=3).precisions[0] == 0


def test_crowds_are_no_alarms():
    scene = make_scene([(26000, 60), (26, 60)], [(60, 120, 1, 0.9), (0, 60, 1, 0.8)])
    assert trace(scene).precisions.tolist() == [1.0] * 101


def test_class_without_truth_or_predictions_has_none():
    scene = make_scene([(26000, 60)], [(0, 60, 2, 0.9)])
    assert not trace(scene, class_id=1).precisions.any() and not trace(scene, class_id=2).precisions.any()


@settings(max_examples=30)
@given(st.lists(scenes(), min_size=1, max_size=2))
def test_precision_falls_with_recall(split):
    curve = trace(*split)
    assert (np.diff(curve.precisions) <= 0).all() and (np.diff(curve.scores) <= 0).all()
