"""Lines of a report, and how they are printed."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

NAME_WIDTH = 24  # of the first column; longer names push the second one


@dataclass(frozen=True)
class Finding:
    """One line of the report; with advice where something is missing."""

    name: str
    value: str
    advice: str = ""


def print_findings(findings: Sequence[Finding]) -> int:
    """Prints the lines and what to do; returns 1 if something must be done, else 0."""
    console = Console(soft_wrap=True, highlight=False, markup=False)  # lines are never cropped
    for finding in findings:
        style = "red" if finding.advice else None
        console.print(f"{finding.name:<{NAME_WIDTH}} {finding.value}", style=style)
        if finding.advice:
            console.print(f"    {finding.advice}", style=style)
    missing = sum(bool(finding.advice) for finding in findings)
    console.print(f"{missing} of these must be mended." if missing else "Nothing is missing.")
    return int(missing > 0)
