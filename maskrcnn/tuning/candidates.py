"""The coarse comparison of candidates: who wins, and between which learning rates to search further."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from maskrcnn.project.config import Candidate, Hyperband, Model, Variant
from maskrcnn.project.errors import InputError
from maskrcnn.tuning.findings import format_losses, note_tie
from maskrcnn.tuning.sweeps import Sweep, SweptRate

ASPECTS = tuple(field.name for field in fields(Candidate))


@dataclass(frozen=True)
class Comparison:
    """Candidates that differ in one aspect.

    Args:
        winner: The candidate of lowest validation loss; the first listed one of a tie.
        why: The figures, in words.
        best: Each candidate's best rate, its loss with the digits of `why`; None where no rate has a loss.
    """

    winner: str
    why: str
    best: dict[str, SweptRate | None]


@dataclass(frozen=True)
class Interval:
    """The learning rates between which one optimizer is searched further, and the figures behind them, in words."""

    low: float
    high: float
    why: str


@dataclass(frozen=True)
class CoarseBest:
    """The result of the coarse comparison.

    Args:
        winner: The winning start, backbone and optimizer, put together.
        follows: Whether search and final trainings are set to start and backbone of the winner.
        comparisons: By aspect.
        intervals: By optimizer.
    """

    winner: Candidate
    follows: bool
    comparisons: dict[str, Comparison]
    intervals: dict[str, Interval]


def compare(sweeps: Mapping[str, Sweep]) -> Comparison:
    """Compares candidates, each at its best rate, by their unrounded losses.

    Raises:
        InputError: if no rate of any candidate has a loss.
    """
    best = {name: sweep.best() for name, sweep in sweeps.items()}
    losses = {name: rate.loss for name, rate in best.items() if rate}
    if not losses:
        raise InputError(
            f"`coarse.learning_rates` must hold one at which {' or '.join(sweeps)} learns; add lower ones."
        )
    shown = dict(zip(losses, format_losses(list(losses.values())), strict=True))
    winner = min(losses, key=lambda name: losses[name])  # the first listed of equal ones
    words = []
    for name in sorted(best, key=lambda name: name != winner):  # the winner first, the others as listed
        rate = best[name]
        words.append(
            f"{name} reached {shown[name]} at rate {rate.learning_rate:g}" if rate else f"{name} learned at no rate"
        )
    words[-1] += note_tie(losses.values(), "the first listed wins")
    rounded = {name: replace(rate, val_loss=float(shown[name])) if rate else None for name, rate in best.items()}
    return Comparison(winner, "; ".join(words), rounded)


def choose(comparisons: Mapping[str, Comparison], sweeps: Mapping[str, Sweep]) -> Candidate:
    """Puts the winners of the comparisons together; no candidate need be this combination.

    If the winning start was also used in the comparison of backbones, the winner of that one names the file:
    the same weights have a file for each backbone.
    """
    won = {aspect: sweeps[comparisons[aspect].winner].candidate for aspect in ASPECTS}
    is_shared = comparisons["start"].winner in comparisons["backbone"].best
    start = won["backbone" if is_shared else "start"].start
    return Candidate(start, won["backbone"].backbone, won["optimizer"].optimizer)


def find_interval(optimizer: str, sweeps: Mapping[str, Sweep]) -> Interval:
    """Returns the best rate of an optimizer and the better of its two neighbours.

    Taken from the candidate that reached the lowest loss with this optimizer. Of equal neighbours it is the lower.

    Raises:
        InputError: if none of its rates has a loss, or no neighbour of the best one.
    """
    ours = {name: sweep for name, sweep in sweeps.items() if sweep.candidate.optimizer == optimizer}
    name = compare(ours).winner
    rates, best = ours[name].sorted_rates(), ours[name].best()
    assert best is not None
    place = rates.index(best)
    around = [rates[i] for i in (place - 1, place + 1) if 0 <= i < len(rates) and rates[i].val_loss is not None]
    if not around:
        raise InputError(
            f"`coarse.learning_rates` must hold two neighbours at which {name} learns; "
            f"got {best.learning_rate:g} alone, add lower ones."
        )
    neighbour = min(around, key=lambda rate: rate.loss)
    low, high = sorted((best.learning_rate, neighbour.learning_rate))
    shown, shown_neighbour, *_ = format_losses([best.loss, neighbour.loss, *(rate.loss for rate in around)])
    why = (
        f"{name} reached {shown} at rate {best.learning_rate:g}; "
        f"its better neighbour reached {shown_neighbour} at rate {neighbour.learning_rate:g}"
    )
    return Interval(low, high, why + note_tie([rate.loss for rate in around], "the lower rate wins"))


def find_changes(
    winner: Candidate, model: Model, hyperband: Hyperband, variants: Mapping[str, Variant]
) -> dict[str, str]:
    """Returns the keys of params.yaml to change so that search and final trainings use the winner, with their values.

    Args:
        winner: Start and backbone to use.
        model, hyperband: Sections of params.yaml.
        variants: Those that start from the same file as `base` change with it.
    """
    starts = {"hyperband.start": hyperband.start}
    base = variants["base"].start
    starts |= {f"variants.{name}.start": base for name, variant in variants.items() if variant.start == base}
    changes = {key: winner.start for key, start in starts.items() if start != winner.start}
    if model.backbone != winner.backbone:
        changes["model.backbone"] = winner.backbone
    return changes
