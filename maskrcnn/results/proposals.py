"""Regions of interest as a file: a JSON mapping of image names to boxes, the best region first.

Boxes are `(y1, x1, y2, x2)` in pixels of the image that the network saw.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num

from maskrcnn.project.errors import InputError
from maskrcnn.project.files import write_text
from maskrcnn.project.json_files import read_json
from maskrcnn.project.notation import Array
from maskrcnn.results.predictions import is_coordinate

Proposals = Mapping[str, Num[Array, "R 4"]]


def write_proposals(path: Path, proposals: Proposals) -> None:
    """Writes the regions of interest of some images, whole or not at all.

    Args:
        path: The JSON file; its folder is made.
        proposals: By the name of the image.
    Raises:
        InputError: if a region is not finite; names the image and the region.
    """
    for name, boxes in proposals.items():
        if len(spoiled := np.argwhere(~np.isfinite(boxes))):
            first = spoiled[0][0]
            raise InputError(f"Region {first} of {name} in `{path}` must be finite; got {boxes[first]}.")
    lines = (json.dumps({name: boxes.tolist()}, allow_nan=False)[1:-1] for name, boxes in proposals.items())
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def read_proposals(path: Path) -> dict[str, Num[Array, "R 4"]]:
    """Reads the regions of interest of some images: the inverse of `write_proposals`.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it does not map names to lists of boxes; it names the first such image.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; run `dvc repro`, whose stage `predict` writes it.")
    hint = f" Run `dvc repro predict@{path.stem}`."
    content = read_json(path, hint)
    if not isinstance(content, dict):
        raise InputError(f"`{path}` must map images to boxes; got {type(content).__name__}.{hint}")
    for name, boxes in content.items():
        if not isinstance(boxes, list) or not all(map(_is_box, boxes)):
            shown = repr(boxes[:4] if isinstance(boxes, list) else boxes)[:80]
            raise InputError(
                f"`{path}` must hold four pixels per box, y1, x1, y2, x2; got {shown} for {name[:80]}.{hint}"
            )
    return {name: np.array(boxes, np.float64).reshape(-1, 4) for name, boxes in content.items()}


def _is_box(box: Any) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(map(is_coordinate, box))
