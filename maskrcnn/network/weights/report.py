"""What became of every tensor when a file was loaded."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from maskrcnn.project.errors import InputError


@dataclass
class Report:
    """What became of every tensor, as paths in Matterport's layout.

    Args:
        layout: That of the file.
        loaded: Read into a variable.
        mapped: Class-dependent tensors of which the classes that both sets have were read.
        zeroed: Biases that the file's convolutions do not have, and the batch norm that turns a fresh block off.
        skipped: Class-dependent tensors left as they were, because the file has other classes.
        fresh: Left as they were, because the file was allowed not to hold them.
        missing: Variables without a tensor.
        misshapen: Tensors of another shape, with both shapes.
        unused: Tensors that no variable asked for, by their own names.
    """

    layout: str
    loaded: list[str] = field(default_factory=list)
    mapped: list[str] = field(default_factory=list)
    zeroed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def refuse(self, path: Path, faults: Iterable[str]) -> None:
        """Raises one error with all that is wrong, if anything is.

        Args:
            path: The file.
            faults: The lists that must be empty.
        Raises:
            InputError: naming the file and every tensor in those lists.
        """
        found = [f"{fault} {', '.join(names)}" for fault in faults if (names := getattr(self, fault))]
        if found:
            raise InputError(f"`{path}` must hold the weights of this network; got {'; '.join(found)}.")
