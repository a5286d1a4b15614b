"""Predictions in the format of the Cityscapes benchmark.

One text file per image, `NAME.txt`, with a line `NAME_K.png LABEL_ID SCORE` for each prediction, and
that PNG beside it: 255 inside the instance, 0 elsewhere.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from maskrcnn.project.files import whole_folder
from maskrcnn.results.predictions import Predictions, decode_mask


def write_submission(
    folder: Path,
    names: Sequence[str],
    predictions: Sequence[Predictions],
    label_ids: Mapping[int, int],
    image_shape: tuple[int, int],
    submission_shape: tuple[int, int],
) -> None:
    """Writes the predictions of a split, whole or not at all.

    Args:
        folder: Its old content is removed, because the benchmark reads every file in it.
        names: `CITY_SEQUENCE_FRAME` of each image.
        predictions: One per image.
        label_ids: Label id of each class id; predictions of other classes are left out.
        image_shape: Height and width of the predicted masks.
        submission_shape: Height and width of the PNGs; 1024 x 2048 for the benchmark.
    """
    with whole_folder(folder) as unfinished:
        for name, found in zip(names, predictions, strict=True):
            write_image(unfinished, name, found, label_ids, image_shape, submission_shape)


def write_image(
    folder: Path,
    name: str,
    found: Predictions,
    label_ids: Mapping[int, int],
    image_shape: tuple[int, int],
    submission_shape: tuple[int, int],
) -> None:
    """Writes the text file and the masks of one image; arguments as in `write_submission`."""
    lines = []
    for index, (class_id, score) in enumerate(zip(found.class_ids.tolist(), found.scores.tolist(), strict=True)):
        if class_id not in label_ids:
            continue
        mask = decode_mask(found.rles[index], image_shape).astype(np.uint8) * 255
        mask = cv2.resize(mask, submission_shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        (folder / f"{name}_{index}.png").write_bytes(cv2.imencode(".png", mask)[1].tobytes())
        lines.append(f"{name}_{index}.png {label_ids[class_id]} {score!r}\n")
    (folder / f"{name}.txt").write_text("".join(lines))
