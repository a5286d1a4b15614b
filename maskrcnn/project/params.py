"""The strict reader of `params.yaml` and of the other YAML files of the pipeline.

pydantic checks a file against the dataclasses of `maskrcnn.project.config`, and names every fault at once by
the full path of its key.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from maskrcnn.project.config import Runtime
from maskrcnn.project.errors import InputError
from maskrcnn.project.ranges import FILE, NAME, SHA256
from maskrcnn.project.yaml_limits import read_limited

Section = TypeVar("Section")

RULES = {
    "bool_type": "true or false",
    "dataclass_type": "a section",
    "dict_type": "a section",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "string_type": "a text",
    "tuple_type": "a list",
}
BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}
PATTERNS = {
    FILE: "a path of 1 to 200 characters",
    NAME: "of letters, digits, `_` and `-`",
    SHA256: "64 hexadecimal digits",
}
SYNTAX_FIXES = {  # by a part of the parser's words
    "\\t": "indent with spaces, not with tabs",
    "mapping values are not allowed": "put `: ` between a key and its value, and quote texts that hold it",
    "could not find expected ':'": "put `: ` between a key and its value",
    "duplicate key": "keep one of the two",
    "codec can't decode": "save the file as UTF-8",
}
SHOWN = 80  # characters of a value in an error


@dataclass(frozen=True)
class Params:
    """A YAML file of named sections.

    Args:
        path: The file, for the errors.
        values: What it holds, as read.
    """

    path: Path
    values: dict[str, Any]

    def section(self, kind: type[Section], name: str | None = None) -> Section:
        """Builds the dataclass of one section; every key must be known, present, of its type and in its range.

        Args:
            kind: The frozen dataclass.
            name: The section's dotted name; that of the dataclass in small letters when None.

        Raises:
            InputError: if there is no such section, or naming all faults of its keys at once.
        """
        name = name or kind.__name__.lower()
        parent, _, key = name.partition(".")
        if not key:
            parent, key = "", name
        elif not re.fullmatch(NAME, key):  # it becomes part of the paths of outputs
            raise InputError(f"`{parent}` must have keys that are {_read_pattern(NAME)}; got {key!r}.")
        siblings = self.values.get(parent) if parent else self.values
        if not isinstance(siblings, Mapping) or key not in siblings:
            known = ", ".join(map(str, siblings or ())) if parent else ", ".join(self.values)
            raise InputError(f"`{self.path}` must have the section `{name}`; got {known or 'none'}.")
        return build(kind, siblings[key], name, self.path)


def read_params(path: Path) -> Params:
    """Reads a file of sections.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if the file is not YAML, not a mapping, or exceeds `maskrcnn.project.yaml_limits`.
    """
    return Params(path, read_yaml(path, read_limited))


def read_runtime(params: Params) -> Runtime:
    """Returns what the network runs on, from the keys of `params.yaml` that have no section.

    Raises:
        InputError: naming all keys at once that are missing or have a wrong value.
    """
    names = [field.name for field in fields(Runtime)]
    if missing := [name for name in names if name not in params.values]:
        raise InputError(f"`{params.path}` must have the keys {', '.join(names)}; got no {', '.join(missing)}.")
    return build(Runtime, {name: params.values[name] for name in names}, "", params.path)


def read_whole(kind: type[Section], path: Path) -> Section:
    """Reads a file that is one section; the inverse of `asdict`.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: naming all faults at once.
    """
    return build(kind, read_yaml(path), path.stem, path)


def read_yaml(path: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> dict[str, Any]:
    """Reads a YAML 1.2 file, in which 1e-05 is a number.

    Args:
        path: The file.
        read: Returns its content.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if the file is not YAML, or not a mapping.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; run the command in the root of the repository.")
    try:
        values = YAML(typ="safe", pure=True).load(read(path))
    except InputError:
        raise
    except (YAMLError, ValueError, RecursionError, ArithmeticError, LookupError, TypeError, AttributeError) as fault:
        raise InputError(f"`{path}` must be YAML; {_describe_syntax(fault)}.") from None
    if not isinstance(values, dict):
        raise InputError(f"`{path}` must be a mapping of sections; got {type(values).__name__}.")
    return values


def _describe_syntax(fault: Exception) -> str:
    """Returns what is not YAML, with its place and the fix if there is a common one."""
    mark = getattr(fault, "problem_mark", None)
    problem = getattr(fault, "problem", None) or str(fault) or type(fault).__name__
    problem = " ".join(problem.split())
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    fixes = [fix for part, fix in SYNTAX_FIXES.items() if part in problem]
    return f"got {problem[:200]}{place}{', ' if fixes else ''}{' and '.join(fixes)}"


def build(kind: type[Section], values: Any, name: str, path: Path) -> Section:
    """Returns a dataclass of plain values: mappings become dataclasses, lists tuples, whole numbers floats.

    Args:
        kind: The frozen dataclass.
        values: Its fields by name, as YAML reads them.
        name: Where they stand in the file, for the errors; empty for the whole file.
        path: The file, for the errors.

    Raises:
        InputError: naming all faults at once by the full path of their keys.
    """
    try:
        text = json.dumps(_with_text_keys(values, name), default=str)
        return TypeAdapter(kind).validate_json(text, strict=True, extra="forbid")
    except RecursionError:
        raise InputError(f"`{path}` must not be nested that deep, or contain itself.") from None
    except ValidationError as error:
        faults = {_describe(fault, kind, name) for fault in error.errors(include_url=False)}
        raise InputError(f"`{path}` must be valid; {'; '.join(sorted(faults))}.") from None


def _with_text_keys(values: Any, name: str) -> Any:
    """Returns the values, after making sure that JSON can hold them, and that every key is a text.

    DVC drops entries with other keys.
    """
    if isinstance(values, Mapping):
        if other := [key for key in values if not isinstance(key, str)]:
            raise InputError(f"`{name or 'params.yaml'}` must have keys that are texts; got {other[0]!r}, quote it.")
        return {key: _with_text_keys(value, f"{name}.{key}".removeprefix(".")) for key, value in values.items()}
    if isinstance(values, list):
        return [_with_text_keys(value, f"{name}[{index}]") for index, value in enumerate(values)]
    if not (values is None or isinstance(values, str | int | float | date)):  # YAML reads 2021-01-01 as a date
        raise InputError(f"`{name}` must be a text, a number, a list or a section; got {type(values).__name__}.")
    if isinstance(values, int) and abs(values) >= 10**300:
        raise InputError(f"`{name}` must have at most 300 digits; got {values.bit_length()} bits.")
    return values


def _describe(fault: ErrorDetails, kind: Any, name: str) -> str:
    """Returns one fault as a sentence: the key, its rule and what was found."""
    *parents, last = fault["loc"] or (name,)
    location, context, problem, found = fault["loc"], fault.get("ctx", {}), fault["type"], _show(fault["input"])
    key, parent = _dotted(name, location), _kind_at(kind, parents)
    if problem == "unexpected_keyword_argument":
        near = get_close_matches(str(last), get_type_hints(parent), n=1)
        return f"`{key}` is unknown" + (f", the nearest key is `{near[0]}`" if near else "")
    if problem == "missing" and get_origin(parent) is tuple:
        return f"`{_dotted(name, parents)}` must have {len(get_args(parent))} entries; got {found}"
    if problem == "value_error":  # a rule of the dataclass itself, which joins several keys
        return str(context["error"]).removesuffix(".")
    if problem == "too_long":
        return f"`{key}` must have {context['max_length']} entries; got {found}"
    if problem == "missing":
        return f"`{key}` is missing"
    if problem == "json_invalid":
        return f"`{key or 'params.yaml'}` must hold plain texts and numbers"
    if last == "[key]":
        return (
            f"`{_dotted(name, parents[:-1])}` must have keys that are {_read_pattern(context['pattern'])}; got {found}"
        )
    if problem == "string_pattern_mismatch":
        return f"`{key}` must be {_read_pattern(context['pattern'])}; got {found}"
    if problem == "too_short":
        return f"`{key}` must have at least {context['min_length']} entries; got {found}"
    if problem in BOUNDS:
        bound, words = BOUNDS[problem]
        return f"`{key}` must be {words} {context[bound]:.12g}; got {found}"
    rule = RULES.get(problem, fault["msg"])
    return f"`{key}` must be {rule}; got {found}{_hint(fault)}"


def _read_pattern(pattern: str) -> str:
    """Returns the rule of a text in words."""
    if pattern in PATTERNS:
        return PATTERNS[pattern]
    return "one of " + pattern[2:-2].replace("\\", "").replace("|", ", ")


def _hint(fault: ErrorDetails) -> str:
    """Returns the fix for a number in quotes."""
    is_quoted = fault["type"] in ("float_type", "int_type") and isinstance(fault["input"], str)
    return ", remove the quotes" if is_quoted and re.fullmatch(r"[-+.\deE]+", fault["input"]) else ""


def _kind_at(kind: Any, location: Iterable[int | str]) -> Any:
    """Returns the type that stands at a place of a dataclass: of a field, an entry or an item."""
    for step in location:
        if is_dataclass(kind):
            kind = get_type_hints(kind)[str(step)]
        else:
            kind = get_args(kind)[-1 if get_origin(kind) is dict else 0]
        if get_origin(kind) is UnionType:
            kind = get_args(kind)[0]
    return kind


def _dotted(name: str, location: Iterable[int | str]) -> str:
    """Returns the full path of a key, with the place of an item in brackets: `coarse.learning_rates[1]`."""
    path = name
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")


def _show(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
