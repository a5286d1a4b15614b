"""The made-up street of `bench/gpu.py`: one batch of noise with boxes in it, the same for both sides."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

SMALL = os.environ.get("BENCH_SMALL") == "1"
SHAPE = (128, 128) if SMALL else (1024, 2048)
TRUTHS, TRUTH_SLOTS, CLASS_COUNT = 40, 128, 11
WARM_UPS, STEPS = (1, 3) if SMALL else (4, 20)


@contextmanager
def device_alone() -> Iterator[float]:
    """Waits until no other figure has the device; yields the seconds of the wait."""
    asked = time.monotonic()
    with open(os.environ["BENCH_LOCK"], "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield time.monotonic() - asked


def make_batch(size: int) -> dict[str, np.ndarray]:
    """Returns images, uint8, and their padded truth, as `maskrcnn.data.batches.Batches` does."""
    dice = np.random.default_rng(0)
    samples = [make_sample(dice) for _ in range(size)]
    return {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}


def make_sample(dice: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns one image of noise with boxes of a thirtieth to a third of its height."""
    height, width = SHAPE
    h = dice.uniform(1 / 30, 0.3, TRUTHS) * height
    w = h * dice.uniform(0.5, 2, TRUTHS)
    y, x = dice.uniform(0.2, 0.7, TRUTHS) * (height - h), dice.uniform(0, 1, TRUTHS) * np.maximum(width - w, 1)
    boxes = np.round(np.stack([y, x, np.minimum(y + h, height), np.minimum(x + w, width)], axis=1))
    masks = np.zeros((TRUTHS, 56, 56), np.uint8)
    masks[:, 8:48, 8:48] = 1
    truth = {
        "boxes": boxes.astype(np.float32),
        "class_ids": dice.integers(1, CLASS_COUNT, TRUTHS).astype(np.int32),
        "is_crowd": np.zeros(TRUTHS, bool),
        "mini_masks": masks,
    }
    padded = {
        key: np.pad(values, [(0, TRUTH_SLOTS - TRUTHS)] + [(0, 0)] * (values.ndim - 1)) for key, values in truth.items()
    }
    seeds = dice.integers(0, 2**31, 2, dtype=np.int32)
    return {"images": dice.integers(0, 256, (height, width, 3)).astype(np.uint8), "seeds": seeds, **padded}
