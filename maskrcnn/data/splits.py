"""The records of a split, made with the params of today.

DVC keeps records and params in step. A stage that is started by hand may find records of before a change.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maskrcnn.data.records import Records, read_records
from maskrcnn.project.config import Data, Preprocess, Split
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import Params

SHOWN = 120  # characters of a value in an error


def list_settings(params: Params, split: str) -> dict[str, Any]:
    """Returns the params that decide the records of a split, by their full path, as JSON holds them.

    Args:
        params: The file as read.
        split: A key of the section `splits`.
    """
    data = params.section(Data)
    sections = {
        "data": {"format": data.format, "classes": data.classes},
        "preprocess": asdict(params.section(Preprocess)),
        f"splits.{split}": asdict(params.section(Split, f"splits.{split}")),
    }
    settings = {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}
    return dict(json.loads(json.dumps(settings, allow_nan=False)))


def read_split(root: Path, split: str, params: Params) -> Records:
    """Reads the records of a split.

    Args:
        root: Folder of the repository.
        split: A key of the section `splits`.
        params: What the records must have been made with.

    Raises:
        FileNotFoundError: if there are none.
        InputError: if the file is damaged, or its records were made with other params; it names each of them.
    """
    records = read_records(root / f"data/processed/{split}.npz")
    if not records.settings:  # they were not made by the stage
        return records
    now = {key: json.dumps(value, allow_nan=False) for key, value in list_settings(params, split).items()}
    made = {key: json.dumps(value, allow_nan=False) for key, value in records.settings.items()}
    if changed := [key for key in now if made.get(key) != now[key]]:
        faults = [f"`{key}` {now[key][:SHOWN]}, got {made.get(key, 'nothing')[:SHOWN]}" for key in changed]
        raise InputError(
            f"`{records.path}` must be made with the values of params.yaml: {'; '.join(faults)}. "
            f"Run `dvc repro preprocess@{split}`."
        )
    return records


def check_splits(root: Path, params: Params, *splits: str) -> None:
    """Refuses records that were made with other params, before anything is built for them; see `read_split`."""
    for split in splits:
        read_split(root, split, params)
