"""JSON files of annotations, read as a whole or refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from reprlib import Repr
from typing import Any

from maskrcnn.project.errors import InputError

MAX_COORDINATE = 1e5  # pixels from the origin; rasterisers need time and memory in proportion
MAX_DIGITS = 100  # of a whole number

_shorten = Repr()
_shorten.maxlist = 6
_shorten.maxlevel = 3
_shorten.maxstring = _shorten.maxother = 60


def quote(value: Any) -> str:
    """Returns the beginning of a value of JSON, for an error; quickly, also where it is large."""
    return _shorten.repr(value)[:80]


def read_json(path: Path, keys: Sequence[str], most_bytes: int | None = None) -> dict[str, Any]:
    """Reads a JSON file that holds one mapping. A byte order mark is accepted.

    Args:
        path: The file.
        keys: What the mapping must have.
        most_bytes: Larger files are refused; None reads any.

    Raises:
        InputError: if the file is too large, no JSON, nested too deep, has a key twice, a number that is not finite or
            has too many digits, or lacks a key.
    """
    rule = f"`{path}` must be JSON with {', '.join(keys)}"
    try:
        if most_bytes is not None and (size := path.stat().st_size) > most_bytes:
            raise InputError(f"`{path}` must have at most {most_bytes} bytes; got {size}.")
        text = path.read_bytes()
    except OSError as fault:  # of a damaged disk; it does not always name the file
        raise InputError(f"`{path}` must be readable; got {fault.strerror}.") from fault
    try:
        content = json.loads(
            text, parse_int=_read_whole, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repeats
        )
    except RecursionError as fault:
        raise InputError(f"{rule}; got lists in lists, too deep.") from fault
    except ValueError as fault:
        raise InputError(f"{rule}; got {fault}, in a file that begins with {text[:16]!r}.") from fault
    if not isinstance(content, dict):
        raise InputError(f"{rule}; got {quote(content)}.")
    if missing := [key for key in keys if key not in content]:
        raise InputError(f"{rule}; got no {', '.join(missing)}.")
    return content


def _read_whole(digits: str) -> int:
    """Returns a whole number."""
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _refuse_constant(name: str) -> float:
    """Refuses NaN and Infinity, which Python reads although JSON does not have them."""
    raise ValueError(f"the number {name}")


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns a mapping; Python would take the last one of equal keys."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {quote(next(key for key in keys if keys.count(key) > 1))} twice")
    return content
