"""Matterport's side of `bench/peers.py`: matterport.py training|inference FOLDER, with its source on PYTHONPATH.

It learns with its own defaults, but for mini masks and an image that is not square, and detects with those of
the original: 100 slots, 1000 proposals.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from clock import serve
from mrcnn.config import Config
from mrcnn.model import MaskRCNN, build_rpn_targets, compose_image_meta, mold_image


class Settings(Config):
    NAME = "bench"
    BACKBONE = "resnet50"
    IMAGES_PER_GPU = 1
    NUM_CLASSES = 11
    USE_MINI_MASK = True
    IMAGE_RESIZE_MODE = "none"
    DETECTION_MAX_INSTANCES = 100

    def __init__(self, image_shape: tuple[int, ...], confidence: float):
        super().__init__()
        self.IMAGE_SHAPE = np.array(image_shape)
        self.DETECTION_MIN_CONFIDENCE = confidence


def main(work: str, folder: Path) -> None:
    """Serves one work until standard input ends."""
    scene = np.load(folder / "scene.npz")
    settings = Settings(scene["image"].shape, float(scene["confidence"]))
    model = MaskRCNN(work, settings, model_dir=str(folder))
    model.load_weights(str(folder / "weights.h5"), by_name=True)
    serve(training(model, scene) if work == "training" else inference(model, scene))


def training(model: MaskRCNN, scene: np.lib.npyio.NpzFile) -> dict[str, Callable[[], object]]:
    """Returns the step of all layers, whose result is the losses; the RPN's targets are made beforehand."""
    shape = scene["image"].shape
    meta = compose_image_meta(0, shape, shape, (0, 0, *shape[:2]), 1, [1] * 11)
    image = mold_image(scene["image"].astype(np.float32), model.config)
    model.set_trainable(".*", verbose=0)
    model.compile(1e-3, 0.9)
    model.get_anchors(shape)
    real = scene["class_ids"] > 0
    match, deltas = build_rpn_targets(
        shape, model.anchors, scene["class_ids"][real], scene["boxes"][real], model.config
    )
    masks = np.moveaxis(scene["mini_masks"], 0, -1).astype(bool)
    inputs = [image, meta, match[:, None], deltas, scene["class_ids"], scene["boxes"], masks]
    batch = [values[None] for values in inputs]

    def step() -> list[float]:
        return [float(loss) for loss in model.keras_model.train_on_batch(batch, [])]

    return {"training": step}


def inference(model: MaskRCNN, scene: np.lib.npyio.NpzFile) -> dict[str, Callable[[], object]]:
    """Returns the whole detection, pasted masks included; the result is the count of objects."""
    return {"inference": lambda: len(model.detect([scene["image"]])[0]["scores"])}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
