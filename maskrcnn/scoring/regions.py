"""The truth of one image as regions: an instance map cut into runs of one id each.

The ids are those of Cityscapes: `label_id * 1000 + k` for an instance, `label_id` for a crowd (of a
class) or for stuff. A mask meets a few runs where it would meet thousands of pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Int

from maskrcnn.project.notation import Array, InstanceMap
from maskrcnn.results.runs import Spans

FIRST_INSTANCE = 1000


@dataclass(frozen=True)
class Regions:
    """The I ids of an instance map and its R runs in column-major order, see `maskrcnn.results.runs`.

    Attributes:
        image_shape: Height and width.
        ids: Values of the map, ascending.
        areas: Pixels of each id.
        edges: Run r is `[edges[r], edges[r + 1])`.
        indices: Which of the ids a run shows.
    """

    image_shape: tuple[int, int]
    ids: Int[Array, " I"]
    areas: Int[Array, " I"]
    edges: Int[Array, " R_plus_1"]
    indices: Int[Array, " R"]

    def spans(self, index: int) -> Spans:
        """Returns the mask of one id."""
        runs = np.flatnonzero(self.indices == index)
        return Spans(self.edges[runs], self.edges[runs + 1])

    def boxes_px(self) -> Int[Array, "I 4"]:
        """Returns the tightest box around each id."""
        height = self.image_shape[0]
        first_column, first_row = np.divmod(self.edges[:-1], height)
        last_column, last_row = np.divmod(self.edges[1:] - 1, height)
        goes_on = last_column > first_column  # into the next column, so it meets the last row and the first
        boxes = np.tile([*self.image_shape, 0, 0], (len(self.ids), 1))
        np.minimum.at(boxes[:, 0], self.indices, np.where(goes_on, 0, first_row))
        np.minimum.at(boxes[:, 1], self.indices, first_column)
        np.maximum.at(boxes[:, 2], self.indices, np.where(goes_on, height, last_row + 1))
        np.maximum.at(boxes[:, 3], self.indices, last_column + 1)
        return boxes

    def is_instance(self) -> Array:
        """Tells which ids are of instances; the others are crowds and stuff."""
        return self.ids >= FIRST_INSTANCE

    def class_ids(self, classes: Mapping[int, int]) -> Int[Array, " I"]:
        """Returns the class of every id, instance or crowd; 0 for what is no class.

        Args:
            classes: Class id of every label id that is a class.
        """
        labels = np.where(self.is_instance(), self.ids // FIRST_INSTANCE, self.ids)
        return np.array([classes.get(label, 0) for label in labels.tolist()], np.int64)


def find_regions(instance_map: InstanceMap) -> Regions:
    """Cuts an instance map into runs."""
    flat = cv2.transpose(instance_map).ravel()  # columns end to end; NumPy takes nine times as long
    edges = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    ids, indices = np.unique(flat[edges[:-1]], return_inverse=True)
    areas = np.bincount(indices, weights=np.diff(edges)).astype(np.int64)
    return Regions(instance_map.shape, ids.astype(np.int64), areas, edges, indices)


def shared_pixels(spans: Spans, regions: Regions) -> Int[Array, " I"]:
    """Counts the pixels of a mask in every region."""
    first: Array = np.searchsorted(regions.edges, spans.starts, side="right") - 1
    met: Array = np.searchsorted(regions.edges, spans.stops, side="left") - first  # runs that a span meets
    span = np.repeat(np.arange(len(met)), met)
    run = np.arange(len(span)) - np.repeat(np.cumsum(met) - met, met) + first[span]
    inner_starts = np.maximum(spans.starts[span], regions.edges[run])
    inner_stops = np.minimum(spans.stops[span], regions.edges[run + 1])
    counts = np.bincount(regions.indices[run], weights=inner_stops - inner_starts, minlength=len(regions.ids))
    return counts.astype(np.int64)
