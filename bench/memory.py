"""Measures the peak memory of training ResNet101 on images of 1024x2048, one image a step.

    python bench/memory.py                            TensorFlow, all layers and the heads alone
    KERAS_BACKEND=jax python bench/memory.py all      JAX, all layers

Every training has a process of its own, which builds the network and takes two steps with Matterport's defaults and
128 slots of truth. Prints JSON: peak resident memory, and CPU seconds of the second step.
"""

import argparse
import json
import multiprocessing
import resource
import time

import numpy as np

SHAPE, TRUTHS, TRUTH_SLOTS = (1024, 2048), 50, 128
STEPS = 2


def main(groups: list[str]) -> dict[str, dict[str, float]]:
    """Returns the figures of every group of layers."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return dict(zip(groups, pool.imap(train, groups), strict=True))


def train(layers: str) -> dict[str, float]:
    """Returns what training some layers of a new network takes."""
    from maskrcnn.learning.loss_model import LossModel, set_learning_layers
    from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
    from maskrcnn.network.model import build_mask_rcnn
    from maskrcnn.project.config import Hyperparameters

    network = build_mask_rcnn(backbone="resnet101", image_shape=SHAPE, class_count=11)
    set_learning_layers(network, layers)
    loss_model, optimizer = LossModel(network, weight_decay=1e-4), make_optimizer("sgd")
    set_hyperparameters(optimizer, Hyperparameters("sgd", learning_rate=1e-6, momentum=0.9, weight_decay=1e-4))
    loss_model.compile(optimizer)
    batch = make_batch(np.random.default_rng(1))
    for _ in range(STEPS):
        start = time.process_time()
        loss_model.train_on_batch(batch)
        cost = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"peak_gb": round(peak, 2), "step_cpu_s": round(cost, 1)}


def make_batch(dice: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns noise with boxes all over it."""
    corners = dice.integers(0, (900, 1800), (TRUTHS, 2))
    boxes = np.concatenate([corners, corners + dice.integers(20, 120, (TRUTHS, 2))], axis=1)
    batch = {
        "images": dice.integers(0, 256, (*SHAPE, 3)).astype(np.uint8),
        "seeds": np.arange(2, dtype=np.int32),
        "boxes": pad(boxes.astype(np.float32)),
        "class_ids": pad(dice.integers(1, 11, TRUTHS).astype(np.int32)),
        "is_crowd": np.zeros(TRUTH_SLOTS, bool),
        "mini_masks": pad(dice.integers(0, 2, (TRUTHS, 56, 56)).astype(np.uint8)),
    }
    return {key: values[None] for key, values in batch.items()}


def pad(values: np.ndarray) -> np.ndarray:
    """Fills the slots of truth with zeros."""
    return np.pad(values, [(0, TRUTH_SLOTS - TRUTHS)] + [(0, 0)] * (values.ndim - 1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measures the peak memory of training at full size.")
    parser.add_argument("layers", nargs="*", default=["all", "heads"], help="groups of learning layers")
    print(json.dumps(main(parser.parse_args().layers), indent=2))
