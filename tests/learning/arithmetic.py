"""A trainer without a network: a few numbers that change from step to step, exact and at once."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy import ndarray

from maskrcnn.learning.epochs import make_row
from maskrcnn.learning.states import check_layout
from maskrcnn.learning.trainer import Trainer
from maskrcnn.learning.watch import Divergence
from maskrcnn.project.config import Hyperparameters

STEPS = 4
DIVERGES_ABOVE = 3e-3
GOOD_RATE = 1e-4


class Variable:
    """An array that can be assigned."""

    def __init__(self, value: ndarray):
        self.value = value

    def assign(self, value: ndarray) -> None:
        self.value = np.array(value)

    def __array__(self, *_: Any, **__: Any) -> ndarray:
        return self.value


class ArithmeticTrainer(Trainer):
    """Follows the interface of `Trainer`; a step depends on the hyperparameters, the numbers and the step's place."""

    def __init__(self) -> None:
        self.weights, self.total = Variable(np.ones(4)), Variable(np.zeros(1))
        self.network: Any = SimpleNamespace(variables=[self.weights])
        self.model = SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.0), stop_training=False)
        self.start = self.read_state()

    def reset(self, hyperparameters: Hyperparameters, *, warmup_steps: int = 0) -> None:
        self.hyperparameters = hyperparameters
        self.write_state(self.start)

    def evaluate(self, _: object) -> dict[str, float]:
        return {"loss": 100.0}

    def read_state(self) -> dict[str, ndarray]:
        return {"weights": np.array(self.weights), "means/total": np.array(self.total)}

    def check_state(self, state: Mapping[str, ndarray]) -> None:
        check_layout(state, self.start)

    def write_state(self, state: Mapping[str, ndarray]) -> None:
        self.weights.assign(state["weights"])
        self.total.assign(state["means/total"])

    def learn(
        self,
        training: Any,
        validation: Any,
        *,
        epochs: int,
        first_epoch: int = 0,
        first_step: int = 0,
        last_epoch: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> pd.DataFrame:
        rows = []
        self.model.stop_training = False
        for callback in callbacks:
            callback.set_model(self.model)
        for epoch in range(first_epoch, epochs):
            for callback in callbacks:
                callback.set_params({"steps": STEPS - first_step})
                callback.on_epoch_begin(epoch)
            if not first_step:
                self.total.assign(np.zeros(1))
            for step in range(first_step, STEPS):
                self._step(epoch, step)
                for callback in callbacks:
                    callback.on_train_batch_end(step - first_step, {})
            first_step, figures = 0, self._figures()
            for callback in callbacks:
                callback.on_epoch_end(epoch, figures)
            rows.append(make_row(epoch, figures))
            if self.model.stop_training:
                break
        return pd.DataFrame(rows)

    def _step(self, epoch: int, step: int) -> None:
        if self.hyperparameters.learning_rate > DIVERGES_ABOVE and (epoch, step) == (1, 2):
            raise Divergence(2, STEPS + 3)
        noise = np.random.default_rng((epoch, step)).normal(size=4)
        distance = abs(np.log10(self.hyperparameters.learning_rate / GOOD_RATE))
        self.weights.assign(np.array(self.weights) * self.hyperparameters.momentum + 0.1 * (noise + distance))
        self.total.assign(np.array(self.total) + np.abs(self.weights).mean())

    def _figures(self) -> dict[str, float]:
        loss = float(np.square(self.weights).mean())
        return {"loss": float(np.array(self.total)[0]) / STEPS, "val_loss": loss, "val_positive_regions": 20.0}
