import numpy as np
import pytest

from maskrcnn.scoring.class_scores import ClassScores

NAN = float("nan")


def test_class_without_truth_is_left_out_of_the_mean():
    scores = ClassScores(np.array([[0.5, NAN, 1.0], [0.25, NAN, 0.25]]))
    assert scores.mean() == 0.5  # (0.5 + 1 + 0.25 + 0.25) / 4
    assert scores.mean(slice(1)) == 0.75
    assert scores.by_class() == pytest.approx([0.375, NAN, 0.625], nan_ok=True)


def test_no_truth_has_no_mean():
    assert np.isnan(ClassScores(np.full((2, 2), NAN)).mean())
