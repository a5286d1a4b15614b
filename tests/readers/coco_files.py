"""Small data sets in COCO's format, for tests."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as run_lengths

from maskrcnn.project.notation import Masks

CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 90, "name": "wolf"}]
DOG, CAT, WOLF = 7, 3, 90


def make_mask(shape: tuple[int, int], top: int, left: int, bottom: int, right: int) -> Masks:
    """Returns a mask that is set in rows `top` to `bottom - 1` and columns `left` to `right - 1`."""
    mask = np.zeros(shape, np.uint8, order="F")
    mask[top:bottom, left:right] = 1
    return mask


def compress(mask: Masks) -> dict[str, Any]:
    """Returns a mask as the compressed run lengths of a JSON file."""
    code = run_lengths.encode(mask)
    return {"size": list(mask.shape), "counts": code["counts"].decode()}


def list_runs(mask: Masks) -> dict[str, Any]:
    """Returns a mask as a list of run lengths, which go down the columns and begin with zeros."""
    pixels = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(pixels, prepend=0)).tolist()
    return {"size": list(mask.shape), "counts": np.diff([0, *edges, pixels.size]).tolist()}


def rectangle(left: float, top: float, right: float, bottom: float) -> list[float]:
    """Returns the corners of a rectangle, as COCO lists them."""
    return [left, top, right, top, right, bottom, left, bottom]


def annotate(key: int, image: int, category: int, segmentation: object, **more: object) -> dict[str, Any]:
    """Returns one annotation of a JSON file."""
    return {"id": key, "image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": 0} | more


def write_coco(
    root: Path,
    images: dict[str, tuple[int, int]],
    annotations: list[Any],
    changes: dict[str, Any] | None = None,
) -> Path:
    """Writes noisy images and the JSON file; returns its path.

    Args:
        root: Gets `photos/` and `instances.json`.
        images: Heights and widths by file name; image ids count from 1.
        annotations: As they stand in the file.
        changes: Lists of the file that take the place of others.
    """
    listed = []
    for key, (name, shape) in enumerate(images.items(), start=1):
        path = root / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.random.default_rng(7).integers(0, 256, (*shape, 3), np.uint8))
        listed.append({"id": key, "file_name": name, "height": shape[0], "width": shape[1]})
    content = {"images": listed, "annotations": annotations, "categories": CATEGORIES} | (changes or {})
    (root / "instances.json").write_text(json.dumps(content))
    return root / "instances.json"
