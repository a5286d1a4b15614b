"""JSON files of annotations, read as a whole or refused."""

from collections.abc import Sequence
from pathlib import Path
from reprlib import Repr
from typing import Any

from maskrcnn.project.errors import InputError
from maskrcnn.project.json_files import parse_json

MAX_COORDINATE = 1e5  # pixels from the origin; rasterisers need time and memory in proportion

_shorten = Repr()
_shorten.maxlist = 6
_shorten.maxlevel = 3
_shorten.maxstring = _shorten.maxother = 60


def quote(value: Any) -> str:
    """Returns the beginning of a value of JSON, for an error; quickly, also where it is large."""
    return _shorten.repr(value)[:80]


def read_json(path: Path, keys: Sequence[str], most_bytes: int | None = None) -> dict[str, Any]:
    """Reads a JSON file that holds one mapping.

    Args:
        path: The file.
        keys: What the mapping must have.
        most_bytes: Larger files are refused; None reads any.

    Raises:
        InputError: if the file is too large, breaks a rule of `parse_json`, or lacks a key.
    """
    rule = f"`{path}` must be JSON with {', '.join(keys)}"
    try:
        if most_bytes is not None and (size := path.stat().st_size) > most_bytes:
            raise InputError(f"`{path}` must have at most {most_bytes} bytes; got {size}.")
        text = path.read_bytes()
    except OSError as fault:  # of a damaged disk; it does not always name the file
        raise InputError(f"`{path}` must be readable; got {fault.strerror}.") from fault
    try:
        content = parse_json(text)
    except InputError as fault:
        raise InputError(f"{rule}; {fault}, in a file that begins with {text[:16]!r}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{rule}; got {quote(content)}.")
    if missing := [key for key in keys if key not in content]:
        raise InputError(f"{rule}; got no {', '.join(missing)}.")
    return content
