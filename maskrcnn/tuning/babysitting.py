"""Babysitting: the verdict whether a network learns at all."""

from collections.abc import Mapping
from dataclasses import dataclass

from maskrcnn.tuning.findings import shorten
from maskrcnn.tuning.runs import Run


@dataclass(frozen=True)
class Verdict:
    """The losses on the images that were learned from.

    Args:
        learns: Whether the whole loss fell far enough.
        falls: By what share each loss fell; None for one that was 0.
        before: The losses before the first step.
        after: Those after the last epoch.
    """

    learns: bool
    falls: dict[str, float | None]
    before: dict[str, float]
    after: dict[str, float]


def judge(before: Mapping[str, float], run: Run, fall: float) -> Verdict:
    """Returns the verdict on a run that learned.

    Args:
        before: The losses before the first step.
        run: What followed.
        fall: Share by which the loss must fall.
    Raises:
        ValueError: if the loss diverged or did not fall far enough; names the parts that did not fall.
    """
    if run.diverged_at_step is not None:
        raise ValueError(
            f"`loss` must fall by {fall:.0%} while babysitting; it diverged at step {run.diverged_at_step}, "
            "lower `babysit.hyperparameters.learning_rate`."
        )
    after = {name: run.rows[-1][f"val_{name}"] for name in before}
    falls = {name: shorten(1 - after[name] / before[name]) if before[name] else None for name in before}
    if not after["loss"] <= (1 - fall) * before["loss"]:
        stuck = ", ".join(sorted(name for name in before if name != "loss" and after[name] >= before[name]))
        raise ValueError(
            f"`loss` must fall by {fall:.0%} while babysitting; got {falls['loss']:.0%}, from {before['loss']:.3f} to "
            f"{after['loss']:.3f}; {f'{stuck} did not fall' if stuck else 'every part fell, though too little'}."
        )
    return Verdict(True, falls, _shorten(before), _shorten(after))


def _shorten(losses: Mapping[str, float]) -> dict[str, float]:
    return {name: shorten(loss) for name, loss in losses.items()}
