"""Babysitting: whether the losses on the images that are learned from fall far enough."""

from collections.abc import Mapping
from dataclasses import dataclass

from maskrcnn.project.errors import InputError
from maskrcnn.tuning.training_runs import TrainingRun

DIGITS = 4  # of the figures in the verdict


@dataclass(frozen=True)
class LearningVerdict:
    """The losses before and after babysitting, on the images that were learned from.

    Args:
        learns: Whether the sum of the losses fell far enough.
        falls: The share by which each loss fell; None for a loss that was 0.
        before: The losses before the first step.
        after: The losses after the last epoch.
    """

    learns: bool
    falls: dict[str, float | None]
    before: dict[str, float]
    after: dict[str, float]


def judge_learning(before: Mapping[str, float], training_run: TrainingRun, fall: float) -> LearningVerdict:
    """Returns the verdict on a run in which the loss fell far enough.

    Args:
        before: The losses before the first step.
        training_run: The epochs that followed.
        fall: Share by which the loss must fall.
    Raises:
        InputError: if the loss diverged or did not fall far enough; names the losses that did not fall.
    """
    if training_run.diverged_at_step is not None:
        raise InputError(
            f"`loss` must fall by {fall:.0%} while babysitting; it diverged at step {training_run.diverged_at_step}, "
            "lower `babysit.hyperparameters.learning_rate`."
        )
    after = {name: training_run.rows[-1][f"val_{name}"] for name in before}
    falls = {name: _round(1 - after[name] / before[name]) if before[name] else None for name in before}
    if not after["loss"] <= (1 - fall) * before["loss"]:
        stuck = ", ".join(sorted(name for name in before if name != "loss" and after[name] >= before[name]))
        raise InputError(
            f"`loss` must fall by {fall:.0%} while babysitting; got {falls['loss']:.0%}, from {before['loss']:.3f} to "
            f"{after['loss']:.3f}; {f'{stuck} did not fall' if stuck else 'every loss fell, but not far enough'}."
        )
    return LearningVerdict(
        learns=True,
        falls=falls,
        before={name: _round(loss) for name, loss in before.items()},
        after={name: _round(loss) for name, loss in after.items()},
    )


def _round(value: float) -> float:
    """Returns the value with a few significant digits."""
    return float(f"{value:.{DIGITS}g}")
