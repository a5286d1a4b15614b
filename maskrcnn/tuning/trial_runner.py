"""The trial runner: one network that is trained with one set of hyperparameters after the other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from maskrcnn.data.batches import Batches
from maskrcnn.learning.saver import Saver
from maskrcnn.learning.states import is_whole
from maskrcnn.learning.trainer import Trainer
from maskrcnn.learning.watch import Divergence
from maskrcnn.project.config import Hyperparameters
from maskrcnn.project.errors import InputError
from maskrcnn.tuning.training_runs import State, TrainingRun, read_run, read_run_and_state, write_run


class TrialRunner:
    """Trains with one set of hyperparameters after the other, each from the same start; the network is traced once.

    Args:
        trainer: The network with its losses and optimizer.
        training: The stream to learn from.
        validation: The images to validate on.
    """

    def __init__(self, trainer: Trainer, training: Batches, validation: Batches):
        self.trainer, self.training, self.validation = trainer, training, validation

    def train(self, hyperparameters: Hyperparameters, epochs: int, folder: Path) -> TrainingRun:
        """Trains until some epochs are done; what the folder already holds is not repeated.

        Args:
            hyperparameters: Of the trainer's optimizer.
            epochs: Epochs in all.
            folder: Where the runs are kept, after every epoch and within.
        Returns:
            The run after these epochs, or until it diverged.
        """
        training_run = read_run(folder, hyperparameters)
        if len(training_run.rows) < epochs and training_run.diverged_at_step is None:
            self.trainer.reset(hyperparameters)
            training_run, state = read_run_and_state(folder, hyperparameters, self._check)
            if state:
                self.trainer.write_state(state)

        def save_within(step: int) -> None:
            state = self.trainer.read_state()
            if is_whole(state):  # one that is not is left to `Divergence`
                write_run(folder, hyperparameters, replace(training_run, step=step), state)

        while len(training_run.rows) < epochs and training_run.diverged_at_step is None:
            training_run = self._train_epoch(training_run, epochs, save_within)
            # The state of a network that diverged is of no use.
            state = {} if training_run.diverged_at_step else self.trainer.read_state()
            write_run(folder, hyperparameters, training_run, state)
        return training_run.until(epochs)

    def _check(self, training_run: TrainingRun, state: State) -> None:
        """Refuses a state that the run cannot continue from."""
        if training_run.diverged_at_step is not None:
            return
        self.trainer.check_state(state)
        if training_run.step >= len(self.training):
            raise InputError(f"its step must be below {len(self.training)}; got {training_run.step}")

    def _train_epoch(
        self, training_run: TrainingRun, last_epoch: int, save_within: Callable[[int], None]
    ) -> TrainingRun:
        """Returns the run after the rest of an epoch."""
        done, step = len(training_run.rows), training_run.step
        try:
            rows = self.trainer.learn(
                self.training,
                self.validation,
                epochs=done + 1,
                first_epoch=done,
                first_step=step,
                last_epoch=last_epoch,
                callbacks=[Saver(save_within, step)],
            )
        except Divergence as divergence:
            return replace(training_run, diverged_at_step=divergence.step, step=0)
        return TrainingRun([*training_run.rows, *rows.to_dict("records")])
