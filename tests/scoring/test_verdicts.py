import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.scoring.matching import UNMATCHED, match
from maskrcnn.scoring.verdicts import judge
from tests.scoring.scenes import make_scene, scenes


def verdicts_on(segments, found, min_score=0.5):
    return judge(make_scene(segments, found).overlaps(), min_score)


def test_each_verdict():
    # Truths: car 0, car 1; the second is covered by a person. A crowd of persons; an alarm on the road.
    segments = [(26000, 60), (26001, 60), (24, 60)]
    found = [(300, 360, 1, 0.7), (0, 60, 1, 0.9), (60, 120, 2, 0.8), (120, 180, 2, 0.6)]
    assert verdicts_on(segments, found) == ([(1, 0)], [1], [2, 0], [3])


def test_uncertain_predictions_do_not_exist():
    assert verdicts_on([(26000, 60)], [(0, 60, 1, 0.5)]) == ([(0, 0)], [], [], [])
    assert verdicts_on([(26000, 60)], [(0, 60, 1, 0.49)]) == ([], [0], [], [])


def test_a_hit_shares_half_with_the_truth():
    assert verdicts_on([(26000, 60)], [(0, 30, 1, 0.9)]).hits == [(0, 0)]  # IoU 0.5
    assert verdicts_on([(26000, 60)], [(0, 29, 1, 0.9)]) == ([], [0], [0], [])


def test_nothing_at_all():
    assert verdicts_on([], []) == ([], [], [], [])


@settings(max_examples=50)
@given(scenes(), st.sampled_from([0.0, 0.25, 0.5]))
def test_every_object_has_one_verdict_and_hits_are_those_of_the_scores(scene, min_score):
    overlaps = scene.overlaps()
    hits, missed, alarms, ignored = judge(overlaps, min_score)
    judged = [prediction for prediction, _ in hits] + alarms + ignored
    assert sorted(judged) == np.flatnonzero(overlaps.scores >= min_score).tolist()
    assert sorted([truth for _, truth in hits] + missed) == list(range(len(overlaps.truth_ids)))
    if min_score == 0:
        matches = match(overlaps)
        assert len(hits) == np.count_nonzero(matches.truths[0] != UNMATCHED)
        assert len(ignored) == np.count_nonzero(matches.ignored[0])
