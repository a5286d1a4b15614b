"""Limits on a YAML file, checked before its values are built, so that no file takes much time or memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

from maskrcnn.project.errors import InputError

MOST_BYTES = 64_000
MOST_VALUES = 10_000  # with the values that aliases repeat
MOST_LEVELS = 20  # of sections and lists in each other
MOST_CHARACTERS = 1000  # of one value; numbers of more than 4300 digits are an error in Python


def read_limited(path: Path) -> bytes:
    """Returns the content of a YAML file after checking its size.

    Args:
        path: The file.

    Raises:
        InputError: if the file is larger than `MOST_BYTES`, nested too deep, or if its aliases multiply.
        YAMLError: if the file is not YAML.
    """
    if (size := path.stat().st_size) > MOST_BYTES:
        raise InputError(f"`{path}` must have at most {MOST_BYTES} bytes; got {size}.")
    content = path.read_bytes()
    _check_events(YAML(typ="safe", pure=True).parse(content), path)
    return content


def _check_events(events: Iterable[Any], path: Path) -> None:
    """Refuses a file whose values are too many, too long or nested too deep, or that uses an anchor twice.

    Args:
        events: What the parser finds, in the order of the file.
        path: The file, for the errors.
    """
    anchors: set[str] = set()
    sizes: dict[str, int] = {}  # values below each anchor, which an alias repeats
    levels = [(None, 0)]  # the anchor of each open section or list, and the values found in it so far
    for event in events:
        if isinstance(event, CollectionStartEvent | ScalarEvent) and event.anchor is not None:
            if event.anchor in anchors:
                raise InputError(f"`{path}` must have every anchor once; got &{event.anchor} again in {_line(event)}.")
            anchors.add(event.anchor)
        if isinstance(event, CollectionStartEvent):
            levels.append((event.anchor, 1))
            if len(levels) > MOST_LEVELS:
                raise InputError(f"`{path}` must have at most {MOST_LEVELS} levels; got more in {_line(event)}.")
            continue
        anchor, size = levels.pop() if isinstance(event, CollectionEndEvent) else (None, 1)
        if isinstance(event, AliasEvent):
            size = sizes.get(event.anchor, 1)
        elif isinstance(event, ScalarEvent):
            anchor = event.anchor
            if len(event.value) > MOST_CHARACTERS:
                raise InputError(
                    f"`{path}` must have values of at most {MOST_CHARACTERS} characters; "
                    f"got {len(event.value)} in {_line(event)}."
                )
        elif not isinstance(event, CollectionEndEvent):
            continue
        if anchor is not None:
            sizes[anchor] = size
        levels[-1] = (levels[-1][0], levels[-1][1] + size)
        if levels[-1][1] > MOST_VALUES:
            raise InputError(f"`{path}` must have at most {MOST_VALUES} values; got more up to {_line(event)}.")


def _line(event: NodeEvent) -> str:
    return f"line {event.start_mark.line + 1}"
