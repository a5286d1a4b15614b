"""State files of trainings and of trials, and ways to damage them."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn.learning.fit import Progress
from maskrcnn.learning.states import save_state
from maskrcnn.project.config import Hyperparameters
from maskrcnn.tuning.training_runs import TrainingRun, write_run
from maskrcnn.tuning.trial_runner import TrialRunner
from tests.learning.arithmetic import STEPS, ArithmeticTrainer

RATE = Hyperparameters("sgd", 1e-3, 0.9, 0.0)
ROW = {"epoch": 1, "loss": 1.0, "val_loss": 1.0, "val_positive_regions": 3.0}
LEAVES = [None, True, 0, 1, -1, 3, 10**400, 1e308, float("nan"), float("inf"), "", "rows", [], {}, "\ud800", ROW, [ROW]]


def write_training(folder: Path) -> Path:
    """Writes the state of a training, and returns its file."""
    path = folder / "last.npz"
    save_state(path, ArithmeticTrainer().start | {"best/0": np.ones(4)}, {"rows": [ROW], "step": 2})
    return path


def write_trial(folder: Path) -> Path:
    """Writes the state of a trial, and returns its file."""
    write_run(folder, RATE, TrainingRun([ROW], step=2), ArithmeticTrainer().start)
    return next(folder.glob("*.npz"))


def make_value(dice: random.Random, depth: int = 0) -> Any:
    """Returns a random value that JSON can hold."""
    if depth > 3 or dice.random() < 0.5:
        return dice.choice(LEAVES)
    if dice.random() < 0.5:
        return [make_value(dice, depth + 1) for _ in range(dice.randrange(4))]
    keys = ["rows", "step", "diverged_at_step", "epoch", "val_loss", "val_positive_regions", "x"]
    return {key: make_value(dice, depth + 1) for key in dice.sample(keys, dice.randrange(5))}


def lie(dice: random.Random, progress: dict[str, Any]) -> str:
    """Returns progress as JSON, with a value that is another, or nested deeply."""
    if dice.random() < 0.1:
        return "[" * 100_000 + "]" * 100_000
    changed = progress | {dice.choice([*progress, "x"]): make_value(dice)}
    return json.dumps(make_value(dice) if dice.random() < 0.2 else changed)


def lie_in_arrays(dice: random.Random, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns arrays of which one has another value, type, shape or name."""
    name = dice.choice([*state])
    values = state[name]
    others = [
        np.full_like(values, dice.choice([np.nan, np.inf, -np.inf])),
        values.astype(dice.choice(["int8", "float32", "complex64", "S3", "bool", "M8[s]"])),
        values[:0],
        np.zeros((2, *values.shape)),
        np.zeros(()),
    ]
    changed = {key: values for key, values in state.items() if key != name or dice.random() < 0.8}
    return changed | {dice.choice([name, "x", "best/0", "means/9"]): dice.choice(others)}


def break_bytes(dice: random.Random, content: bytes) -> bytes:
    """Returns a file of which a part is missing, zero, doubled or random; or its headers claim something else."""
    start, stop = sorted(dice.randrange(len(content) + 1) for _ in range(2))
    part = content[start:stop]
    other = dice.choice([b"", bytes(len(part)), part + part, dice.randbytes(min(len(part), 20))])
    claims = [
        (b"(4,)", b"(9999999999,)"),
        (b"(4,)", b"(-1,)"),
        (b"<f8", b"|O8"),
        (b"<f8", b"<c9"),
        (b"<f8", b"<U9999999"),
    ]
    old, new = dice.choice(claims)
    return content.replace(old, new) if dice.random() < 0.2 else content[:start] + other + content[stop:]


def damage(dice: random.Random, path: Path) -> None:
    """Damages a state file in one of the ways above."""
    with np.load(path) as archive:
        state = {name: archive[name] for name in archive.files}
    progress = json.loads(str(state.pop("progress")))
    way = dice.randrange(4)
    if way == 0:
        np.savez(path, progress=np.array(lie(dice, progress)), **state)  # type: ignore[arg-type]
    elif way == 1:
        np.savez(path, progress=np.array(json.dumps(progress)), **lie_in_arrays(dice, state))  # type: ignore[arg-type]
    else:
        path.write_bytes(break_bytes(dice, path.read_bytes()))


def resume(path: Path) -> int:
    """Resumes a training; returns its epochs and steps."""
    progress = Progress(ArithmeticTrainer(), path.with_name("history.csv"), path.parent, patience=None, steps=STEPS)
    assert progress.path == path
    progress.resume()
    return len(progress.rows) * STEPS + progress.step


def resume_trial(path: Path) -> int:
    """Runs a trial for one more step; returns the epochs that it has."""
    steps: Any = range(STEPS)
    return len(TrialRunner(ArithmeticTrainer(), steps, steps).train(RATE, 2, path.parent).rows)
