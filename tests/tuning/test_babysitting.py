"""The verdict whether a network learns."""

import math

import pytest

from maskrcnn.tuning.babysitting import judge_learning
from maskrcnn.tuning.training_runs import TrainingRun

BEFORE = {"loss": 4.0, "class_loss": 2.5, "box_loss": 1.5, "mask_loss": 0.0}


def run(loss: float, class_loss: float, box_loss: float, mask_loss: float) -> TrainingRun:
    """Returns a run of two epochs that ends with these losses."""
    losses = {"val_loss": loss, "val_class_loss": class_loss, "val_box_loss": box_loss, "val_mask_loss": mask_loss}
    return TrainingRun([{"epoch": 1, **dict.fromkeys(losses, 0.01)}, {"epoch": 2, **losses}])


def test_a_loss_that_falls_far_enough_is_learning() -> None:
    # 4 -> 1.6 is a fall of 60 %, 2.5 -> 0.5 of 80 %, 1.5 -> 1.1 of 26.67 %; a loss that was 0 has no share
    verdict = judge_learning(BEFORE, run(1.6, 0.5, 1.1, 0.3), 0.6)
    assert verdict.learns
    assert verdict.falls == {"loss": 0.6, "class_loss": 0.8, "box_loss": 0.2667, "mask_loss": None}
    assert verdict.before == BEFORE
    assert verdict.after == {"loss": 1.6, "class_loss": 0.5, "box_loss": 1.1, "mask_loss": 0.3}


def test_a_loss_that_does_not_fall_far_enough_fails_and_names_the_losses() -> None:
    rule = r"`loss` must fall by 60%.*; got 50%, from 4\.000 to 2\.000; box_loss, mask_loss did not fall\."
    with pytest.raises(ValueError, match=rule):
        judge_learning(BEFORE, run(2.0, 0.2, 1.5, 0.3), 0.6)


def test_losses_that_all_fall_too_little_fail_too() -> None:
    with pytest.raises(ValueError, match=r"got 50%.*every loss fell, but not far enough"):
        judge_learning({"loss": 4.0, "class_loss": 4.0}, TrainingRun([{"val_loss": 2.0, "val_class_loss": 2.0}]), 0.6)


def test_a_loss_that_is_no_number_is_no_fall() -> None:
    with pytest.raises(ValueError, match="`loss` must fall"):
        judge_learning({"loss": 4.0}, TrainingRun([{"val_loss": math.nan}]), 0.6)


def test_divergence_fails() -> None:
    with pytest.raises(ValueError, match=r"diverged at step 7, lower `babysit\.hyperparameters\.learning_rate`"):
        judge_learning(BEFORE, TrainingRun([], diverged_at_step=7), 0.6)
