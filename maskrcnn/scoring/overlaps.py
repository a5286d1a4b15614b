"""The overlaps of predictions and truth in one image, in pixels.

The truth is an instance map, divided into runs of one id each: a mask overlaps few runs, where it would overlap
thousands of pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.project.notation import Array, InstanceMap
from maskrcnn.results.predictions import Predictions, Runs, decode_runs


@dataclass(frozen=True)
class Regions:
    """The I ids of an instance map, and its R runs in column-major order as in `maskrcnn.results.predictions`.

    Attributes:
        image_shape: Height and width.
        ids: Values of the map, ascending.
        class_ids: Class of each id, instance or crowd; 0 for what belongs to no class.
        is_instance: Whether the id is a single instance; the others are crowds and stuff.
        is_void: Whether the official Cityscapes protocol ignores the pixels of the id.
        areas: Pixels of each id.
        edges: Run r is `[edges[r], edges[r + 1])`.
        indices: Which of the ids each run has.
    """

    image_shape: tuple[int, int]
    ids: Int[Array, " I"]
    class_ids: Int[Array, " I"]
    is_instance: Bool[Array, " I"]
    is_void: Bool[Array, " I"]
    areas: Int[Array, " I"]
    edges: Int[Array, " R_plus_1"]
    indices: Int[Array, " R"]

    def runs(self, index: int) -> Runs:
        """Returns the mask of one id."""
        own = np.flatnonzero(self.indices == index)
        return Runs(self.edges[own], self.edges[own + 1])

    def boxes_px(self) -> Int[Array, "I 4"]:
        """Returns the tightest box around each id."""
        height = self.image_shape[0]
        first_column, first_row = np.divmod(self.edges[:-1], height)
        last_column, last_row = np.divmod(self.edges[1:] - 1, height)
        spans_columns = last_column > first_column  # such a run contains a last row and a first row
        boxes = np.tile([*self.image_shape, 0, 0], (len(self.ids), 1))
        np.minimum.at(boxes[:, 0], self.indices, np.where(spans_columns, 0, first_row))
        np.minimum.at(boxes[:, 1], self.indices, first_column)
        np.maximum.at(boxes[:, 2], self.indices, np.where(spans_columns, height, last_row + 1))
        np.maximum.at(boxes[:, 3], self.indices, last_column + 1)
        return boxes


def find_regions(instance_map: InstanceMap, catalogue: Catalogue) -> Regions:
    """Divides an instance map into runs.

    Args:
        instance_map: `label_id * instance_base + number` for an instance, `label_id` for crowds and stuff.
        catalogue: Meaning of the labels.
    """
    flat = cv2.transpose(instance_map).ravel()  # column-major; faster than NumPy's own copy
    edges = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    ids, indices = np.unique(flat[edges[:-1]], return_inverse=True)
    ids = ids.astype(np.int64)
    is_instance = ids >= catalogue.instance_base
    label_ids = np.where(is_instance, ids // catalogue.instance_base, ids)
    class_ids = [catalogue.class_ids_by_label.get(label_id, 0) for label_id in label_ids.tolist()]
    return Regions(
        image_shape=instance_map.shape,
        ids=ids,
        class_ids=np.array(class_ids, np.int64),
        is_instance=is_instance,
        is_void=np.isin(ids, list(catalogue.void_label_ids)),
        areas=np.bincount(indices, weights=np.diff(edges)).astype(np.int64),
        edges=edges,
        indices=indices,
    )


def shared_pixels(runs: Runs, regions: Regions) -> Int[Array, " I"]:
    """Counts the pixels of a mask in every region."""
    first: Array = np.searchsorted(regions.edges, runs.starts, side="right") - 1
    met: Array = np.searchsorted(regions.edges, runs.stops, side="left") - first  # regions' runs per run of the mask
    own = np.repeat(np.arange(len(met)), met)
    other = np.arange(len(own)) - np.repeat(np.cumsum(met) - met, met) + first[own]
    inner_starts = np.maximum(runs.starts[own], regions.edges[other])
    inner_stops = np.minimum(runs.stops[own], regions.edges[other + 1])
    counts = np.bincount(regions.indices[other], weights=inner_stops - inner_starts, minlength=len(regions.ids))
    return counts.astype(np.int64)


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
