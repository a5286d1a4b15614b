"""The official Cityscapes protocol: worked examples; tests/oracle compares it with the evaluator itself."""

import numpy as np
import pytest

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.readers.cityscapes import CITYSCAPES
from maskrcnn.scoring.average_precision import mean_ap
from maskrcnn.scoring.cityscapes_ap import (
    count_official,
    official_label_ids,
    scale_min_area,
    score_cityscapes,
)
from tests.scoring.scenes import SMALL_CROWD, make_scene


def ap_of(*scenes, class_id=1, **settings):
    """AP of cars at each threshold."""
    class_ap = score_cityscapes([scene.overlaps() for scene in scenes], [class_id], **settings)
    return class_ap[:, 0].tolist()


def test_area_counts_half_the_way_to_both_neighbours() -> None:
    # Hit, alarm, hit of 2 truths: precisions 1, 1/2, 2/3 at recalls 1/2, 1/2, 1, after 1 at 0.
    # Neighbours of the four points are apart 1/2, 1/2, 1/2, 1/2; AP = (1 + 1 + 1/2 + 2/3) * 1/2 / 2 = 19/24.
    found = [(0, 100, 1, 0.9), (300, 400, 1, 0.8), (100, 220, 1, 0.7)]
    assert np.allclose(ap_of(make_scene([(26000, 100), (26001, 120)], found)), 19 / 24)


def test_equal_scores_make_one_point() -> None:
    # Both points of score 0.5 become one: precision 1/2 at recall 1; AP = (1 * 1 + 1/2 * 1) / 2.
    found = [(0, 100, 1, 0.5), (300, 400, 1, 0.5)]
    assert np.allclose(ap_of(make_scene([(26000, 100)], found)), 0.75)


def test_threshold_itself_is_not_enough() -> None:
    # 60 of 120 pixels: IoU 0.5 is no hit. 61 of 120 is one at 0.50 alone.
    assert ap_of(make_scene([(26000, 120)], [(0, 60, 1, 0.5)])) == [0.0] * 10
    assert ap_of(make_scene([(26000, 120)], [(0, 61, 1, 0.5)])) == [1.0] + [0.0] * 9


def test_duplicate_is_a_false_alarm() -> None:
    # Hit (precision 1 at recall 1), then the duplicate (1/2 at 1); AP = (1 * 1 + 1 * 1 + 1/2 * 0) / 2.
    assert np.allclose(ap_of(make_scene([(26000, 100)], [(0, 100, 1, 0.9), (0, 100, 1, 0.8)])), 1)
    # The other way round in the file: the better score is the hit, wherever it stands.
    assert np.allclose(ap_of(make_scene([(26000, 100)], [(0, 100, 1, 0.8), (0, 100, 1, 0.9)])), 1)


@pytest.mark.parametrize(("map_id", "ap"), [(26, 1.0), (4, 1.0), (26001, 1.0), (24, 0.75), (7, 0.75)])
def test_alarm_is_ignored_on_own_crowd_void_and_small_truth(map_id, ap) -> None:
    # The alarm (score 0.5, with the hit's) lies on 99 pixels of the car crowd, void, a car below 100 pixels;
    # or of the person crowd, the road: then the one point has precision 1/2.
    assert np.allclose(ap_of(make_scene([(26000, 100), (map_id, 99)], [(0, 100, 1, 0.5), (100, 199, 1, 0.5)])), ap)


def test_small_crowd_counts_twice() -> None:
    # Ignored up to 0.75: 80 of 100 pixels; from 0.80 on an alarm above the hit: precision 1/2 at recall 1,
    # 0 at 0, and AP = (1 * 0 + 0 * 1 + 1/2 * 1) / 2.
    assert np.allclose(ap_of(SMALL_CROWD), [1.0] * 6 + [0.25] * 4)


def test_minimum_area_is_a_setting() -> None:
    scene = make_scene([(26000, 40)], [(0, 40, 1, 0.5)])
    assert np.isnan(ap_of(scene)).all()
    assert ap_of(scene, min_area=40.0) == [1.0] * 10


def test_an_absent_score_is_told_from_a_score_of_zero() -> None:
    # Cars: a missed one and two of 40 pixels. Persons: one that is too small. Class 3: only a crowd. Class 4: nothing.
    segments = [(26000, 100), (26001, 40), (26002, 40), (24000, 99), (33, 120)]
    images = [make_scene(segments, []).overlaps(), make_scene([], [(0, 60, 2, 0.9)]).overlaps()]
    class_ap = score_cityscapes(images, [1, 2, 3, 4])
    assert class_ap[:, 0].tolist() == [0.0] * 10 and np.isnan(class_ap[:, 1:]).all()
    assert count_official(images, [1, 2, 3, 4]) == [1, 0, 0, 0]
    assert count_official(images, [1, 2], min_area=40.0) == [3, 1]


def test_class_without_truth_is_left_out_of_the_mean() -> None:
    images = [make_scene([(26000, 100)], [(0, 100, 1, 0.5), (200, 300, 2, 0.5)]).overlaps()]
    class_ap = score_cityscapes(images, [1, 2])
    assert mean_ap(class_ap) == 1.0 and np.isnan(class_ap[:, 1]).all()
    assert np.isnan(mean_ap(score_cityscapes(images, [2])))


def test_truth_without_predictions_has_ap_zero() -> None:
    assert ap_of(make_scene([(26000, 100)], [])) == [0.0] * 10


def test_every_prediction_ignored_has_ap_zero() -> None:
    # The official evaluator stops here.
    assert ap_of(make_scene([(26000, 100), (0, 100)], [(100, 200, 1, 0.5)])) == [0.0] * 10


def test_empty_mask_is_no_prediction() -> None:
    assert np.allclose(ap_of(make_scene([(26000, 100)], [(0, 100, 1, 0.5), (0, 0, 1, 0.9)])), 1)


def test_one_curve_over_all_images() -> None:
    # Alone the second image would have AP 0, and the mean would be 1/2. Together: hit, alarm, of 2 truths:
    # precision 1, 1/2 at recall 1/2; AP = (1 * 1/2 + 1 * 1/2 + 1/2 * 0) / 2.
    first = make_scene([(26000, 100)], [(0, 100, 1, 0.9)])
    second = make_scene([(26000, 100)], [(300, 400, 1, 0.5)])
    assert np.allclose(ap_of(first, second), 0.5)


def test_classes_of_the_benchmark_are_those_whose_label_is_not_void() -> None:
    names = {CITYSCAPES.class_names[class_id]: label for class_id, label in official_label_ids(CITYSCAPES).items()}
    assert names == {
        "car": 26, "person": 24, "rider": 25, "motorcycle": 32, "bicycle": 33, "bus": 28, "truck": 27, "train": 31
    }  # fmt: skip


def test_a_dataset_without_void_has_all_its_classes_in_order() -> None:
    catalogue = Catalogue(("background", "cat", "dog"), {7: 2, 5: 1}, frozenset())
    assert list(official_label_ids(catalogue).items()) == [(1, 5), (2, 7)]


def test_minimum_area_shrinks_with_the_image() -> None:
    assert scale_min_area((1024, 2048)) == 100
    assert scale_min_area((512, 1024)) == 25
