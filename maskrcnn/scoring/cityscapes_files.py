"""Predictions against a folder `gtFine`: submissions of any program, and results of `maskrcnn predict`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskrcnn.project.errors import InputError
from maskrcnn.project.json_files import read_json
from maskrcnn.project.notation import InstanceMap
from maskrcnn.readers.cityscapes import CITYSCAPES, CLASS_IDS, paint_instances, read_annotation
from maskrcnn.readers.folders import POLYGONS_END
from maskrcnn.results.predictions import Predictions, encode_mask
from maskrcnn.scoring.coco_files import check_result
from maskrcnn.scoring.overlaps import Overlaps, find_regions, measure_overlaps
from maskrcnn.scoring.threads import map_in_threads

INSTANCES_END = "_gtFine_instanceIds.png"
NAME_PARTS = 3  # city, sequence and frame


def find_truth(folder: Path) -> dict[str, Path]:
    """Returns the annotation of every image below a folder, by its name, sorted.

    Published instance maps are preferred; otherwise polygons are painted.

    Raises:
        FileNotFoundError: if there is none.
    """
    found: dict[str, Path] = {}
    for ending in (POLYGONS_END, INSTANCES_END):
        found |= {path.name.removesuffix(ending): path for path in folder.rglob(f"*{ending}")}
    if not found:
        raise FileNotFoundError(f"`{folder}` must hold files *{POLYGONS_END} or *{INSTANCES_END}; got none.")
    return dict(sorted(found.items()))


def read_instances(path: Path) -> InstanceMap:
    """Reads the instance id of every pixel of one image."""
    if path.suffix == ".json":
        return paint_instances(read_annotation(path, None))
    instance_map = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if instance_map is None or instance_map.dtype != np.uint16 or instance_map.ndim != 2:
        raise InputError(f"`{path}` must be a PNG of 16 bits; got another or a damaged file.")
    return instance_map


def measure_submission(folder: Path, truth: Mapping[str, Path]) -> list[Overlaps]:
    """Returns the overlaps of a submission with the truth, image by image.

    Args:
        folder: Holds, at any depth, a text file for every image, see `maskrcnn.results.submission`.
        truth: From `find_truth`.

    Raises:
        FileNotFoundError: if an image has no text file, or a mask is missing.
        InputError: naming file, line and rule.
    """
    texts = {"_".join(path.stem.split("_")[:NAME_PARTS]): path for path in sorted(folder.rglob("*.txt"))}
    if missing := [name for name in truth if name not in texts]:
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise FileNotFoundError(
            f"`{folder}` must hold a text file for every image; got none of {', '.join(missing[:10])}{more}."
        )
    names = list(truth)

    def measure(index: int) -> Overlaps:
        instance_map = read_instances(truth[names[index]])
        found = read_submitted(texts[names[index]], instance_map.shape)
        return measure_overlaps(find_regions(instance_map, CITYSCAPES), found)

    return map_in_threads(measure, len(names), "Overlaps")


def read_submitted(path: Path, image_shape: tuple[int, int]) -> Predictions:
    """Reads the predictions of one image from its text file; labels without a class are left out.

    Args:
        path: Its lines are `MASK LABEL_ID SCORE`, with the mask's path from this file on.
        image_shape: Height and width that the masks must have.
    """
    class_ids, scores, rles = [], [], []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        where = f"Line {number} of {path}"
        try:
            file, label, score = line.split()
            class_id, confidence = CITYSCAPES.class_ids_by_label.get(int(label)), float(score)
        except ValueError:
            raise InputError(f"{where}: it must be a mask's file, a label id and a score; got {line[:80]!r}.") from None
        if class_id is None:
            continue
        if not np.isfinite(confidence):
            raise InputError(f"{where}: the score must be finite; got {score}.")
        if not (path.parent / file).is_file():
            raise FileNotFoundError(f"{where}: `{path.parent / file}` must exist.")
        mask = cv2.imread(str(path.parent / file), cv2.IMREAD_GRAYSCALE)
        if mask is None or mask.shape != image_shape:
            got = "a damaged file" if mask is None else mask.shape
            raise InputError(f"{where}: `{file}` must be an image of height and width {image_shape}; got {got}.")
        class_ids.append(class_id)
        scores.append(confidence)
        rles.append(encode_mask(mask > 0))
    return _gather(class_ids, scores, rles)


def measure_results(path: Path, truth: Mapping[str, Path]) -> tuple[list[Overlaps], Counter[str]]:
    """Returns the overlaps of COCO results with the truth, and how many entries of other classes were left out.

    Args:
        path: A JSON file whose entries name image (`file_name` or `image`) and class (`category`).
        truth: From `find_truth`.

    Raises:
        InputError: naming file, entry and rule.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"`{path}` must hold a list of COCO results; got {type(content).__name__}.")
    names, absent = list(truth), Counter[str]()
    by_image: dict[str, list[tuple[int, dict[str, Any]]]] = {name: [] for name in names}
    for place, entry in enumerate(content):
        where = f"Entry {place} of {path}"
        if not isinstance(entry, dict) or not {"category", "bbox", "score", "segmentation"} <= entry.keys():
            raise InputError(f"{where}: it must have category, bbox, score and segmentation.")
        file = str(entry.get("file_name", entry.get("image")))
        name = "_".join(Path(file).stem.split("_")[:NAME_PARTS])
        if name not in by_image:
            raise InputError(f"{where}: its image must have a truth; got {file[:80]!r}.")
        if entry["category"] in CLASS_IDS:
            by_image[name].append((place, entry))
        else:
            absent[str(entry["category"])] += 1

    def measure(index: int) -> Overlaps:
        instance_map, entries = read_instances(truth[names[index]]), by_image[names[index]]
        for place, entry in entries:
            check_result(entry, instance_map.shape, f"Entry {place} of {path}")
        found = _gather(
            [CLASS_IDS[entry["category"]] for _, entry in entries],
            [entry["score"] for _, entry in entries],
            [entry["segmentation"]["counts"] for _, entry in entries],
        )
        return measure_overlaps(find_regions(instance_map, CITYSCAPES), found)

    return map_in_threads(measure, len(names), "Overlaps"), absent


def _gather(class_ids: Sequence[int], scores: Sequence[float], rles: Sequence[str]) -> Predictions:
    """Returns predictions without boxes, which no protocol of Cityscapes looks at."""
    count = len(rles)
    return Predictions(np.zeros((count, 4)), np.array(class_ids, np.int64), np.array(scores, np.float64), tuple(rles))
