"""COCO AP: worked examples, and equality with pycocotools."""

import contextlib
import copy
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from maskrcnn.results.predictions import result_entries
from maskrcnn.scoring.average_precision import mean_ap
from maskrcnn.scoring.coco_ap import annotate, make_dataset, score_coco
from tests.scoring.scenes import CLASS_NAMES, SHAPE, make_scene, scenes


def dataset_of(split):
    return make_dataset([annotate(scene.regions()) for scene in split], CLASS_NAMES, SHAPE)


def score(*split):
    return score_coco(dataset_of(split), [scene.predictions for scene in split], SHAPE)


def by_pycocotools(split):
    """AP of each class at each threshold; -1 without truth."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset_of(split)
        truth.createIndex()
        found = COCO()
        found.dataset = copy.deepcopy(truth.dataset)
        entries = result_entries([scene.predictions for scene in split], SHAPE)
        found.dataset["annotations"] = [
            {**entry, "id": number, "iscrowd": 0, "area": 1} for number, entry in enumerate(entries, 1)
        ]
        found.createIndex()
        evaluation = COCOeval(truth, found, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, 2]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@given(st.lists(scenes(), min_size=1, max_size=3))
def test_equals_pycocotools(split) -> None:
    expected = by_pycocotools(split)
    class_ap = score(*split)
    has_truth = expected[0, 0] > -1
    assert np.allclose(class_ap[:, has_truth], expected[:, :, has_truth].mean(axis=1), rtol=0, atol=1e-9)
    assert np.isnan(class_ap[:, ~has_truth]).all()
    everything = expected[expected > -1]
    assert np.isclose(mean_ap(class_ap), everything.mean() if len(everything) else np.nan, 0, 1e-9, equal_nan=True)


def test_annotations_of_an_image() -> None:
    first, crowd = annotate(make_scene([(26, 60), (26000, 40), (4, 20)], []).regions())
    # Ascending ids: the crowd 26 comes first, then the car 26000; void is no annotation.
    assert (first["category_id"], first["iscrowd"], first["area"]) == (1, 1, 60)
    assert (crowd["category_id"], crowd["iscrowd"], crowd["area"]) == (1, 0, 40)


def test_no_annotation_has_the_id_zero() -> None:
    dataset = dataset_of([make_scene([(26000, 40)], []), make_scene([(26000, 40), (24000, 40)], [])])
    assert [(truth["id"], truth["image_id"]) for truth in dataset["annotations"]] == [(1, 0), (2, 1), (3, 1)]
    assert [category["id"] for category in dataset["categories"]] == list(range(1, 10))


def test_worked_example() -> None:
    # A hit of IoU 0.75 and a missed car: precision 1 up to recall 1/2, so 51 of the 101 recalls up to 0.75.
    class_ap = score(make_scene([(26000, 80), (26001, 80)], [(0, 60, 1, 0.5)]))
    assert np.allclose(class_ap[:, 0], [51 / 101] * 6 + [0] * 4)
    assert mean_ap(class_ap) == pytest.approx(0.6 * 51 / 101)
    assert mean_ap(class_ap[:1]) == pytest.approx(51 / 101)


def test_nothing_predicted_and_nothing_there() -> None:
    assert mean_ap(score(make_scene([(26000, 80)], []))) == 0
    assert np.isnan(mean_ap(score(make_scene([], []))))
    assert np.isnan(mean_ap(score(make_scene([], [(0, 60, 1, 0.5)]))))


def test_the_dataset_is_not_altered() -> None:
    scene = make_scene([(26000, 80), (26, 40)], [(0, 60, 1, 0.5)])
    dataset = dataset_of([scene])
    before = copy.deepcopy(dataset)
    assert mean_ap(score_coco(dataset, [scene.predictions], SHAPE)) == mean_ap(score(scene))
    assert dataset == before
