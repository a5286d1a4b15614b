"""The overlaps of predictions and truth in one image.

The per-image and the Cityscapes protocol score from them; COCO counts its own, see `coco_ap`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from maskrcnn.project.notation import Array
from maskrcnn.results.predictions import Predictions
from maskrcnn.results.rle import decode_runs
from maskrcnn.scoring.regions import Regions, shared_pixels


@dataclass(frozen=True)
class Overlaps:
    """What P predictions and G true instances of one image have in common; areas in pixels.

    Attributes:
        boxes_px: Of the predictions.
        class_ids: Of the predictions.
        scores: Of the predictions.
        areas: Of the predicted masks; 0 is possible.
        truth_ids: Values of the instance map, ascending.
        truth_boxes_px: The tightest around each truth.
        truth_class_ids: Of the truths.
        truth_areas: Of the truths, at least 1.
        intersections: Pixels that a prediction shares with a truth of any class.
        crowd_pixels: Pixels of a prediction that lie in the crowd region of its own class.
        crowd_areas: Area of the crowd region of a prediction's class.
        void_pixels: Pixels of a prediction that lie on void labels, see `Catalogue`.
    """

    boxes_px: Float[Array, "P 4"]
    class_ids: Int[Array, " P"]
    scores: Float[Array, " P"]
    areas: Int[Array, " P"]
    truth_ids: Int[Array, " G"]
    truth_boxes_px: Int[Array, "G 4"]
    truth_class_ids: Int[Array, " G"]
    truth_areas: Int[Array, " G"]
    intersections: Int[Array, "P G"]
    crowd_pixels: Int[Array, " P"]
    crowd_areas: Int[Array, " P"]
    void_pixels: Int[Array, " P"]

    @property
    def ious(self) -> Float[Array, "P G"]:
        """Intersection over union of every prediction and truth."""
        return self.intersections / (self.areas[:, None] + self.truth_areas - self.intersections)

    def select(self, predictions: Int[Array, " p"], truths: Int[Array, " g"]) -> "Overlaps":
        """Returns some of the predictions and truths, by index and in the given order."""
        return Overlaps(
            boxes_px=self.boxes_px[predictions],
            class_ids=self.class_ids[predictions],
            scores=self.scores[predictions],
            areas=self.areas[predictions],
            truth_ids=self.truth_ids[truths],
            truth_boxes_px=self.truth_boxes_px[truths],
            truth_class_ids=self.truth_class_ids[truths],
            truth_areas=self.truth_areas[truths],
            intersections=self.intersections[np.ix_(predictions, truths)],
            crowd_pixels=self.crowd_pixels[predictions],
            crowd_areas=self.crowd_areas[predictions],
            void_pixels=self.void_pixels[predictions],
        )


def measure_overlaps(regions: Regions, predictions: Predictions) -> Overlaps:
    """Counts the pixels that predictions share with the regions of the truth.

    Args:
        regions: The truth; instances that belong to no class are background.
        predictions: Of the same image.
    """
    shared = np.zeros((len(predictions), len(regions.ids)), np.int64)
    for row, counts in zip(shared, predictions.rles, strict=True):
        row[:] = shared_pixels(decode_runs(counts, regions.image_shape), regions)
    is_truth = regions.is_instance & (regions.class_ids > 0)
    is_own_crowd = ~regions.is_instance & (regions.class_ids == predictions.class_ids[:, None])
    return Overlaps(
        boxes_px=predictions.boxes_px,
        class_ids=predictions.class_ids,
        scores=predictions.scores,
        areas=shared.sum(axis=1),
        truth_ids=regions.ids[is_truth],
        truth_boxes_px=regions.boxes_px()[is_truth],
        truth_class_ids=regions.class_ids[is_truth],
        truth_areas=regions.areas[is_truth],
        intersections=shared[:, is_truth],
        crowd_pixels=(shared * is_own_crowd).sum(axis=1),
        crowd_areas=(regions.areas * is_own_crowd).sum(axis=1),
        void_pixels=shared[:, regions.is_void].sum(axis=1),
    )
