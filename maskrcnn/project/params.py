"""The strict reader of `params.yaml` and of the other YAML files of the pipeline."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML

Section = TypeVar("Section")


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
        """Builds the dataclass of one section; every key must be known, present and of its type.

        Args:
            kind: The frozen dataclass.
            name: The section's dotted name; that of the dataclass in small letters when None.

        Raises:
            ValueError: if there is no such section, or naming all unknown, missing and mistyped keys at once.
        """
        name = name or kind.__name__.lower()
        parent, _, key = name.rpartition(".")
        siblings = self.values.get(parent) if parent else self.values
        if not isinstance(siblings, Mapping) or key not in siblings:
            known = ", ".join(map(str, siblings or ())) if parent else ", ".join(self.values)
            raise ValueError(f"`{self.path}` must have the section `{name}`; got {known or 'none'}.")
        return _build(kind, siblings[key], name, self.path)


def read_params(path: Path) -> Params:
    """Reads a file of sections.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a mapping.
    """
    return Params(path, read_yaml(path))


def read_whole(kind: type[Section], path: Path) -> Section:
    """Reads a file that is one section; the inverse of `asdict`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming all unknown, missing and mistyped keys at once.
    """
    return _build(kind, read_yaml(path), path.stem, path)


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML 1.2 file, in which 1e-05 is a number.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a mapping.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; run the stage in the root of the repository.")
    values = YAML(typ="safe").load(path)
    if not isinstance(values, dict):
        raise ValueError(f"`{path}` must be a mapping of sections; got {type(values).__name__}.")
    return values


def _build(kind: type[Section], values: Any, name: str, path: Path) -> Section:
    """Returns the dataclass of a section of the file."""
    try:
        return _convert(kind, values, name)
    except ValueError as fault:
        raise ValueError(f"`{path}` must fit {kind.__name__}; {fault}.") from None


def _convert(kind: Any, value: Any, name: str) -> Any:
    """Returns the value as the annotated type: sections become dataclasses, lists tuples, whole numbers floats."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _convert_section(kind, value, name)
    if origin is UnionType:
        return None if value is None else _convert(arguments[0], value, name)
    if origin is tuple and isinstance(value, list):
        if Ellipsis not in arguments and len(value) != len(arguments):
            raise ValueError(f"`{name}` must have {len(arguments)} entries; got {value!r}")
        return tuple(_convert(arguments[0], item, name) for item in value)
    if origin is list and isinstance(value, list):
        return [_convert(arguments[0], item, name) for item in value]
    if origin is dict and isinstance(value, Mapping):
        return {key: _convert(arguments[1], item, f"{name}.{key}") for key, item in value.items()}
    if kind is float and type(value) in (int, float):
        return float(value)
    if origin is None and type(value) is kind:
        return value
    raise ValueError(f"`{name}` must be {getattr(kind, '__name__', kind)}; got {value!r}")


def _convert_section(kind: Any, values: Any, name: str) -> Any:
    """Returns the dataclass, or all the faults of its keys at once."""
    if not isinstance(values, Mapping):
        raise ValueError(f"`{name}` must be a section; got {values!r}")
    types = get_type_hints(kind)
    required = {entry.name for entry in fields(kind) if entry.default is MISSING and entry.default_factory is MISSING}
    faults = [f"`{name}.{key}` is unknown" for key in values.keys() - types.keys()]
    faults += [f"`{name}.{key}` is missing" for key in required - values.keys()]
    converted = {}
    for key in types.keys() & values.keys():
        try:
            converted[key] = _convert(types[key], values[key], f"{name}.{key}")
        except ValueError as fault:
            faults.append(str(fault))
    if faults:
        raise ValueError("; ".join(sorted(faults)))
    return kind(**converted)
