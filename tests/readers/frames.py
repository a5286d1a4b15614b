"""Frames laid down as Cityscapes lays them, for tests."""

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from maskrcnn.readers.cityscapes import CityscapesFrame, make_frame

Corners = list[tuple[float, float]]


def rectangle(left: float, top: float, right: float, bottom: float) -> Corners:
    """Returns the corners of a rectangle.

    With whole numbers, rows `top` to `bottom - 1` and columns `left` to `right` are painted: the rule counts
    the right edge in, and the lower one out.
    """
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def write_frame(
    root: Path,
    objects: Iterable[tuple[str, Corners]] = (),
    *,
    name: str = "cologne_000000_000019",
    folder: str = "train",
    shape: tuple[int, int] = (64, 128),
) -> CityscapesFrame:
    """Writes a noisy image and its annotation."""
    frame = make_frame(root, f"leftImg8bit/{folder}", f"gtFine/{folder}", f"{name.split('_')[0]}/{name}", shape)
    frame.image_path.parent.mkdir(parents=True, exist_ok=True)
    frame.polygons_path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(7).integers(0, 256, (*shape, 3), np.uint8)
    frame.image_path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    listed = [{"label": label, "polygon": polygon} for label, polygon in objects]
    content = {"imgHeight": shape[0], "imgWidth": shape[1], "objects": listed}
    frame.polygons_path.write_text(json.dumps(content))
    return frame
