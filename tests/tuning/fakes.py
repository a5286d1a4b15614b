"""A fake trainer that takes no time: its loss is a function of the hyperparameters and the epochs done."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from maskrcnn.learning.recipe import Assembly, Recipe
from maskrcnn.learning.states import check_layout
from maskrcnn.learning.watch import Divergence
from maskrcnn.project.config import Feeder, Hyperparameters
from maskrcnn.tuning.trial_runner import TrialRunner

GOOD_RATE = 1e-4
DIVERGES_ABOVE = 3e-3
STEPS = 10


class FakeTrainer:
    """A trainer whose loss is lowest at `GOOD_RATE` and that diverges at high rates.

    Args:
        stop_after: Epochs after which the process is stopped, as by a person; None for never.
        hungry: Momentum above which there is not enough memory.
        blind: Momentum above which no region meets an object, which makes the loss low.
    """

    def __init__(self, stop_after: int | None = None, hungry: float = 1.0, blind: float = 1.0):
        self.stop_after, self.hungry, self.blind = stop_after, hungry, blind
        self.learned: list[tuple[Hyperparameters, int]] = []
        self.told: list[tuple[int, int]] = []  # the epochs that a line shows
        self.progress = -1  # unusable until it is reset
        self.start = self.read_state()

    def reset(self, hyperparameters: Hyperparameters) -> None:
        self.hyperparameters, self.progress = hyperparameters, 0

    def learn(
        self,
        training: Any,
        validation: Any,
        *,
        epochs: int,
        first_epoch: int,
        first_step: int,
        last_epoch: int,
        callbacks: Any,
    ) -> pd.DataFrame:
        self.told.append((epochs, last_epoch))
        assert (self.progress, first_step) == (first_epoch, 0) == (epochs - 1, 0), "continues from the state"
        if len(self.learned) == self.stop_after:
            raise KeyboardInterrupt
        self.learned.append((self.hyperparameters, epochs))
        if self.hyperparameters.momentum > self.hungry:
            self.progress = -1
            raise MemoryError("no room for a tensor\nwith all its details")
        if self.hyperparameters.learning_rate > DIVERGES_ABOVE and epochs == 2:
            self.progress = -1
            raise Divergence(epochs, first_epoch * STEPS + 3)
        self.progress = epochs
        loss = abs(np.log10(self.hyperparameters.learning_rate / GOOD_RATE)) + 1 / epochs
        seen = self.hyperparameters.momentum <= self.blind
        figures = {"val_loss": loss if seen else 0.01, "val_positive_regions": 20.0 if seen else 0.0}
        return pd.DataFrame([{"epoch": epochs, "loss": loss - 0.1, **figures}])

    def read_state(self) -> dict[str, ndarray]:
        return {"epochs": np.array(self.progress)}

    def check_state(self, state: Mapping[str, ndarray]) -> None:
        check_layout(state, self.start)

    def write_state(self, state: Mapping[str, ndarray]) -> None:
        self.progress = int(state["epochs"])


def make_runner(**arguments: Any) -> TrialRunner:
    """Returns a runner of a fake trainer."""
    return TrialRunner(FakeTrainer(**arguments), range(STEPS), None)  # type: ignore[arg-type]


class FakeAssembly:
    """Replaces `assemble`: keeps what it is given and returns a fake trainer.

    Args:
        trainer: The trainer to return; one made of `arguments` if it is None.
    """

    def __init__(self, trainer: FakeTrainer | None = None, **arguments: Any):
        self.trainer = trainer or FakeTrainer(**arguments)
        self.calls: list[tuple[Recipe, Path, Feeder]] = []

    def __call__(self, recipe: Recipe, root: Path, feeder: Feeder) -> Assembly:
        self.calls.append((recipe, root, feeder))
        return Assembly(self.trainer, range(STEPS), None)  # type: ignore[arg-type]
