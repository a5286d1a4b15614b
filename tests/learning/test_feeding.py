"""What Keras' `fit` is fed with: the same bits for every number of threads, in order, and after an interruption."""

import gc
from hashlib import sha256
from pathlib import Path
from threading import enumerate as enumerate_threads
from typing import Any

import keras
import numpy as np
import pytest

from maskrcnn.data.batches import Batches
from maskrcnn.data.records import read_records
from maskrcnn.project.errors import InputError
from tests.learning.scenes import write_split

AUGMENT = {"flip": 0.5, "crop": 0.2, "scale": 0.2, "color": 0.1, "blur": 1.0}
STEPS, EPOCHS, WORKERS = 5, 3, (1, 2, 8)


class Reader(keras.Model):
    """A model that learns nothing and keeps a digest of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.digests: list[str] = []
        self.compile(run_eagerly=True, optimizer="sgd")

    def call(self, inputs: dict[str, Any]) -> Any:
        return inputs["boxes"]

    def train_step(self, *arguments: Any) -> Any:
        self._keep(arguments[-1])
        logs = {"loss": keras.ops.zeros(())}
        return (logs, arguments[0]) if len(arguments) > 1 else logs  # JAX hands over its state and wants it back

    def test_step(self, *arguments: Any) -> Any:
        return self.train_step(*arguments)

    def _keep(self, data: Any) -> None:
        (batch,) = data
        parts = [np.ascontiguousarray(batch[key]).tobytes() for key in sorted(batch)]
        self.digests.append(sha256(b"".join(parts)).hexdigest())


class StopAt(keras.callbacks.Callback):
    """Stops a training inside an epoch, as a divergence does."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if batch == self.step:
            self.model.stop_training = True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_split(tmp_path_factory.mktemp("scenes"))


def stream(folder: Path, workers: int, steps: int = STEPS) -> Batches:
    return Batches(
        read_records(folder / "split.npz"),
        folder,
        batch_size=2,
        instance_cap=4,
        steps=steps,
        seed=1,
        augment=AUGMENT,
        workers=workers,
    )


def fit(batches: Batches, epochs: int = EPOCHS, **arguments: Any) -> list[str]:
    """Returns a digest of every batch that a training is fed with, from the first epoch."""
    reader = Reader()
    batches.epoch = 0
    reader.fit(batches, epochs=epochs, shuffle=False, verbose=0, **arguments)
    return reader.digests


@pytest.fixture(scope="module")
def served(folder: Path) -> list[str]:
    """The digests of a training with one thread."""
    return fit(stream(folder, workers=1))


@pytest.mark.parametrize("workers", WORKERS)
def test_threads_change_no_bit(workers: int, folder: Path, served: list[str]) -> None:
    assert len(set(served)) == STEPS * EPOCHS
    assert fit(stream(folder, workers)) == served


@pytest.mark.parametrize("workers", WORKERS)
def test_what_is_fed_is_what_the_stream_holds(workers: int, folder: Path, served: list[str]) -> None:
    batches, reader = stream(folder, workers), Reader()
    for epoch in range(1, EPOCHS + 1):  # Keras calls `on_epoch_end` once before the first epoch
        batches.epoch = epoch
        for index in reversed(range(STEPS)):
            reader._keep(batches[index])
    assert [digest for e in range(EPOCHS) for digest in reversed(reader.digests[e * STEPS : (e + 1) * STEPS])] == served


@pytest.mark.parametrize("workers", WORKERS)
def test_an_interrupted_training_leaves_nothing_behind(workers: int, folder: Path, served: list[str]) -> None:
    batches = stream(folder, workers)
    assert fit(batches, callbacks=[StopAt(1)]) == served[:2]
    assert fit(batches) == served


def test_interrupted_trainings_leave_no_threads(folder: Path) -> None:
    gc.collect()  # ends the threads of earlier tests
    batches = stream(folder, workers=2, steps=50)
    counts = []
    for _ in range(3):
        fit(batches, callbacks=[StopAt(1)])
        # Threads of TensorFlow that ran Python once are listed as dummies.
        counts.append(sum(not thread.name.startswith("Dummy") for thread in enumerate_threads()))
    assert counts[2] == counts[1]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_validation_between_epochs_changes_nothing(workers: int, folder: Path, served: list[str]) -> None:
    validation = Batches(read_records(folder / "split.npz"), folder, batch_size=2, instance_cap=4, workers=workers)
    fed = fit(stream(folder, workers), validation_data=validation)
    period = STEPS + len(validation)
    assert [digest for i, digest in enumerate(fed) if i % period < STEPS] == served
    judged = [fed[epoch * period + STEPS : (epoch + 1) * period] for epoch in range(EPOCHS)]
    assert len(set(judged[0])) == 2
    assert judged == [judged[0]] * EPOCHS


@pytest.mark.parametrize("workers", WORKERS)
def test_an_unreadable_image_ends_the_training(workers: int, tmp_path: Path) -> None:
    write_split(tmp_path)
    (tmp_path / "scene_2.png").write_bytes(b"damaged")
    with pytest.raises(Exception, match=r"scene_2\.png` must be a PNG or JPEG image") as error:
        fit(stream(tmp_path, workers))
    assert isinstance(error.value, InputError) or "InputError" in str(error.value)  # TensorFlow wraps it
