"""The scores of variants, as `evaluate` writes them: a folder a table, a flat JSON file a variant."""

import json
import math
from pathlib import Path

Scores = dict[str, int | float]


def read_scores(folder: Path, variant: str) -> Scores:
    """Reads one row of a table.

    Args:
        folder: Of the table, such as `metrics/test`.
        variant: Stem of the file.

    Raises:
        FileNotFoundError: if the variant has not been scored.
        ValueError: if the file is not a flat mapping of finite numbers.
    """
    path = folder / f"{variant}.json"
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; run `dvc repro evaluate@{variant}`.")
    try:
        row = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise ValueError(f"`{path}` must be JSON; got {fault}. Run `dvc repro evaluate@{variant}`.") from None
    if not isinstance(row, dict) or not all(map(_is_finite, row.values())):
        raise ValueError(f"`{path}` must map names to finite numbers; got {str(row)[:80]}.")
    return row


def _is_finite(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
