"""Bootstrap replicates: each has the scores of the images that it holds, by the protocols themselves."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maskrcnn.report.bootstrap import draw_weights, find_interval, resample
from maskrcnn.scoring.average_precision import score_per_image
from maskrcnn.scoring.cityscapes_ap import official_label_ids, score_cityscapes
from maskrcnn.scoring.coco_ap import annotate, make_dataset, score_coco
from maskrcnn.scoring.matches import match
from maskrcnn.scoring.rows import average_row, loose_row
from tests.scoring.scenes import CATALOGUE, CLASS_NAMES, SHAPE, Scene, make_scene, scenes

OFFICIAL = list(official_label_ids(CATALOGUE))
MIN_AREA = 100.0
# Of the first prediction exactly half lies in a crowd: COCO ignores it at the threshold 0.50.
HALF_IN_CROWD = make_scene([(26, 60), (7, 60), (26000, 120)], [(0, 120, 1, 0.9), (120, 240, 1, 0.8)])
NAMES = ("AP50", "rAP", "cityscapes_AP", "cityscapes_AP50", "coco_AP", "coco_AP50")


def score(split: Sequence[Scene]) -> dict[str, float]:
    """Returns the averages of a split as `evaluate` writes them; those without value are NaN."""
    overlaps = [scene.overlaps() for scene in split]
    per_image = score_per_image([match(image) for image in overlaps], len(CLASS_NAMES))
    dataset = make_dataset([annotate(scene.regions()) for scene in split], CLASS_NAMES, SHAPE)
    coco = score_coco(dataset, [scene.predictions for scene in split], SHAPE)
    official = score_cityscapes(overlaps, OFFICIAL, MIN_AREA)
    row = average_row(per_image, official, coco) | loose_row(official, coco)
    return {name: row.get(name, float("nan")) for name in NAMES}


def separate(split: Sequence[Scene]) -> list[Scene]:
    """Returns the scenes without equal scores: which of them comes first in a list of copies is a matter of order."""
    moved = []
    for index, (instance_map, found) in enumerate(split):
        steps = 1e-4 * np.arange(len(found)) + 1e-6 * index
        moved.append(Scene(instance_map, replace(found, scores=np.clip(found.scores - steps, 0, 1))))
    return moved


@given(st.lists(scenes(), min_size=1, max_size=4), st.integers(0, 9))
@example([HALF_IN_CROWD], 0)
def test_a_replicate_has_the_scores_of_its_images(split: list[Scene], seed: int) -> None:
    split = separate(split)
    weights = draw_weights(len(split), seed, replicates=3)
    overlaps = [scene.overlaps() for scene in split]
    samples = resample([match(image) for image in overlaps], overlaps, OFFICIAL, MIN_AREA, weights)
    assert tuple(samples) == NAMES
    for replicate, row in enumerate(weights.astype(int)):
        expected = score([scene for scene, times in zip(split, row, strict=True) for _ in range(times)])
        for name, values in samples.items():
            assert np.isclose(values[replicate], expected[name], rtol=0, atol=1e-6, equal_nan=True), name


def test_every_replicate_holds_as_many_images_as_the_split() -> None:
    weights = draw_weights(7, 1, replicates=50)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.max() > 1  # with replacement
    assert (draw_weights(7, 1, replicates=50) == weights).all()
    assert (draw_weights(7, 2, replicates=50) != weights).any()


def test_an_interval_leaves_out_the_same_share_on_both_sides() -> None:
    low, high = find_interval(np.append(np.arange(1001.0), np.nan))
    assert (low, high) == pytest.approx((25, 975))


def test_without_a_value_there_is_no_interval() -> None:
    assert np.isnan(find_interval(np.full(3, np.nan))).all()


def test_one_right_and_one_wrong_image() -> None:
    # Of two images, one is found and one is not: the AP of a replicate is the share of the first.
    right, wrong = make_scene([(26000, 120)], [(0, 120, 1, 0.9)]), make_scene([(26000, 120)], [])
    overlaps = [right.overlaps(), wrong.overlaps()]
    weights = np.array([[2, 0], [1, 1], [0, 2]], np.float32)
    samples = resample([match(image) for image in overlaps], overlaps, OFFICIAL, MIN_AREA, weights)
    assert samples["AP50"].tolist() == [1.0, 0.5, 0.0]
    assert samples["coco_AP50"] == pytest.approx([1.0, 51 / 101, 0.0])
