"""Matches of predictions and truths: worked examples, and a second implementation on random overlaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.scoring.matches import IOU_THRESHOLDS, UNMATCHED, judge, match
from maskrcnn.scoring.overlaps import Overlaps
from tests.scoring.scenes import make_scene, scenes


def overlaps_of(shared, areas, truth_areas, class_ids=1, truth_class_ids=1, scores=None, crowd_pixels=0):
    """Overlaps from the numbers that matter; one class, falling scores and no crowd unless told."""
    count, truth_count = len(areas), len(truth_areas)
    return Overlaps(
        class_ids=np.broadcast_to(class_ids, count).astype(int),
        scores=np.linspace(1, 0, count) if scores is None else np.array(scores, float),
        areas=np.array(areas, int),
        boxes_px=np.zeros((count, 4)),
        truth_boxes_px=np.zeros((truth_count, 4), int),
        truth_ids=np.arange(truth_count) + 26000,
        truth_class_ids=np.broadcast_to(truth_class_ids, truth_count).astype(int),
        truth_areas=np.array(truth_areas, int),
        intersections=np.array(shared, int).reshape(count, truth_count),
        crowd_pixels=np.broadcast_to(crowd_pixels, count).astype(int),
        crowd_areas=np.zeros(count, int),
        void_pixels=np.zeros(count, int),
    )


def at_half(overlaps):
    matches = match(overlaps, np.array([0.5]))
    return matches.truths[0].tolist(), matches.ignored[0].tolist()


def test_truth_found_by_the_first_prediction_is_locked() -> None:
    # Both cover the truth of 10 pixels whole: the better score takes it, the duplicate finds nothing.
    assert at_half(overlaps_of([[10], [10]], [10, 10], [10]))[0] == [0, -1]


def test_predictions_come_in_order_of_score() -> None:
    matches = match(overlaps_of([[0], [10]], [10, 10], [10], scores=[0.2, 0.9]))
    assert matches.scores.tolist() == [0.9, 0.2] and matches.truths[0].tolist() == [0, -1]


def test_equal_scores_keep_their_order() -> None:
    # The first overlaps less (9 of 11) than the second (10 of 10), but comes first.
    overlaps = overlaps_of([[9], [10]], [10, 10], [10], scores=[0.5, 0.5])
    assert at_half(overlaps)[0] == [0, -1]


def test_taken_truth_leaves_the_second_best() -> None:
    # IoUs 0.9 and 0.5 for both: the first takes truth 0, the second is left with 10 / (10 + 20 - 10).
    overlaps = overlaps_of([[18, 10], [18, 10]], [20, 20], [18, 10])
    assert at_half(overlaps)[0] == [0, 1]


def test_threshold_is_reached_by_equality() -> None:
    assert at_half(overlaps_of([[10]], [20], [10]))[0] == [0]  # 10 / 20 = 0.5
    assert at_half(overlaps_of([[9]], [19], [10]))[0] == [-1]  # 9 / 20
    # 13 / 20 = 0.65 exactly on the fourth threshold, whatever binary fractions say
    assert (match(overlaps_of([[13]], [20], [13])).truths[:, 0] == 0).tolist() == [True] * 4 + [False] * 6


def test_other_class_finds_nothing() -> None:
    assert at_half(overlaps_of([[10]], [10], [10], class_ids=[2]))[0] == [-1]


def test_prediction_mostly_in_a_crowd_is_ignored_unless_it_finds_a_truth() -> None:
    # 6 of 10 pixels in the crowd: ignored; 5 of 10: not mostly; 6 of 16 while finding the truth of 10: kept.
    overlaps = overlaps_of([[0], [0], [10]], [10, 10, 16], [10], crowd_pixels=[6, 5, 6])
    assert at_half(overlaps) == ([-1, -1, 0], [True, False, False])


def test_nothing_on_either_side() -> None:
    assert match(overlaps_of([], [], [5])).truths.shape == (10, 0)
    assert match(overlaps_of([[]], [5], [])).truths.tolist() == [[-1]] * 10


def brute_force(overlaps, threshold):
    """Walks over predictions and truths one by one, on its own arithmetic."""
    found, taken = [], set()
    for _, index in sorted((-score, index) for index, score in enumerate(overlaps.scores)):
        options = []
        for truth in range(len(overlaps.truth_ids)):
            shared = overlaps.intersections[index, truth]
            iou = shared / (overlaps.areas[index] + overlaps.truth_areas[truth] - shared)
            if overlaps.class_ids[index] == overlaps.truth_class_ids[truth] and truth not in taken:
                options.append((-iou, truth))
        best_iou, best = min(options, default=(0, None))
        found.append(best if best is not None and -best_iou >= threshold else -1)
        taken |= {found[-1]}
    return found


@st.composite
def random_overlaps(draw):
    count, truth_count = draw(st.integers(0, 6)), draw(st.integers(0, 4))
    whole = lambda low, high, size: draw(st.lists(st.integers(low, high), min_size=size, max_size=size))  # noqa: E731
    truth_areas = whole(1, 8, truth_count)
    shared = [[min(draw(st.integers(0, 8)), area) for area in truth_areas] for _ in range(count)]
    extra = whole(0, 4, count)
    return overlaps_of(
        shared,
        [sum(row) + more for row, more in zip(shared, extra, strict=True)],
        truth_areas,
        whole(1, 2, count),
        whole(1, 2, truth_count),
        [draw(st.sampled_from([0.1, 0.5, 0.9])) for _ in range(count)],
    )


@settings(max_examples=50)
@given(random_overlaps(), st.sampled_from([0.1, 0.3, 0.5, 0.75]))
def test_equals_brute_force(overlaps, threshold) -> None:
    assert match(overlaps, np.array([threshold])).truths[0].tolist() == brute_force(overlaps, threshold)


@settings(max_examples=50)
@given(random_overlaps())
def test_thresholds_do_not_see_each_other(overlaps) -> None:
    together = match(overlaps, IOU_THRESHOLDS).truths
    apart = [match(overlaps, IOU_THRESHOLDS[[index]]).truths[0] for index in range(10)]
    assert np.array_equal(together, apart)


@pytest.mark.parametrize("index", range(10))
def test_thresholds_are_the_nearest_fractions(index) -> None:
    assert IOU_THRESHOLDS[index] == float(f"0.{50 + 5 * index}")


def verdicts_on(segments, found, min_score=0.5):
    return judge(make_scene(segments, found).overlaps(), min_score)


def test_each_verdict() -> None:
    # Truths: car 0, car 1; the second is covered by a person. A crowd of persons; an alarm on the road.
    segments = [(26000, 60), (26001, 60), (24, 60)]
    found = [(300, 360, 1, 0.7), (0, 60, 1, 0.9), (60, 120, 2, 0.8), (120, 180, 2, 0.6)]
    assert verdicts_on(segments, found) == ([(1, 0)], [1], [2, 0], [3])


def test_uncertain_predictions_do_not_exist() -> None:
    assert verdicts_on([(26000, 60)], [(0, 60, 1, 0.5)]) == ([(0, 0)], [], [], [])
    assert verdicts_on([(26000, 60)], [(0, 60, 1, 0.49)]) == ([], [0], [], [])


def test_a_hit_shares_half_with_the_truth() -> None:
    assert verdicts_on([(26000, 60)], [(0, 30, 1, 0.9)]).hits == [(0, 0)]  # IoU 0.5
    assert verdicts_on([(26000, 60)], [(0, 29, 1, 0.9)]) == ([], [0], [0], [])


def test_nothing_at_all() -> None:
    assert verdicts_on([], []) == ([], [], [], [])


@settings(max_examples=50)
@given(scenes(), st.sampled_from([0.0, 0.25, 0.5]))
def test_every_object_has_one_verdict_and_hits_are_those_of_the_scores(scene, min_score) -> None:
    overlaps = scene.overlaps()
    hits, missed, alarms, ignored = judge(overlaps, min_score)
    judged = [prediction for prediction, _ in hits] + alarms + ignored
    assert sorted(judged) == np.flatnonzero(overlaps.scores >= min_score).tolist()
    assert sorted([truth for _, truth in hits] + missed) == list(range(len(overlaps.truth_ids)))
    if min_score == 0:
        matches = match(overlaps)
        assert len(hits) == np.count_nonzero(matches.truths[0] != UNMATCHED)
        assert len(ignored) == np.count_nonzero(matches.ignored[0])
