"""Random scenes of difficult cases: crowds, void, tiny regions, duplicates, ties, empty images.

Protocols count pixels and ignore where they are, so a scene is a line of segments, folded into an image
column by column. Predictions begin and end at fractions of a segment, so that IoUs are on the thresholds.
"""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.results.predictions import Predictions, encode_predictions
from maskrcnn.scoring.overlaps import Overlaps, Regions, find_regions, measure_overlaps

SHAPE = (24, 32)
CLASSES = {26: 1, 24: 2, 29: 9}  # car, person, caravan
CLASS_NAMES = ("background", "car", "person", *(f"class {class_id}" for class_id in range(3, 9)), "caravan")
LABELS = CLASSES | {30 + class_id: class_id for class_id in range(3, 9)}  # of classes that no scene has
CATALOGUE = Catalogue(CLASS_NAMES, LABELS, frozenset({0, 4, 29}))
# Background, void, crowds of car, person and caravan, single cars, persons and a caravan.
MAP_IDS = (7, 0, 4, 26, 26, 24, 29, 26000, 26001, 26002, 26003, 26004, 24000, 24001, 29000)
LENGTHS = (20, 40, 60, 80, 99, 100, 101, 120, 160)  # the official protocol begins at 100 pixels
BEGINS, ENDS = (-1.0, -0.25, 0.0, 0.0, 0.05, 0.25, 0.5), (-0.5, -0.25, -0.1, 0.0, 0.0, 0.25, 1.0)
SCORES = (0.05, 0.25, 0.5, 0.75, 0.9)


class Scene(NamedTuple):
    """The truth and the predictions of one image of shape `SHAPE`."""

    instance_map: np.ndarray
    predictions: Predictions

    def regions(self) -> Regions:
        return find_regions(self.instance_map, CATALOGUE)

    def overlaps(self) -> Overlaps:
        return measure_overlaps(self.regions(), self.predictions)


def wind(line: np.ndarray) -> np.ndarray:
    """Returns a line of pixels as an image, column by column."""
    return line.reshape(SHAPE[::-1]).T


def make_scene(segments, found) -> Scene:
    """Returns the scene of `(map id, length)` segments and `(begin, end, class id, score)` predictions."""
    line = np.full(SHAPE[0] * SHAPE[1], 7, np.uint16)
    masks = np.zeros((len(found), *SHAPE), bool)
    end = 0
    for map_id, length in segments:
        line[end : end + length] = map_id
        end += length
    pixels = wind(np.arange(line.size))
    for mask, (begin, end, _, _) in zip(masks, found, strict=True):
        mask[:] = (begin <= pixels) & (pixels < end)
    class_ids = np.array([class_id for _, _, class_id, _ in found], np.int64)
    scores = np.array([score for _, _, _, score in found], np.float64)
    return Scene(wind(line), encode_predictions(np.zeros((len(found), 4)), class_ids, scores, masks))


@st.composite
def scenes(draw, map_ids=MAP_IDS):
    """One image; `map_ids` are what its truth may show."""
    segments = draw(st.lists(st.tuples(st.sampled_from(map_ids), st.sampled_from(LENGTHS)), max_size=8))
    found = draw(st.lists(predictions_on(segments), max_size=8)) if segments else []
    return make_scene(segments, found + found[: draw(st.integers(0, 2))])  # the first ones may come twice


@st.composite
def predictions_on(draw, segments):
    """A prediction around some segment, mostly of the segment's class."""
    index = draw(st.integers(0, len(segments) - 1))
    map_id, length = segments[index]
    begin = sum(before for _, before in segments[:index])
    shift, stretch = draw(st.sampled_from(BEGINS)), draw(st.sampled_from(ENDS))
    own = CLASSES.get(map_id // 1000 or map_id, 1)
    class_id = draw(st.sampled_from([own, own, own, own, *CLASSES.values()]))
    score = draw(st.sampled_from(SCORES))
    return begin + round(shift * length), begin + round((1 + stretch) * length), class_id, score


# The car of 120 pixels is found; the first alarm covers a crowd of 40 pixels, below the minimum area, and
# 60 of the road. The crowd counts twice: 80 of 100 pixels are ignorable, more than 0.75.
SMALL_CROWD = make_scene([(26000, 120), (26, 40), (7, 60)], [(0, 120, 1, 0.5), (120, 220, 1, 0.9)])
