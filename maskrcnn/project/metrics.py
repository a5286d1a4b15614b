"""Metrics as files: flat JSON that `dvc metrics show` prints as a table."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskrcnn.project.errors import InputError
from maskrcnn.project.files import write_text
from maskrcnn.project.json_files import read_json

Metrics = dict[str, int | float]

DIGITS = 6  # after the point: the digits of a double beyond the 15th depend on the CPU


def write_metrics(path: Path, metrics: Mapping[str, int | float]) -> None:
    """Writes metrics, whole or not at all, with six decimal digits; integers stay integers.

    Args:
        path: The JSON file; its folder is made.
        metrics: Values by name.

    Raises:
        InputError: if a value is not a finite number.
    """
    for name, value in metrics.items():
        if not _is_finite(value):
            raise InputError(f"`{path}` must hold finite numbers; got {value!r} for `{name}`.")
    rounded = {name: round(value, DIGITS) for name, value in metrics.items()}
    write_text(path, json.dumps(rounded, indent=2, allow_nan=False) + "\n")


def read_metrics(path: Path, stage: str) -> Metrics:
    """Reads metrics: the inverse of `write_metrics`.

    Args:
        path: The JSON file.
        stage: The DVC stage that writes it, such as `evaluate@base`.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if the file is not a flat mapping of finite numbers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; run `dvc repro {stage}`.")
    hint = f" Run `dvc repro {stage}`."
    metrics = read_json(path, hint)
    if not isinstance(metrics, dict):
        raise InputError(f"`{path}` must map names to finite numbers; got {type(metrics).__name__}.{hint}")
    for name, value in metrics.items():
        if not _is_finite(value):
            raise InputError(
                f"`{path}` must map names to finite numbers; got {str(value)[:80]} for {name[:80]!r}.{hint}"
            )
    return metrics


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
