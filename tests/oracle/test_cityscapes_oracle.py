"""Equality with the official Cityscapes evaluator, which runs in an environment of its own."""

import json
import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from maskrcnn.results.submission import write_submission
from maskrcnn.scoring.average_precision import mean_ap
from maskrcnn.scoring.cityscapes_ap import score_cityscapes
from tests.scoring.scenes import CLASSES, SHAPE, SMALL_CROWD, scenes

pytestmark = pytest.mark.slow

LABELS = {1: "car", 2: "person", 9: "caravan"}
PYTHON = Path(os.environ.get("ORACLE_PYTHON", Path(__file__).parents[2] / ".venv-oracle/bin/python"))


@pytest.fixture(scope="module")
def official():
    """The official evaluator as a function of a folder."""
    assert PYTHON.is_file(), f"`{PYTHON}` must exist; run `make .venv-oracle`."
    command = [PYTHON, Path(__file__).with_name("official.py"), *LABELS.values()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def evaluate(folder):
            process.stdin.write(f"{folder}\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield evaluate
        process.stdin.close()


def lay_out(folder, split):
    """Writes the scenes as the official evaluator reads them."""
    (folder / "gt").mkdir()
    names = [f"munster_{index:06}_000019" for index in range(len(split))]
    for name, scene in zip(names, split, strict=True):
        cv2.imwrite(str(folder / "gt" / f"{name}_gtFine_instanceIds.png"), scene.instance_map)
    label_ids = {class_id: label_id for label_id, class_id in CLASSES.items()}
    predictions = [scene.predictions for scene in split]
    write_submission(folder / "predictions", names, predictions, label_ids, SHAPE, SHAPE)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(split=[SMALL_CROWD])
@given(split=st.lists(scenes(), min_size=1, max_size=3))
def test_equals_the_official_evaluator(official, tmp_path_factory, split) -> None:
    folder = tmp_path_factory.mktemp("split")
    lay_out(folder, split)
    expected = official(folder)
    class_ap = score_cityscapes([scene.overlaps() for scene in split], list(LABELS))
    assert np.allclose(class_ap, expected["class_ap"], rtol=0, atol=1e-9, equal_nan=True)
    assert np.isclose(mean_ap(class_ap), expected["AP"], rtol=0, atol=1e-9, equal_nan=True)
    assert np.isclose(mean_ap(class_ap[:1]), expected["AP50"], rtol=0, atol=1e-9, equal_nan=True)
