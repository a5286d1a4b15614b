"""Measures whether the memory of a training stays the same over many steps.

    python bench/steady.py                1000 steps of a tiny network, saved every 50 of them

It prints the process's resident memory in MB after every hundredth step; the first steps compile the network.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' tiny network

import keras

from maskrcnn.learning.states import save_state
from tests.learning.scenes import make_trainer, read_split, write_split

EVERY = 100
SAVED_EVERY = 50


class Meter(keras.callbacks.Callback):
    """Saves the state now and then, and prints the memory."""

    def __init__(self, read_state: Any, path: Path):
        super().__init__()
        self.read_state, self.path, self.done = read_state, path, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.done += 1
        if self.done % SAVED_EVERY == 0:
            _ = self.model
            save_state(self.path, self.read_state(), {"step": self.done})
        if self.done % EVERY == 0:
            print(f"step {self.done}: {read_memory():.0f} MB", flush=True)


def read_memory() -> float:
    """Returns the resident memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS:"))


def main(steps: int) -> None:
    """Trains in epochs of a hundred steps."""
    with tempfile.TemporaryDirectory() as folder:
        training, validation = read_split(write_split(Path(folder)))
        training.steps = EVERY
        trainer = make_trainer(training, "sgd")
        meter = Meter(trainer.read_state, Path(folder) / "last.npz")
        trainer.learn(training, validation, epochs=steps // EVERY, callbacks=[meter])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    main(parser.parse_args().steps)
