"""The error about a file that does not fit a network."""

from collections.abc import Iterable
from pathlib import Path

from maskrcnn.network.weights.architecture import Architecture
from maskrcnn.network.weights.names import NAMED, name_some
from maskrcnn.network.weights.report import Report
from maskrcnn.project.errors import InputError

AS_START = (
    "Run the stage that makes the file again. A file from elsewhere needs a section of `weights` in params.yaml, "
    "of which `dvc repro weights` makes start weights (docs/weights.md)."
)


def refuse_misfit(
    path: Path, report: Report, faults: Iterable[str], theirs: Architecture, ours: Architecture, hint: str
) -> None:
    """Raises one error with all that does not fit, if anything does not.

    Args:
        path: The file.
        report: What would become of every tensor.
        faults: The lists of the report that must be empty.
        theirs: What the file holds.
        ours: What the network is.
        hint: What helps, as a sentence.
    Raises:
        InputError: naming the file, what it holds, three tensors and the number of the others.
    """
    found, left = [], NAMED
    for fault in faults:
        if names := getattr(report, fault):
            found.append(f"{fault} {name_some(names, left)}")
            left -= min(left, len(names))
    if found:
        other = f"{theirs.describe()}: " if theirs != ours else ""
        raise InputError(
            f"`{path}` must hold the weights of this network, {ours.describe()}; got {other}{'; '.join(found)}. {hint}"
        )


def advise_start(theirs: Architecture, ours: Architecture) -> str:
    """Returns which setting makes start weights of the file, as a sentence."""
    advice = []
    if theirs.block_counts != ours.block_counts and theirs.backbone:
        advice.append(f"set `backbone: {theirs.backbone}`, or list `blocks` in `fresh` if the file has too few of them")
    if absent := [part for part in ours.parts if part not in theirs.parts]:
        advice.append(f"list {', '.join(absent)} in `fresh`, to be drawn at random")
    if not advice:
        return "Set the section `model` to what the file was trained with."
    sentence = "; ".join(advice)
    return f"{sentence[0].upper()}{sentence[1:]}."
