"""The trial runner: one network that is trained with one set of hyperparameters after the other."""

from dataclasses import replace
from pathlib import Path

from maskrcnn.data.batches import Batches
from maskrcnn.learning.trainer import Trainer
from maskrcnn.learning.watch import Divergence
from maskrcnn.project.config import Hyperparameters
from maskrcnn.tuning.training_runs import TrainingRun, read_run, read_run_and_state, write_run


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
        """Trains until some epochs are done; epochs that the folder already holds are not repeated.

        Args:
            hyperparameters: Of the trainer's optimizer.
            epochs: Epochs in all.
            folder: Where the runs are kept, epoch by epoch.
        Returns:
            The run after these epochs, or until it diverged.
        """
        training_run = read_run(folder, hyperparameters)
        if len(training_run.rows) < epochs and training_run.diverged_at_step is None:
            self.trainer.reset(hyperparameters)
            training_run, state = read_run_and_state(folder, hyperparameters, self.trainer.start)
            if state:
                self.trainer.write_state(state)
        while len(training_run.rows) < epochs and training_run.diverged_at_step is None:
            training_run = self._train_epoch(training_run)
            # The state of a network that diverged is of no use.
            state = {} if training_run.diverged_at_step else self.trainer.read_state()
            write_run(folder, hyperparameters, training_run, state)
        return training_run.until(epochs)

    def _train_epoch(self, training_run: TrainingRun) -> TrainingRun:
        """Returns the run after one more epoch."""
        done = len(training_run.rows)
        try:
            rows = self.trainer.learn(self.training, self.validation, epochs=done + 1, first_epoch=done)
        except Divergence as divergence:
            return replace(training_run, diverged_at_step=divergence.step)
        return TrainingRun([*training_run.rows, *rows.to_dict("records")])
