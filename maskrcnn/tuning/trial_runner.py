"""The bench of a tuning stage: a network and two reduced splits, set up once for many runs."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from maskrcnn.data.batches import Batches
from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.data.records import read_records
from maskrcnn.learning.trainer import Divergence, Trainer, fix_randomness
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.weights import read_weights
from maskrcnn.project.config import Data, Hyperparameters, Model, Preprocess, Sampling, Schedule
from maskrcnn.tuning.runs import Run, read_run, write_run

RANDOM = "pins/random_weights.txt"  # DVC needs a file to depend on, even where nothing is read


class TrialRunner:
    """Trains one set of hyperparameters after the other, all from the same start, on one traced network.

    Args:
        trainer: What learns.
        training: The stream to learn from.
        validation: The images to judge by.
    """

    def __init__(self, trainer: Trainer, training: Batches, validation: Batches):
        self.trainer, self.training, self.validation = trainer, training, validation

    def train(self, hyperparameters: Hyperparameters, epochs: int, folder: Path) -> Run:
        """Trains until some epochs are done; those that the folder holds already are not done again.

        Args:
            hyperparameters: Of the trainer's optimizer.
            epochs: Epochs in all.
            folder: Where the runs are kept, epoch by epoch.
        Returns:
            The run after these epochs, or until it diverged.
        """
        run, state = read_run(folder, hyperparameters)
        if len(run.rows) < epochs and run.diverged_at_step is None:
            self.trainer.reset(hyperparameters)
            if state:
                self.trainer.write_state(state)
        while len(run.rows) < epochs and run.diverged_at_step is None:
            run = self._go_on(run)
            # a network that diverged is of no use
            state = {} if run.diverged_at_step else self.trainer.read_state()
            write_run(folder, hyperparameters, run, state)
        return run.until(epochs)

    def _go_on(self, run: Run) -> Run:
        """Returns the run after one more epoch."""
        done = len(run.rows)
        try:
            rows = self.trainer.learn(self.training, self.validation, epochs=done + 1, first_epoch=done)
        except Divergence as divergence:
            return replace(run, diverged_at_step=divergence.step)
        return Run([*run.rows, *rows.to_dict("records")])


def set_up_runner(
    root: Path,
    data: Data,
    preprocess: Preprocess,
    model: Model,
    sampling: Sampling,
    schedule: Schedule,
    *,
    start: str,
    backbone: str,
    layers: str,
    optimizer: str,
    validation: str = "reduced_validation",
) -> TrialRunner:
    """Returns a bench whose network starts from a file or at random, from the schedule's seed.

    Args:
        root: Folder of the repository.
        data, preprocess, model, sampling: Sections of params.yaml.
        schedule: Says how many images an epoch takes, and the seed.
        start: The `.h5` file, or `RANDOM`.
        backbone: Comes in the place of the model's own.
        layers: The layers that learn.
        optimizer: `sgd` or `adam`.
        validation: The split to judge by; what is learned from is `reduced_training`.
    """
    fix_randomness(schedule.seed)

    def feed(split: str, **arguments: Any) -> Batches:
        return Batches(
            read_records(root / f"data/processed/{split}.npz"),
            root / data.root,
            batch_size=schedule.batch_size,
            instance_cap=preprocess.instance_cap,
            **arguments,
        )

    training = feed("reduced_training", steps=schedule.steps, seed=schedule.seed)
    settings = asdict(replace(model, backbone=backbone))
    network = build_mask_rcnn(image_shape=preprocess.image_shape, class_count=len(CLASS_NAMES), **settings)
    if start != RANDOM:
        read_weights(network, root / start)
    trainer = Trainer(
        network,
        training,
        layers=layers,
        optimizer=optimizer,
        sampling=sampling,
        seed=schedule.seed,
        live_batch_norm=schedule.live_batch_norm,
    )
    return TrialRunner(trainer, training, feed(validation, steps=schedule.validation_steps))
