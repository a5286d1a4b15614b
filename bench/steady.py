"""Measures whether the memory of a process stays the same over many steps of training, or many detections.

    python bench/steady.py                             1000 steps of a tiny network, saved every 50 of them
    python bench/steady.py --model models/base.h5      1000 images, one after the other, with boxes and masks

It prints the resident memory of the process in MB after every hundredth step, and writes it to
`bench/results/steady.json`. The first steps compile the network.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' tiny network

import keras
import numpy as np

from maskrcnn.inference import detect
from maskrcnn.learning.states import save_state
from maskrcnn.network.weights import load
from maskrcnn.project.files import write_text
from tests.learning.scenes import make_trainer, read_split, write_split

RESULT = Path(__file__).parent / "results/steady.json"
EVERY = 100
SAVED_EVERY = 50
MIN_SCORE = 0.05  # as for scores: up to a hundred objects in an image

Memory = dict[int, float]  # MB after so many steps


class Meter(keras.callbacks.Callback):
    """Saves the state now and then, and measures the memory."""

    def __init__(self, read_state: Any, path: Path):
        super().__init__()
        self.read_state, self.path, self.done = read_state, path, 0
        self.memory: Memory = {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.done += 1
        if self.done % SAVED_EVERY == 0:
            _ = self.model
            save_state(self.path, self.read_state(), {"step": self.done})
        if self.done % EVERY == 0:
            self.memory[self.done] = read_memory(self.done)


def read_memory(step: int) -> float:
    """Prints and returns the resident memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    memory = next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS:"))
    print(f"step {step}: {memory:.0f} MB", flush=True)
    return round(memory, 1)


def train(steps: int) -> Memory:
    """Trains in epochs of a hundred steps."""
    with tempfile.TemporaryDirectory() as folder:
        training, validation = read_split(write_split(Path(folder)))
        training.steps = EVERY
        trainer = make_trainer(training, "sgd")
        meter = Meter(trainer.read_state, Path(folder) / "last.npz")
        trainer.learn(training, validation, epochs=steps // EVERY, callbacks=[meter])
        return meter.memory


def detect_all(model: str, steps: int) -> Memory:
    """Finds the objects of images of noise."""
    network, rng = load(model), np.random.default_rng(2021)
    memory: Memory = {}
    for step in range(1, steps + 1):
        image = rng.integers(0, 256, (*network.image_shape, 3), np.uint8)
        found = detect(network, image, min_confidence=MIN_SCORE)
        assert len(found.masks) == len(found.boxes_px)
        if step % EVERY == 0:
            memory[step] = read_memory(step)
    return memory


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--model", help="a trained model; its detections are measured instead of a training")
    options = parser.parse_args()
    measured = detect_all(options.model, options.steps) if options.model else train(options.steps)
    known = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    write_text(RESULT, json.dumps(known | {"detections" if options.model else "training": measured}, indent=2) + "\n")
