"""The per-image protocol: worked examples, the tables of 2021, and a second implementation on whole masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from maskrcnn.scoring.average_precision import PerImageAP, image_average_precisions, score_per_image
from maskrcnn.scoring.matches import Matches, match
from tests.scoring.scenes import CLASSES, SHAPE, scenes

THRESHOLDS = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


def brute_force(scene, threshold, class_ids):
    """AP of one image for some classes; None without truth."""
    truths = [
        (CLASSES[map_id // 1000], scene.instance_map == map_id)
        for map_id in sorted(set(scene.instance_map[scene.instance_map >= 1000].tolist()))
        if CLASSES[map_id // 1000] in class_ids
    ]
    if not truths:
        return None
    crowds = {class_id: scene.instance_map == label for label, class_id in CLASSES.items()}
    hits, free = [], set(range(len(truths)))
    for class_id, _, mask in sorted(predictions_of(scene), key=lambda prediction: -prediction[1]):
        if class_id not in class_ids:
            continue
        ious = {
            index: (mask & truths[index][1]).sum() / (mask | truths[index][1]).sum()
            for index in free
            if truths[index][0] == class_id
        }
        best = max(ious, key=lambda index: (ious[index], -index), default=None)
        if best is not None and ious[best] >= threshold:
            free.discard(best)
            hits.append(1)
        elif (mask & crowds[class_id]).sum() * 2 <= mask.sum():
            hits.append(0)
    precisions = [sum(hits[: length + 1]) / (length + 1) for length in range(len(hits))]
    return sum(max(precisions[index:]) for index, hit in enumerate(hits) if hit) / len(truths)


def predictions_of(scene):
    found = scene.predictions
    masks = [coco_mask.decode({"size": list(SHAPE), "counts": counts}).astype(bool) for counts in found.rles]
    return list(zip(found.class_ids.tolist(), found.scores.tolist(), masks, strict=True))


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else np.nan


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@settings(max_examples=60)
@given(st.lists(scenes(), min_size=1, max_size=3))
def test_equals_brute_force(split) -> None:
    scores = score_per_image([match(scene.overlaps()) for scene in split], 10)
    every_class = set(CLASSES.values())
    pooled = [mean(brute_force(scene, iou, every_class) for scene in split) for iou in THRESHOLDS]
    assert scores.ap == pytest.approx(pooled, abs=1e-9, nan_ok=True)
    assert scores.range_ap == pytest.approx(sum(pooled) / 10, abs=1e-9, nan_ok=True)
    for class_id in every_class:
        by_iou = [mean(brute_force(scene, iou, {class_id}) for scene in split) for iou in THRESHOLDS]
        assert scores.class_ap[:, class_id] == pytest.approx(by_iou, abs=1e-9, nan_ok=True)
        held = [brute_force(scene, 0.5, {class_id}) is not None for scene in split]
        assert scores.class_images[class_id] == sum(held)


def matches_of(truths, truth_class_ids, class_ids=None, ignored=None):
    """Matches at one threshold; of one class unless told."""
    count = len(truths)
    return Matches(
        class_ids=np.ones(count, int) if class_ids is None else np.array(class_ids, int),
        scores=np.linspace(1, 0, count),
        truths=np.array(truths, int).reshape(1, count),
        ignored=np.zeros((1, count), bool) if ignored is None else np.array([ignored], bool),
        truth_class_ids=np.array(truth_class_ids, int),
    )


def test_ignored_predictions_leave_the_curve() -> None:
    # The ignored alarm in front would halve the precision.
    matches = matches_of([-1, 0], [1], ignored=[True, False])
    assert image_average_precisions(matches).tolist() == [1.0]


def test_class_sees_its_own_predictions_and_truths() -> None:
    # Class 1: an alarm, then its truth: 1/2. Class 2: its truth at once: 1. Pooled: alarm, hit, hit: 2/3.
    matches = matches_of([-1, 0, 1], [1, 2], class_ids=[1, 1, 2])
    assert image_average_precisions(matches, 1).tolist() == [0.5]
    assert image_average_precisions(matches, 2).tolist() == [1.0]
    assert np.allclose(image_average_precisions(matches), [2 / 3])


def test_means_and_counts() -> None:
    images = [
        matches_of([0], [1]),  # AP 1
        matches_of([], [1, 2]),  # truth without prediction: AP 0
        matches_of([-1], []),  # no truth: no AP, whatever is predicted
    ]
    scores = score_per_image(images, 4)
    assert (scores.images, scores.images_without_truth) == (3, 1)
    assert scores.ap.tolist() == [0.5]  # (1 + 0) / 2
    # Class 1 is in two images and found in one, class 2 is missed, class 3 is nowhere.
    np.testing.assert_array_equal(scores.class_ap, [[np.nan, 0.5, 0, np.nan]])
    assert scores.class_images.tolist() == [0, 2, 1, 0]
    assert scores.class_instances.tolist() == [0, 2, 1, 0]


def test_no_truth_at_all() -> None:
    scores = score_per_image([matches_of([-1], [])], 2)
    assert scores.class_instances.tolist() == [0, 0]
    assert np.isnan(scores.ap).all() and np.isnan(scores.range_ap) and scores.images_without_truth == 1


# The table of 2021, a row for each IoU: base, flip, flip_crop, unfreeze_backbone, freeze_rpn_fpn.
PUBLISHED_AP = np.array(
    [
        [0.587, 0.611, 0.615, 0.608, 0.623],
        [0.566, 0.586, 0.590, 0.581, 0.602],
        [0.534, 0.549, 0.546, 0.544, 0.567],
        [0.487, 0.500, 0.488, 0.496, 0.508],
        [0.430, 0.437, 0.416, 0.434, 0.444],
        [0.352, 0.360, 0.338, 0.360, 0.362],
        [0.274, 0.270, 0.250, 0.280, 0.275],
        [0.187, 0.185, 0.171, 0.190, 0.188],
        [0.099, 0.095, 0.085, 0.106, 0.100],
        [0.001, 0.000, 0.000, 0.003, 0.001],
    ]
)
PUBLISHED_RAP = [0.352, 0.360, 0.350, 0.360, 0.367]


@pytest.mark.parametrize("variant", range(5))
def test_published_rap_follows_from_the_published_ap(variant) -> None:
    scores = PerImageAP(
        ap=PUBLISHED_AP[:, variant],
        class_ap=np.zeros((10, 11)),
        class_images=np.zeros(11, int),
        class_instances=np.zeros(11, int),
        images=174,
        images_without_truth=0,
    )
    # Both are rounded to three digits: the mean of the APs is off by up to 0.0005, and so is rAP.
    assert scores.range_ap == pytest.approx(PUBLISHED_RAP[variant], abs=0.001)
