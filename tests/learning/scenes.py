"""A split of four scenes on disk, batches that note how they are asked for, and batches in memory."""

from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from maskrcnn.data.batches import Batches
from maskrcnn.data.records import read_records, write_records
from maskrcnn.learning.loss_model import LossModel
from maskrcnn.learning.trainer import Trainer, fix_randomness
from maskrcnn.project.config import Sampling
from maskrcnn.readers.cityscapes import CITYSCAPES
from tests.tiny import MINI_MASK_SHAPE, SHAPE, draw_scene, make_batch, network, reset

SAMPLING = Sampling(num_proposals=100, num_anchors=64, num_rois=24, positive_fraction=0.33)
SEED, STEPS = 3, 4


class Recorder(Batches):
    """Batches that note in which order they are asked for."""

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.asked: list[tuple[int, int]] = []

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray]]:
        self.asked.append((self.epoch, index))
        return super().__getitem__(index)


class Given(Batches):
    """Batches that are in memory already."""

    def __init__(self, *batches: dict[str, np.ndarray]):
        keras.utils.PyDataset.__init__(self)
        self.batches, self.batch_size, self.seed, self.epoch = batches, 1, None, 0

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray]]:
        return (self.batches[index],)


def write_split(folder: Path) -> Path:
    """Writes four images and their records; returns the folder."""
    scenes = [draw_scene(seed) for seed in range(4)]
    for image, record in scenes:
        cv2.imwrite(str(folder / record.image_path), image[..., ::-1])
    write_records(folder / "split.npz", [record for _, record in scenes], SHAPE, MINI_MASK_SHAPE, "stretch", CITYSCAPES)
    return folder


def read_split(folder: Path) -> tuple[Recorder, Recorder]:
    """Returns a shuffled stream to learn from and two images to judge by."""
    records = read_records(folder / "split.npz")
    arguments = {"batch_size": 1, "instance_cap": 4}
    training = Recorder(records, folder, steps=STEPS, seed=SEED, **arguments)
    return training, Recorder(records, folder, steps=2, **arguments)


def empty_batch() -> dict[str, np.ndarray]:
    """Returns a scene without truth."""
    batch = make_batch([2], 4)
    return batch | {key: np.zeros_like(batch[key]) for key in ("boxes", "class_ids", "mini_masks")}


def break_before_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a bias of the network NaN whenever an epoch's training is over and its validation begins."""
    evaluate = LossModel.evaluate

    def break_and_evaluate(self: LossModel, *arguments: Any, **keywords: Any) -> Any:
        bias = self.network.rpn_head.deltas.bias
        bias.assign(np.full(bias.shape, np.nan))
        return evaluate(self, *arguments, **keywords)

    monkeypatch.setattr(LossModel, "evaluate", break_and_evaluate)


def make_trainer(training: Batches, optimizer: str, **arguments: Any) -> Trainer:
    """Returns a trainer of the tiny network as it was made."""
    reset()
    fix_randomness(SEED)
    return Trainer(network(), training, layers="all", optimizer=optimizer, sampling=SAMPLING, **arguments)
