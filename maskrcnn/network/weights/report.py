"""What became of every tensor when a file was loaded."""

from dataclasses import dataclass, field


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
