"""The whole per-image protocol against a second implementation, on whole masks and one by one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from maskrcnn.scoring.average_precision import score_per_image
from maskrcnn.scoring.matching import match
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
    return sum(known) / len(known) if known else 0


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@settings(max_examples=60)
@given(st.lists(scenes(), min_size=1, max_size=3))
def test_equals_brute_force(split):
    scores = score_per_image([match(scene.overlaps()) for scene in split], 10)
    every_class = set(CLASSES.values())
    pooled = [mean(brute_force(scene, iou, every_class) for scene in split) for iou in THRESHOLDS]
    assert scores.ap == pytest.approx(pooled, abs=1e-9)
    assert scores.range_ap == pytest.approx(sum(pooled) / 10, abs=1e-9)
    for class_id in every_class:
        by_iou = [mean(brute_force(scene, iou, {class_id}) for scene in split) for iou in THRESHOLDS]
        assert scores.class_ap[:, class_id] == pytest.approx(by_iou, abs=1e-9)
        held = [brute_force(scene, 0.5, {class_id}) is not None for scene in split]
        assert scores.class_images[class_id] == sum(held)
