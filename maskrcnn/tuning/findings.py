"""What one tuning stage tells the next: a frozen dataclass, written as YAML and read back strictly."""

from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_whole

Finding = TypeVar("Finding")
WIDTH = 10_000  # a row of a table stays on its line
DIGITS = 4


def write_finding(path: Path, finding: Any) -> None:
    """Writes a dataclass, the innermost mappings and lists in it a line each; the inverse of `read_finding`."""
    values = _plain(asdict(finding))
    is_flat = not any(isinstance(value, (dict, list)) for value in values.values())
    yaml = YAML(typ="safe", pure=True)
    yaml.width, yaml.default_flow_style = WIDTH, False if is_flat else None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = StringIO()
    yaml.dump(values, text)
    write_text(path, text.getvalue())


def read_finding(kind: type[Finding], path: Path, stage: str) -> Finding:
    """Reads what a stage found.

    Args:
        kind: The dataclass that the stage wrote.
        path: The YAML file.
        stage: The stage that makes the file, for the error.
    Raises:
        FileNotFoundError: if there is no such file; names the stage.
        ValueError: if the file does not fit the dataclass.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; `dvc repro {stage}` makes it.")
    return read_whole(kind, path)


def shorten(value: float) -> float:
    """Returns a figure with the few digits that mean something."""
    return float(f"{value:.{DIGITS}g}")


def _plain(value: Any) -> Any:
    """Returns the value with its tuples as lists, which YAML knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
