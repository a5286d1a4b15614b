"""The recipe of a training: everything that it depends on, and the objects built from it."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras

from maskrcnn.data.batches import Batches
from maskrcnn.data.image_cache import open_cache
from maskrcnn.data.records import read_records
from maskrcnn.learning.checkpoints import fingerprint
from maskrcnn.learning.trainer import Trainer, fix_randomness
from maskrcnn.network.devices import computes_parts, count_processes, process_number, spread
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.weights import read_weights
from maskrcnn.project.config import Feeder, Hyperparameters, Model, Runtime, Sampling, TuningSchedule, Variant
from maskrcnn.project.errors import InputError
from maskrcnn.project.ranges import Shape
from maskrcnn.project.runtime import find_folder

RANDOM = "pins/random_weights.txt"  # start weights that are drawn, not read: DVC needs a file to depend on


@dataclass(frozen=True)
class Recipe:
    """Everything that a training depends on, apart from the contents of its input files.

    Args:
        images: Folder that the image paths of the records start from.
        image_shape: Height and width that the network sees, in pixels.
        instance_cap: Truths an image is padded to.
        model: The network.
        sampling: What the losses are taken over.
        variant: Start weights (a file, or `RANDOM`), layers that learn, loss weights and augmentation.
        schedule: Seed, batches and epochs.
        optimizer: `sgd` or `adam`.
        hyperparameters: What the network learns with; None in a stage that tries several.
        training: The split to learn from.
        validation: The split that epochs are compared on.
        runtime: Backend, precision and devices.
        licence: Of the data, which the file of weights states.
    """

    images: str
    image_shape: Shape
    instance_cap: int
    model: Model
    sampling: Sampling
    variant: Variant
    schedule: TuningSchedule
    optimizer: str
    hyperparameters: Hyperparameters | None
    training: str
    validation: str
    runtime: Runtime = Runtime()
    licence: str | None = None

    @property
    def starts_at_random(self) -> bool:
        """Whether the start weights are drawn from the schedule's seed."""
        return self.variant.start == RANDOM

    @property
    def files(self) -> list[str]:
        """The input files below the root: records and start weights. Images are not listed; the records name them."""
        records = [records_file(self.training), records_file(self.validation)]
        return records if self.starts_at_random else [*records, self.variant.start]


class Assembly(NamedTuple):
    """A trainer with its network, the stream to learn from, and the images to validate on."""

    trainer: Trainer
    training: Batches
    validation: Batches


def records_file(split: str) -> str:
    """Returns the path of a split's records below the root."""
    return f"data/processed/{split}.npz"


def assemble(recipe: Recipe, root: Path, feeder: Feeder = Feeder()) -> Assembly:
    """Builds the network, its trainer and the batches of both splits.

    The same recipe and files give the same weights, bit for bit: all random numbers follow from the schedule's seed.

    Args:
        recipe: What to build.
        root: Folder that all paths of the recipe start from.
        feeder: How images are read.
    Raises:
        FileNotFoundError: if records or start weights are missing.
        InputError: if the two splits have different classes, or if the devices are not there or cannot share a batch.
    """
    fix_randomness(recipe.schedule.seed, recipe.runtime.deterministic)
    with spread(recipe.runtime.devices) as device_count:
        _check_parts(recipe.schedule, device_count)
        training, validation = _open_splits(recipe, root, feeder)
        return Assembly(_build_trainer(recipe, root, training), training, validation)


def _check_parts(schedule: TuningSchedule, device_count: int) -> None:
    """Refuses batches that cannot be split."""
    if schedule.batch_size % (device_count * schedule.gradient_accumulation):
        raise InputError(
            f"`schedule.batch_size` must be a multiple of the devices ({device_count}, see `devices`) times "
            f"`schedule.gradient_accumulation` ({schedule.gradient_accumulation}); got {schedule.batch_size}."
        )
    # The statistics of a batch would be exchanged within a loop, which TensorFlow does not allow.
    if computes_parts() and schedule.live_batch_norm and schedule.gradient_accumulation > 1:
        raise InputError(
            "`schedule.gradient_accumulation` must be 1 where `schedule.live_batch_norm` is true and TensorFlow has "
            f"several devices; got {schedule.gradient_accumulation}. JAX does all three."
        )


def _open_splits(recipe: Recipe, root: Path, feeder: Feeder) -> tuple[Batches, Batches]:
    """Returns the stream to learn from and the images to validate on."""
    schedule, images = recipe.schedule, root / recipe.images
    records, others = (read_records(root / records_file(split)) for split in (recipe.training, recipe.validation))
    feed = partial(
        Batches,
        root=images,
        batch_size=schedule.batch_size,
        instance_cap=recipe.instance_cap,
        workers=feeder.workers,
        cache=open_cache(find_folder(root, ".image_cache"), images, (records, others)) if feeder.cache else None,
        share=(process_number(), count_processes()),
    )
    training = feed(records, steps=schedule.steps, seed=schedule.seed, augment=recipe.variant.augment)
    validation = feed(others, steps=schedule.validation_steps)
    if others.catalogue != records.catalogue:
        raise InputError(
            f"`{others.path}` must have the classes of `{records.path}`, "
            f"{', '.join(records.catalogue.class_names)}; got {', '.join(others.catalogue.class_names)}. "
            "List them in `data.classes`."
        )
    return training, validation


def _build_trainer(recipe: Recipe, root: Path, training: Batches) -> Trainer:
    """Builds the network and its trainer, on the devices of the surrounding `spread`."""
    variant = recipe.variant
    class_names = training.records.catalogue.class_names
    network = build_mask_rcnn(
        image_shape=recipe.image_shape,
        class_count=len(class_names),
        precision=recipe.runtime.precision,
        remat=recipe.schedule.remat,
        **asdict(recipe.model),
    )
    if not recipe.starts_at_random:
        read_weights(network, root / variant.start, class_names)
    return Trainer(
        network,
        training,
        layers=variant.layers,
        optimizer=recipe.optimizer,
        sampling=recipe.sampling,
        frozen=variant.frozen,
        loss_weights=variant.loss_weights,
        live_batch_norm=recipe.schedule.live_batch_norm,
        gradient_accumulation=recipe.schedule.gradient_accumulation,
    )


def fingerprint_recipe(recipe: Recipe, root: Path) -> str:
    """Returns a short digest of the recipe, its input files, the backend and this package's code."""
    return fingerprint([recipe, keras.backend.backend()], [root / file for file in recipe.files])
