"""The table of a search and its best lines."""

import pytest

from maskrcnn.project.config import Hyperparameters
from maskrcnn.tuning.trials import Trial, find_best


def trial(number: int, rate: float, val_loss: float | None, failure: str | None = None) -> Trial:
    return Trial(number, 1, 0, 0, 2, Hyperparameters("sgd", rate, 0.9, 1e-3), val_loss, failure)


def test_the_two_best_configurations_are_found_best_first() -> None:
    trials = [trial(0, 1e-3, 3.0), trial(1, 1e-4, 1.0), trial(2, 1e-5, 2.0), trial(3, 1e-6, 4.0)]
    assert find_best(trials) == [trials[1], trials[2]]


def test_a_promoted_trial_and_its_parent_are_one_configuration() -> None:
    trials = [trial(0, 1e-3, 2.0), trial(1, 1e-4, 3.0), trial(2, 1e-3, 1.0)]
    assert find_best(trials) == [trials[2], trials[1]]


def test_a_failed_trial_is_never_the_best() -> None:
    trials = [trial(0, 1e-3, None, "diverged at step 3"), trial(1, 1e-4, 5.0)]
    assert find_best(trials) == [trials[1]]


def test_a_search_in_which_all_fail_says_why() -> None:
    trials = [trial(0, 1e-3, None, "diverged at step 3"), trial(1, 1e-4, None, "MemoryError: ")]
    with pytest.raises(
        ValueError, match=r"`search` must hold a trial that ends; all 2 failed, e\.g\. diverged at step 3"
    ):
        find_best(trials)


def test_losses_are_compared_unrounded_and_of_equal_trials_the_first_is_taken() -> None:
    trials = [trial(0, 1e-3, 1.00001), trial(1, 1e-4, 1.0), trial(2, 1e-5, 1.0)]
    assert find_best(trials) == [trials[1], trials[2]]
    assert find_best(trials[::-1]) == [trials[2], trials[1]]
