"""Our side of `bench/peers.py`: ours.py training|inference FOLDER."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from clock import serve

from maskrcnn.inference import detect
from maskrcnn.learning.loss_model import LossModel, set_learning_layers
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.network.model import MaskRCNN, build_mask_rcnn
from maskrcnn.network.weights import read_weights
from maskrcnn.project.config import Hyperparameters


def main(work: str, folder: Path) -> None:
    """Serves one work until standard input ends."""
    scene = np.load(folder / "scene.npz")
    network = build_mask_rcnn(backbone="resnet50", image_shape=scene["image"].shape[:2], class_count=11)
    read_weights(network, folder / "weights.h5")
    serve(training(network, scene) if work == "training" else inference(network, scene))


def training(network: MaskRCNN, scene: np.lib.npyio.NpzFile) -> dict[str, Callable[[], object]]:
    """Returns the step of all layers, whose result is the five losses."""
    set_learning_layers(network, "all")
    loss_model = LossModel(network, weight_decay=1e-4)
    optimizer = make_optimizer("sgd")
    set_hyperparameters(optimizer, Hyperparameters("sgd", learning_rate=1e-3, momentum=0.9, weight_decay=1e-4))
    loss_model.compile(optimizer)
    truth = {key: scene[key] for key in ("boxes", "class_ids", "mini_masks")}
    batch = {"images": scene["image"], **truth, "is_crowd": np.zeros(len(truth["class_ids"]), bool)}
    batch["seeds"] = np.arange(2, dtype=np.int32)
    batch = {key: values[None] for key, values in batch.items()}

    def step() -> list[float]:
        return [float(loss) for loss in loss_model.train_on_batch(batch)]

    return {"training": step}


def inference(network: MaskRCNN, scene: np.lib.npyio.NpzFile) -> dict[str, Callable[[], object]]:
    """Returns the whole detection, pasted masks included; the result is the count of objects."""
    return {"inference": lambda: len(detect(network, scene["image"], min_confidence=float(scene["confidence"])).scores)}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
