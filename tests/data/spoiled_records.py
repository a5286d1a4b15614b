"""Files of records with arrays put in that do not belong there, for tests."""

from pathlib import Path

import numpy as np


def spoil(path: Path, name: str, values: np.ndarray) -> None:
    """Replaces one array of a file of records."""
    with np.load(path) as arrays:
        content = dict(arrays) | {name: values}
    np.savez(path, **content)
