"""COCO results against COCO annotations, files of any program: AP of masks and of boxes by the COCO protocol.

Results that name their image (`file_name` or `image`) and class (`category`), as those of `maskrcnn predict` do, are
matched by these names; others by `image_id` and `category_id`.

Source:
    pycocotools `COCOeval` with its own settings, computed by faster-coco-eval.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from pycocotools import mask as run_lengths

from maskrcnn.project.errors import InputError
from maskrcnn.project.json_files import read_json
from maskrcnn.readers.segmentations import encode_mask
from maskrcnn.results.predictions import decode_runs, is_coordinate, is_number

KINDS = {"segm": "masks", "bbox": "boxes"}
SIZES = ("all", "small", "medium", "large")
PARTS = ("images", "annotations", "categories")


@dataclass(frozen=True)
class CocoScores:
    """AP of one kind, masks or boxes; NaN without truth.

    Args:
        by_threshold: AP at IoU 0.50, 0.55, ... 0.95 of each class, (10, K).
        by_size: Mean over thresholds and classes of all, small, medium and large objects.
        recall: Mean over thresholds and classes of the recall that 100 predictions of an image reach.
    """

    by_threshold: np.ndarray
    by_size: tuple[float, ...]
    recall: float

    @property
    def by_class(self) -> np.ndarray:
        """The mean over the thresholds, of each class."""
        return self.by_threshold.mean(axis=0)

    def mean_at(self, place: int) -> float:
        """Returns the mean over the classes with truth, at one of the thresholds."""
        return _mean(self.by_threshold[place])


@dataclass(frozen=True)
class CocoTruth:
    """The annotations of a file, checked.

    Args:
        path: The file.
        dataset: As COCO has it; masks are run lengths.
    """

    path: Path
    dataset: dict[str, Any]

    @property
    def class_names(self) -> list[str]:
        """In the order of the category ids."""
        return [entry["name"] for entry in sorted(self.dataset["categories"], key=lambda entry: entry["id"])]


def read_truth(path: Path) -> CocoTruth:
    """Reads COCO annotations of instances.

    Raises:
        InputError: naming file and entry, if it does not fit the format.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in PARTS):
        raise InputError(f"`{path}` must be COCO annotations with the lists {', '.join(PARTS)}.")
    for part, keys in (("images", ("file_name", "height", "width")), ("categories", ("name",))):
        for place, entry in enumerate(content[part]):
            if not isinstance(entry, dict) or not entry.keys() >= {"id", *keys}:
                raise InputError(f"`{path}`, entry {place} of {part}, must have id, {', '.join(keys)}.")
    shapes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    annotations = []
    for place, entry in enumerate(content["annotations"]):
        where = f"`{path}`, entry {place} of annotations,"
        if not isinstance(entry, dict) or entry.get("image_id") not in shapes:
            raise InputError(f"{where} must have the image_id of an image.")
        if entry.get("category_id") not in categories:
            raise InputError(f"{where} must have the category_id of a category.")
        annotations.append(_read_annotation(entry, shapes[entry["image_id"]], where, place))
    return CocoTruth(path, {**{part: content[part] for part in PARTS}, "annotations": annotations})


def _read_annotation(entry: dict[str, Any], image_shape: tuple[int, int], where: str, place: int) -> dict[str, Any]:
    """Returns an annotation with all that the protocol needs."""
    mask = encode_mask(entry.get("segmentation"), image_shape, where)
    box = entry.get("bbox") or run_lengths.toBbox(mask).tolist()
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_coordinate, box)):
        raise InputError(f"{where} must have a bbox of x, y, width, height.")
    return {
        "id": place + 1,  # COCO treats a match with annotation 0 as no match
        "image_id": entry["image_id"],
        "category_id": entry["category_id"],
        "iscrowd": int(bool(entry.get("iscrowd", 0))),
        "area": float(entry["area"]) if is_number(entry.get("area"), 0, np.inf) else float(run_lengths.area(mask)),
        "bbox": box,
        "segmentation": {"size": list(image_shape), "counts": mask["counts"].decode()},
    }


def read_results(path: Path, truth: CocoTruth) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Reads COCO results of the images of a truth.

    Args:
        path: The JSON file.
        truth: Gives the ids of images and categories.
    Returns:
        The entries with the ids of the truth, and how many were left out by class: those that the truth lacks.
    Raises:
        InputError: naming file, entry and rule, if one does not fit.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"`{path}` must hold a list of COCO results; got {type(content).__name__}.")
    images = {image["id"]: image for image in truth.dataset["images"]}
    names = name_images({key: image["file_name"] for key, image in images.items()})
    categories = {entry["name"]: entry["id"] for entry in truth.dataset["categories"]}
    results, absent = [], Counter[str]()
    for place, entry in enumerate(content):
        where = f"Entry {place} of {path}"
        if not isinstance(entry, dict) or not {"bbox", "score", "segmentation"} <= entry.keys():
            raise InputError(f"{where}: it must have bbox, score and segmentation.")
        name = entry.get("file_name", entry.get("image"))
        image_id = entry.get("image_id") if name is None else names.get(str(name))
        if image_id not in images:
            got = repr(name if name is not None else image_id)[:80]
            raise InputError(f"{where}: its image must be one of {truth.path}; got {got}.")
        category = entry.get("category")
        category_id = entry.get("category_id") if category is None else categories.get(str(category))
        if category_id not in categories.values():
            absent[str(category if category is not None else category_id)] += 1
            continue
        check_result(entry, (images[image_id]["height"], images[image_id]["width"]), where)
        results.append({**entry, "image_id": image_id, "category_id": category_id})
    if absent and not results:
        raise InputError(f"`{path}` must have classes of {truth.path}; got only {', '.join(absent)}.")
    return results, absent


def check_result(entry: Mapping[str, Any], image_shape: tuple[int, int], where: str) -> None:
    """Refuses a result without a proper score, box or mask.

    Args:
        entry: Has all three keys.
        image_shape: Height and width that its mask must have.
        where: Begins the error.
    """
    mask, box = entry["segmentation"], entry["bbox"]
    if not is_number(entry["score"], 0, 1):
        raise InputError(f"{where}: `score` must lie within [0, 1]; got {str(entry['score'])[:80]}.")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_coordinate, box)):
        raise InputError(f"{where}: `bbox` must be x, y, width, height in pixels; got {str(box)[:80]}.")
    if not isinstance(mask, dict) or not isinstance(mask.get("counts"), str):
        raise InputError(f"{where}: `segmentation` must have `size` and compressed `counts`; got {str(mask)[:80]}.")
    if mask.get("size") != list(image_shape):
        raise InputError(
            f"{where}: `segmentation.size` must be {list(image_shape)}, as its truth; got {str(mask.get('size'))[:80]}."
            " maskrcnn predict writes masks of the image's own size; the pipeline's predictions have the network's."
        )
    try:
        decode_runs(mask["counts"], image_shape)
    except InputError as fault:
        raise InputError(f"{where}: {fault}") from None


def name_images(files: Mapping[Any, str]) -> dict[str, Any]:
    """Returns the keys of images by every name that they may be called by, where it is that of one image alone.

    Args:
        files: File names by key. An image is known by its file name with or without folders and ending.
    """
    names: dict[str, list[Any]] = {}
    for key, file in files.items():
        path = PurePosixPath(file)
        stem = str(path.with_suffix(""))
        for name in {file, stem, stem.replace("/", "_"), path.name, path.stem}:
            names.setdefault(name, []).append(key)
    return {name: keys[0] for name, keys in names.items() if len(keys) == 1}


def score_results(truth: CocoTruth, results: Sequence[dict[str, Any]], kind: str) -> CocoScores:
    """Returns AP by the COCO protocol.

    Args:
        truth: From `read_truth`.
        results: From `read_results`.
        kind: `segm` or `bbox`.
    """
    dataset = COCO(truth.dataset, use_deepcopy=True)  # it writes into what it is given
    evaluation = COCOeval_faster(dataset, dataset.loadRes([dict(entry) for entry in results]), iouType=kind)
    evaluation.evaluate()
    evaluation.accumulate()
    precisions = np.where(evaluation.eval["precision"] >= 0, evaluation.eval["precision"], np.nan)
    recalls = np.where(evaluation.eval["recall"] >= 0, evaluation.eval["recall"], np.nan)
    return CocoScores(
        by_threshold=precisions[:, :, :, 0, -1].mean(axis=1),
        by_size=tuple(_mean(precisions[:, :, :, size, -1]) for size in range(len(SIZES))),
        recall=_mean(recalls[:, :, 0, -1]),
    )


def _mean(values: np.ndarray) -> float:
    """Returns the mean of what is not NaN; NaN if there is nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
