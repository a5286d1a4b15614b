"""How the images of a split reach the network; whole runs are in tests/stages/test_network_stages.py."""

import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from maskrcnn.project.config import Feeder, Predict
from maskrcnn.project.errors import InputError
from stages import predict

SETTINGS = Predict(batch_size=2, num_proposals=9, num_detections=3, min_confidence=0.5, detection_nms_iou=0.3)


class Numbered:
    """The records of five images, each filled with its number from 1; the first ones take longest to read."""

    def __len__(self) -> int:
        return 5

    def read_image(self, index: int, root: Path) -> np.ndarray:
        assert root == Path("images")
        time.sleep(0.02 * (5 - index))
        return np.full((4, 4, 3), index + 1, np.uint8)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_batches_are_in_order_whatever_the_number_of_threads(workers: int) -> None:
    records: Any = Numbered()
    batches = list(predict.read_batches(records, Path("images"), 2, Feeder(workers)))
    assert [batch[:, 0, 0, 0].tolist() for batch in batches] == [[1, 2], [3, 4], [5, 0]]
    assert {batch.shape for batch in batches} == {(2, 4, 4, 3)}


def test_what_fills_the_last_batch_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(
        boxes_px=np.zeros((0, 4), int),
        class_ids=np.zeros(0, int),
        scores=np.zeros(0),
        masks=np.zeros((0, 4, 4), bool),
        proposals_px=np.ones((200, 4)),
    )
    monkeypatch.setattr(predict, "detect_batches", lambda *_, **__: iter([[found, found], [found, found]]))
    proposals: dict[str, np.ndarray] = {}
    network: Any = None
    assert len(list(predict.predict(network, ["a", "b", "c"], [], SETTINGS, proposals))) == 3
    assert {name: len(best) for name, best in proposals.items()} == {"a": 100, "b": 100, "c": 100}


def test_weights_must_be_of_the_classes_of_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        """Ends the stage."""

    def ask(*arguments: object) -> None:
        raise Asked(*arguments)

    records = SimpleNamespace(image_shape=(64, 64), catalogue=SimpleNamespace(class_names=("background", "car")))
    monkeypatch.setattr(predict, "read_split", lambda *_: records)
    monkeypatch.setattr(predict, "build_mask_rcnn", lambda **_: None)
    monkeypatch.setattr(predict, "read_weights", ask)
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    with pytest.raises(Asked) as asked:
        predict.main("base", tmp_path)
    assert asked.value.args == (None, tmp_path / "models/base.h5", ("background", "car"))


def test_a_variant_that_params_do_not_name_is_refused(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    with pytest.raises(InputError, match=r"params\.yaml` must have the variant `variants\.old`; got base, flip"):
        predict.main("old", tmp_path)
