"""JSON files of others: read whole, or refused with the reason.

JSON allows what no file of this project holds: a key twice, numbers without end, lists in lists in lists.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from maskrcnn.project.errors import InputError

LARGEST = 1_000_000_000  # bytes
DIGITS = 18  # of a whole number: any of them fits 64 bits


def read_json(path: Path, hint: str = "") -> Any:
    """Reads a JSON file.

    Args:
        path: A file that exists.
        hint: Ends the error: the command that writes the file anew.

    Raises:
        InputError: if it is larger than 1 GB or breaks a rule of `parse_json`.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise InputError(f"`{path}` must have at most {LARGEST} bytes; got {size}.{hint}")
    try:
        return parse_json(path.read_bytes())
    except InputError as fault:
        raise InputError(f"`{path}` must be JSON; {fault}.{hint}") from None


def parse_json(content: bytes) -> Any:
    """Returns the value of a JSON text; all numbers are finite, and whole ones fit 64 bits.

    Raises:
        InputError: if it is not JSON in UTF-8, repeats a key, holds a number that is too large or NaN, or nests lists
            and objects hundreds deep.
    """
    try:
        return json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_make_object,
            parse_int=_parse_whole,
            parse_float=_parse_fraction,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise InputError("got lists or objects nested too deep") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise InputError(f"got {fault}") from None


def _make_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object, none of whose keys occurs twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InputError(f"got the key {twice[:80]!r} twice")
    return made


def _parse_whole(text: str) -> int:
    if len(text) > DIGITS:
        raise InputError(f"got a whole number of {len(text)} digits, {text[:20]}...")
    return int(text)


def _parse_fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InputError(f"got {text[:80]}, which is too large")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise InputError(f"got {text}")
