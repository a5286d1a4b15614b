"""The coarse comparison: candidates at their best learning rates, who wins, and where to search on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from maskrcnn.project.config import Candidate
from maskrcnn.tuning.findings import shorten
from maskrcnn.tuning.runs import Run

ASPECTS = tuple(field.name for field in fields(Candidate))


@dataclass(frozen=True)
class SweptRate:
    """What came of one learning rate.

    Args:
        val_loss: The lowest of all epochs; None if the run diverged, or if no region met an object in any.
        epoch: The epoch that it belongs to, counted from 1.
        diverged_at_step: The step whose loss was NaN or infinite; None if none was.
    """

    learning_rate: float
    val_loss: float | None
    epoch: int | None
    diverged_at_step: int | None


@dataclass(frozen=True)
class Sweep:
    """One candidate at every learning rate."""

    candidate: Candidate
    rates: list[SweptRate]

    def finished(self) -> list[SweptRate]:
        """Returns the rates that have a loss, lowest rate first."""
        return sorted((rate for rate in self.rates if rate.val_loss is not None), key=lambda rate: rate.learning_rate)

    def best(self) -> SweptRate | None:
        """Returns the rate of lowest validation loss; None if none has any."""
        return min(self.finished(), key=loss_of, default=None)


@dataclass(frozen=True)
class Comparison:
    """Candidates that differ in one thing.

    Args:
        winner: The candidate of lowest validation loss.
        why: The figures, in words.
        best: Each candidate's best rate; None where none has a loss.
    """

    winner: str
    why: str
    best: dict[str, SweptRate | None]


@dataclass(frozen=True)
class Interval:
    """The learning rates between which one optimizer is searched on, and the figures that they follow from."""

    low: float
    high: float
    why: str


@dataclass(frozen=True)
class CoarseBest:
    """What the coarse comparison says.

    Args:
        winner: What won each comparison, put together.
        follows: Whether the final trainings are set to start and backbone of the winner.
        comparisons: By what is compared.
        intervals: By optimizer.
    """

    winner: Candidate
    follows: bool
    comparisons: dict[str, Comparison]
    intervals: dict[str, Interval]


def summarize(learning_rate: float, run: Run) -> SweptRate:
    """Returns the row of one run in its candidate's table."""
    if run.diverged_at_step is not None:
        return SweptRate(learning_rate, None, None, run.diverged_at_step)
    best = run.best()
    if best is None:
        return SweptRate(learning_rate, None, None, None)
    return SweptRate(learning_rate, shorten(best["val_loss"]), int(best["epoch"]), None)


def loss_of(rate: SweptRate) -> float:
    """Returns the validation loss of a rate that has one."""
    assert rate.val_loss is not None
    return rate.val_loss


def check_comparisons(comparisons: Mapping[str, Sequence[str]], candidates: Mapping[str, Candidate]) -> None:
    """Makes sure that a comparison says what its name promises.

    Raises:
        ValueError: if start, backbone or optimizer is not compared, or something else is; if a candidate is
            unknown; if candidates of a comparison differ in more than its name says, or not in that. Only the
            file that they start from may go with the backbone.
    """
    if set(comparisons) != set(ASPECTS):
        raise ValueError(f"`coarse.comparisons` must be {', '.join(ASPECTS)}; got {', '.join(comparisons)}.")
    for aspect, names in comparisons.items():
        if unknown := sorted(set(names) - candidates.keys()):
            raise ValueError(
                f"`coarse.comparisons.{aspect}` must name entries of `candidates`; got {', '.join(unknown)}."
            )
        values = {key: {getattr(candidates[name], key) for name in names} for key in ASPECTS}
        varying = [key for key in ASPECTS if len(values[key]) > 1 and (key, aspect) != ("start", "backbone")]
        if varying != [aspect]:
            raise ValueError(
                f"`coarse.comparisons.{aspect}` must hold candidates that differ in {aspect} alone; "
                f"got {', '.join(names)}, which differ in {', '.join(varying) or 'nothing'}."
            )


def compare(sweeps: Mapping[str, Sweep]) -> Comparison:
    """Returns which of some candidates reached the lowest validation loss, each at its best rate.

    Raises:
        ValueError: if no rate of any candidate has a loss.
    """
    best = {name: sweep.best() for name, sweep in sweeps.items()}
    ranked = sorted((loss_of(rate), name) for name, rate in best.items() if rate)
    if not ranked:
        raise ValueError(
            f"`coarse.learning_rates` must hold one at which {' or '.join(sweeps)} learns; add lower ones."
        )
    winner = ranked[0][1]
    others = [f"{name} {_describe(best[name])}" for name in best if name != winner]
    return Comparison(winner, f"{winner} {_describe(best[winner])}; {'; '.join(others)}", best)


def choose(comparisons: Mapping[str, Comparison], sweeps: Mapping[str, Sweep]) -> Candidate:
    """Returns what won each comparison, put together; nobody may have run that very candidate.

    Where the winning start went on into the comparison of backbones, the winner of that one names its file:
    the same weights may have another for each backbone.
    """
    won = {aspect: sweeps[comparisons[aspect].winner].candidate for aspect in ASPECTS}
    went_on = comparisons["start"].winner in comparisons["backbone"].best
    start = won["backbone" if went_on else "start"].start
    return Candidate(start, won["backbone"].backbone, won["optimizer"].optimizer)


def find_interval(optimizer: str, sweeps: Mapping[str, Sweep]) -> Interval:
    """Returns the best rate of an optimizer and the better of its two neighbours.

    The candidate that reached the lowest loss with this optimizer decides.

    Raises:
        ValueError: if none of its rates has a loss, or no neighbour of the best one.
    """
    ours = {name: sweep for name, sweep in sweeps.items() if sweep.candidate.optimizer == optimizer}
    name = compare(ours).winner
    rates = sorted(ours[name].rates, key=lambda rate: rate.learning_rate)
    best = rates.index(ours[name].best())  # type: ignore[arg-type]  # the winner has one
    around = [rates[i] for i in (best - 1, best + 1) if 0 <= i < len(rates) and rates[i].val_loss is not None]
    if not around:
        raise ValueError(
            f"`coarse.learning_rates` must hold two neighbours at which {name} learns; "
            f"got {rates[best].learning_rate:g} alone, add lower ones."
        )
    neighbour = min(around, key=loss_of)
    low, high = sorted((rates[best].learning_rate, neighbour.learning_rate))
    why = f"{name} {_describe(rates[best])}; its better neighbour {_describe(neighbour)}"
    return Interval(low, high, why)


def _describe(rate: SweptRate | None) -> str:
    return f"reached {rate.val_loss:g} at rate {rate.learning_rate:g}" if rate else "learned at no rate"
