import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.scoring.average_precision import (
    PerImageScores,
    average_precision,
    image_average_precisions,
    precision_recall,
    score_per_image,
)
from maskrcnn.scoring.matching import Matches

PUBLISHED = np.array([4, 3, 2, 1, -1, 0])  # truth found by each prediction, of 5 truths


def matches_of(truths, truth_class_ids, class_ids=None, ignored=None):
    """Matches at one threshold; of one class unless told."""
    count = len(truths)
    return Matches(
        class_ids=np.ones(count, int) if class_ids is None else np.array(class_ids, int),
        scores=np.linspace(1, 0, count),
        truths=np.array(truths, int).reshape(1, count),
        ignored=np.zeros((1, count), bool) if ignored is None else np.array([ignored], bool),
        truth_class_ids=np.array(truth_class_ids, int),
    )


def test_published_worked_example():
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
def test_small_curves(found, truth_count, expected):
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
def test_equals_brute_force(found, missed):
    truth_count = max(sum(found) + missed, 1)
    expected = area_by_rectangles(found, truth_count)
    assert average_precision(np.array(found, bool), truth_count) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 5))
def test_false_alarm_at_the_end_changes_nothing(found, missed):
    truth_count = sum(found) + missed
    longer = average_precision(np.array([*found, False], bool), truth_count)
    assert longer == average_precision(np.array(found, bool), truth_count)


def test_ignored_predictions_leave_the_curve():
    # The ignored alarm in front would halve the precision.
    matches = matches_of([-1, 0], [1], ignored=[True, False])
    assert image_average_precisions(matches).tolist() == [1.0]


def test_class_sees_its_own_predictions_and_truths():
    # Class 1: an alarm, then its truth: 1/2. Class 2: its truth at once: 1. Pooled: alarm, hit, hit: 2/3.
    matches = matches_of([-1, 0, 1], [1, 2], class_ids=[1, 1, 2])
    assert image_average_precisions(matches, 1).tolist() == [0.5]
    assert image_average_precisions(matches, 2).tolist() == [1.0]
    assert np.allclose(image_average_precisions(matches), [2 / 3])


def test_means_and_counts():
    images = [
        matches_of([0], [1]),  # AP 1
        matches_of([], [1, 2]),  # truth without prediction: AP 0
        matches_of([-1], []),  # no truth: no AP, whatever is predicted
    ]
    scores = score_per_image(images, 4)
    assert (scores.images, scores.images_without_truth) == (3, 1)
    assert scores.ap.tolist() == [0.5]  # (1 + 0) / 2
    # Class 1 is in two images and found in one, class 2 is missed, class 3 is nowhere.
    assert scores.class_ap.tolist() == [[0, 0.5, 0, 0]]
    assert scores.class_images.tolist() == [0, 2, 1, 0]


def test_no_truth_at_all():
    scores = score_per_image([matches_of([-1], [])], 2)
    assert scores.ap.tolist() == [0.0] and scores.images_without_truth == 1


# The table of 2021, a row for each IoU: base, flip, flip_crop, unfreeze_backbone, freeze_rpn_fpn.
PUBLISHED_AP = np.array(
    [
        [0.587, 0.611, 0.615, 0.608, 0.623],
        [0.566, 0.586, 0.590, 0.581, 0.602],
        [0.534, 0.549, 0.546, 0.544, 0.567],
        [0.487, 0.500, 0.488, 0.496, 0.508],
        [0.430, 0.437, 0.416, 0.434, 0.444],
        [0.352, 0.360, 0.338, 0.360, 0.362],
        [0.274, 0.270, 0.250, 0.280, 0.275],
        [0.187, 0.185, 0.171, 0.190, 0.188],
        [0.099, 0.095, 0.085, 0.106, 0.100],
        [0.001, 0.000, 0.000, 0.003, 0.001],
    ]
)
PUBLISHED_RAP = [0.352, 0.360, 0.350, 0.360, 0.367]


@pytest.mark.parametrize("variant", range(5))
def test_published_rap_follows_from_the_published_ap(variant):
    scores = PerImageScores(
        ap=PUBLISHED_AP[:, variant],
        class_ap=np.zeros((10, 11)),
        class_images=np.zeros(11, int),
        images=174,
        images_without_truth=0,
    )
    # Both are rounded to three digits: the mean of the APs is off by up to 0.0005, and so is rAP.
    assert scores.range_ap == pytest.approx(PUBLISHED_RAP[variant], abs=0.001)
