"""Confusion of classes: worked examples and laws on random scenes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.scoring.confusion import count_confusions, find_confusions, rank_confusions
from tests.scoring.scenes import make_scene, scenes


def confuse(*split, min_score=0.5):
    return count_confusions([scene.overlaps() for scene in split], 10, min_score)


def test_worked_example() -> None:
    # A car found as car, a person taken for a car, a missed person, a car on the road; another below 0.5.
    segments = [(26000, 60), (24000, 60), (24001, 60)]
    found = [(0, 60, 1, 0.9), (60, 120, 1, 0.8), (300, 360, 1, 0.7), (400, 460, 1, 0.4)]
    counts = confuse(make_scene(segments, found))
    assert {(row, column): counts[row, column] for row, column in np.argwhere(counts)} == {
        (1, 1): 1,
        (2, 1): 1,
        (2, 0): 1,
        (0, 1): 1,
    }


def test_better_score_takes_the_truth_whatever_its_class() -> None:
    # The rider's place is predicted twice, as class 2 and, surer, as class 1.
    counts = confuse(make_scene([(24000, 60)], [(0, 60, 2, 0.6), (0, 60, 1, 0.9)]))
    assert counts[2, 1] == 1 and counts[0, 2] == 1 and counts.sum() == 2


def test_prediction_mostly_in_its_crowd_is_left_out() -> None:
    assert confuse(make_scene([(26, 60)], [(0, 61, 1, 0.9)])).sum() == 0
    assert confuse(make_scene([(24, 60)], [(0, 61, 1, 0.9)]))[0, 1] == 1


def test_images_add_up() -> None:
    scene = make_scene([(26000, 60)], [])
    assert confuse(scene, scene)[1, 0] == 2
    assert confuse().sum() == 0


@settings(max_examples=30)
@given(st.lists(scenes(), max_size=3), st.sampled_from([0.0, 0.25, 0.5]))
def test_every_truth_is_in_its_row_and_no_prediction_counts_twice(split, min_score) -> None:
    counts = confuse(*split, min_score=min_score)
    overlaps = [scene.overlaps() for scene in split]
    for class_id in range(1, 10):
        assert counts[class_id].sum() == sum((image.truth_class_ids == class_id).sum() for image in overlaps)
        predicted = sum(((image.class_ids == class_id) & (image.scores >= min_score)).sum() for image in overlaps)
        assert counts[:, class_id].sum() <= predicted


def test_pairs_are_ranked_by_how_often_they_occur() -> None:
    counts = np.zeros((4, 4), int)
    counts[2, 2], counts[0, 1], counts[3, 0] = 9, 8, 7  # right, a false alarm and a miss: no confusions
    counts[1, 2], counts[2, 1], counts[3, 1] = 1, 3, 3
    assert rank_confusions(counts, 9) == [(2, 1), (3, 1), (1, 2)]
    assert rank_confusions(counts, 1) == [(2, 1)]
    assert rank_confusions(np.eye(4, dtype=int), 2) == []


def test_confusions_are_found_the_surest_first() -> None:
    person, car = [(24000, 60)], [(26000, 60)]
    images = [
        make_scene(person, [(0, 60, 1, 0.7)]),
        make_scene(car, [(0, 60, 2, 0.9)]),
        make_scene(person, [(300, 360, 1, 0.8), (0, 60, 1, 0.9)]),
        make_scene(person, [(0, 60, 1, 0.4)]),
    ]
    overlaps = [scene.overlaps() for scene in images]
    assert find_confusions(overlaps, 2, 1, 0.5, 9) == [(2, 1, 0), (0, 0, 0)]
    assert find_confusions(overlaps, 2, 1, 0.5, 1) == [(2, 1, 0)]
    assert find_confusions(overlaps, 1, 2, 0.5, 9) == [(1, 0, 0)]
    assert find_confusions(overlaps, 2, 3, 0.5, 9) == []


@settings(max_examples=30)
@given(st.lists(scenes(), max_size=3))
def test_as_many_are_found_as_were_counted(split) -> None:
    overlaps = [scene.overlaps() for scene in split]
    counts = count_confusions(overlaps, 10, 0.5)
    for actual, predicted in rank_confusions(counts, 100):
        assert len(find_confusions(overlaps, actual, predicted, 0.5, 100)) == counts[actual, predicted]
