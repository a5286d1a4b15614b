"""COCO AP of masks, by faster-coco-eval: one curve for each class and threshold, crowds as crowds.

Source:
    pycocotools `COCOeval` with at most 100 predictions an image and class, all sizes together.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from maskrcnn.results.predictions import Predictions, encode_runs, result_entries
from maskrcnn.scoring.average_precision import ClassAP
from maskrcnn.scoring.overlaps import Regions

MAX_PREDICTIONS = 100


def annotate(regions: Regions) -> list[dict[str, Any]]:
    """Returns the truth of one image as COCO annotations without ids."""
    return [
        {
            "category_id": int(regions.class_ids[index]),
            "iscrowd": int(not regions.is_instance[index]),
            "area": int(regions.areas[index]),
            "segmentation": {
                "size": list(regions.image_shape),
                "counts": encode_runs(regions.runs(index), regions.image_shape),
            },
        }
        for index in np.flatnonzero(regions.class_ids).tolist()
    ]


def make_dataset(
    truths: Iterable[list[dict[str, Any]]], class_names: Sequence[str], image_shape: tuple[int, int]
) -> dict[str, Any]:
    """Returns a COCO dataset of the annotations of all images.

    Args:
        truths: From `annotate`, in the order of the records.
        class_names: By class id, background first.
        image_shape: Height and width of every image.
    """
    by_image = list(truths)
    placed = [(image_id, truth) for image_id, image in enumerate(by_image) for truth in image]
    height, width = image_shape
    return {
        "images": [{"id": image_id, "height": height, "width": width} for image_id in range(len(by_image))],
        "categories": [{"id": class_id, "name": name} for class_id, name in enumerate(class_names) if class_id],
        # From 1: COCO treats a match with annotation 0 as no match.
        "annotations": [
            {**truth, "id": number, "image_id": image_id} for number, (image_id, truth) in enumerate(placed, 1)
        ],
    }


def score_coco(dataset: dict[str, Any], predictions: Iterable[Predictions], image_shape: tuple[int, int]) -> ClassAP:
    """Returns COCO AP of each class from 1 on, at the ten thresholds from 0.50 to 0.95.

    Args:
        dataset: From `make_dataset`.
        predictions: One per image, in the order of the records.
        image_shape: Height and width of every image.
    """
    truth = COCO(dataset, use_deepcopy=True)  # it writes into what it is given
    found = truth.loadRes(list(result_entries(predictions, image_shape)))
    evaluation = COCOeval_faster(truth, found, iouType="segm")
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.params.maxDets = [MAX_PREDICTIONS]
    evaluation.evaluate()
    evaluation.accumulate()
    precisions = evaluation.eval["precision"][:, :, :, 0, 0]  # thresholds, recalls, classes; -1 without truth
    return np.where(precisions >= 0, precisions, np.nan).mean(axis=1)
