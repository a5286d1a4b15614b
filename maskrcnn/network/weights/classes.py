"""The classes of a file that carries their names, as ours do: the rows of the heads are in their order."""

from collections.abc import Sequence
from pathlib import Path

from maskrcnn.network.facts import BACKGROUND
from maskrcnn.network.weights.attributes import read_facts_of
from maskrcnn.network.weights.names import name_some
from maskrcnn.network.weights.tensors import open_file
from maskrcnn.project.errors import InputError

BY_NAME = "file"  # the `class_map` that takes over the classes of a file by the names it carries


def read_class_names(path: Path) -> tuple[str, ...] | None:
    """Returns the names of a file's classes, background first; None if it carries none.

    Raises:
        FileNotFoundError: if there is no such file, with the command that gets it.
        InputError: if it is no HDF5 file, or carries facts that are damaged.
    """
    with open_file(path) as file:
        facts = read_facts_of(file, path)
    return (BACKGROUND, *facts.class_names) if facts else None


def check_classes(path: Path, class_names: Sequence[str], hint: str) -> None:
    """Refuses a file that carries as many classes as the network has, but others, or in another order.

    Args:
        path: The file.
        class_names: Of the network, background first.
        hint: What helps, as a sentence.
    Raises:
        InputError: if so; names the first such classes.
    """
    theirs = read_class_names(path)
    if theirs is None or len(theirs) != len(class_names):
        return
    pairs = enumerate(zip(theirs, class_names, strict=True))
    if others := [f"class {number} {their} instead of {our}" for number, (their, our) in pairs if their != our]:
        raise InputError(f"`{path}` must hold the network's classes in their order; got {name_some(others)}. {hint}")


def map_by_name(class_names: Sequence[str], path: Path) -> dict[int, int]:
    """Returns the file's class id by ours, for the classes that both have under one name.

    Args:
        class_names: Ours, background first.
        path: The file.
    Raises:
        InputError: if it carries no names.
    """
    theirs = read_class_names(path)
    if theirs is None:
        raise InputError(
            f"`class_map` must be the set of classes of `{path}`, which carries no names; got {BY_NAME}. "
            "Files that this project writes carry them."
        )
    return {our_id: theirs.index(name) for our_id, name in enumerate(class_names) if name in theirs}
