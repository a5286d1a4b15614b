"""Findings of the tuning stages: frozen dataclasses, written as YAML and read back strictly."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_whole

Kind = TypeVar("Kind")
WIDTH = 10_000  # no line is broken
FEWEST_DIGITS, ALL_DIGITS = 4, 17  # 17 significant digits distinguish all floats


def write_finding(path: Path, finding: Any) -> None:
    """Writes a dataclass, each of its innermost mappings and lists on one line; the inverse of `read_finding`."""
    values = _plain(asdict(finding))
    is_flat = not any(isinstance(value, (dict, list)) for value in values.values())
    yaml = YAML(typ="safe", pure=True)
    yaml.width, yaml.default_flow_style = WIDTH, False if is_flat else None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = StringIO()
    yaml.dump(values, text)
    write_text(path, text.getvalue())


def read_finding(kind: type[Kind], path: Path, stage: str) -> Kind:
    """Reads what a stage found.

    Args:
        kind: The dataclass that the stage wrote.
        path: The YAML file.
        stage: The stage that makes the file, for the error.
    Raises:
        FileNotFoundError: if there is no such file; names the stage.
        InputError: if the file does not fit the dataclass.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; `dvc repro {stage}` makes it.")
    return read_whole(kind, path)


def format_losses(losses: Sequence[float]) -> list[str]:
    """Formats losses with four significant digits, and with more where different losses would look the same."""
    for digits in range(FEWEST_DIGITS, ALL_DIGITS):
        shown = [f"{loss:.{digits}g}" for loss in losses]
        if len(set(shown)) == len(set(losses)):
            return shown
    return [f"{loss:.{ALL_DIGITS}g}" for loss in losses]


def note_tie(losses: Collection[float], rule: str) -> str:
    """Returns a note with the rule that decided if several losses are the lowest; an empty text otherwise."""
    return f" (a tie: {rule})" if list(losses).count(min(losses)) > 1 else ""


def _plain(value: Any) -> Any:
    """Returns the value with its tuples as lists, since YAML has no tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
