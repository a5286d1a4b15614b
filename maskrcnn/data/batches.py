"""Records and image files as padded batches, in an order that the seed fixes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy import ndarray

from maskrcnn.data.augmentation import make_augmenter
from maskrcnn.data.image_cache import ImageCache
from maskrcnn.data.images import read_image
from maskrcnn.data.read_ahead import ReadAhead
from maskrcnn.data.records import Record, Records
from maskrcnn.project.errors import InputError


class Batches(keras.utils.PyDataset):
    """A split as batches of `LossModel`'s inputs.

    With a seed the split is an endless stream of shuffled passes, cut into epochs; every sample, its augmentation
    and the seeds of its minibatches included, follows from the seed and its place in the stream alone. Without one it
    is the first images in their order.

    Threads read ahead, across the ends of epochs too: neither the first step of an epoch nor its validation waits for a
    feeder that starts. About `2 * max(workers, batch_size)` samples are read ahead, of `3 * H * W + G * h * w` bytes
    each: with 16 threads and 128 truths at 1024x2048, 32 samples of 6.7 MB. One more thread stacks the next batch, for
    which the copy of four such images takes 10 ms. The number of threads changes no bit.
    Keras' own threads are not used: they start anew in every epoch and do not end after an interrupted one.

    Args:
        records: The split.
        root: Folder that the image paths start from.
        batch_size: Images in a batch.
        steps: Batches in an epoch; None for all that one pass fills.
        instance_cap: Truths an image is padded to; of more, the largest are kept.
        seed: Seed of the order and the augmentation, or None.
        augment: Strength of each augmentation, see `build_chain`; augmentations need a seed.
        workers: Threads that read and augment images; None for one for each core, up to `MOST_WORKERS`.
        cache: Where decoded images are kept, see `open_cache`; None to decode them each time. It changes no bit.
        share: `(p, n)`: only the p-th of n equal parts of every batch, counted from 0, is read and returned. So n
            processes can feed one batch together.
    Raises:
        InputError: if one pass without a seed cannot fill the steps, if an augmentation is unknown, out of range or
            has no seed, or if the number of threads is not positive.
    """

    def __init__(
        self,
        records: Records,
        root: Path,
        *,
        batch_size: int,
        instance_cap: int,
        steps: int | None = None,
        seed: int | None = None,
        augment: Mapping[str, float] | None = None,
        workers: int | None = None,
        cache: ImageCache | None = None,
        share: tuple[int, int] = (0, 1),
    ):
        super().__init__(workers=1)  # of Keras: no threads of its own
        self.records, self.root = records, root
        self.batch_size, self.instance_cap, self.share = batch_size, instance_cap, share
        self.steps = len(records) // batch_size if steps is None else steps
        self.seed, self.epoch = seed, 0
        self.fault: Exception | None = None  # the last error of a batch, see `raise_faults`
        self.augment = make_augmenter(augment) if augment else None
        self.read_image = cache.read if cache else read_image
        self.samples_ahead = ReadAhead(self._load, workers)
        self.batches_ahead = ReadAhead(self._stack, 1)
        if self.steps < 1 or (seed is None and self.steps * batch_size > len(records)):
            raise InputError(
                f"`steps` (in params.yaml a `validation_steps`) must be at least 1 and take no more than the "
                f"{len(records)} images of the split; got {self.steps} batches of {batch_size}."
            )
        if augment and seed is None:
            raise InputError(f"`seed` must be a number where images are augmented; got None for {', '.join(augment)}.")

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[dict[str, ndarray]]:
        """Returns one batch: images (B, H, W, 3) uint8, seeds (B, 2) int32 and the truth, padded with zeros."""
        step = self.epoch * self.steps + index
        try:
            (batch,) = self.batches_ahead.take([self._wrap(step)], [self._wrap(step + 1)])
        except Exception as fault:
            self.fault = fault
            raise
        return (batch,)

    def close(self) -> None:
        """Ends the threads; no batch can be taken any more."""
        self.batches_ahead.close()
        self.samples_ahead.close()

    def on_epoch_end(self) -> None:
        """Moves on to the next part of the stream."""
        if self.seed is not None:
            self.epoch += 1

    def _wrap(self, step: int) -> int:
        """Returns the step of the stream; without a seed it begins again after every epoch."""
        return step % self.steps if self.seed is None else step

    def _stack(self, step: int) -> dict[str, ndarray]:
        """Returns a batch, and starts to read the samples of those after it."""
        count = len(self._positions(step))
        steps_ahead = -(-2 * max(self.samples_ahead.workers, count) // count)
        later = (self._positions(self._wrap(step + ahead)) for ahead in range(1, steps_ahead + 1))
        samples = self.samples_ahead.take(self._positions(step), list(chain.from_iterable(later)))
        return {key: _join([sample[key] for sample in samples]) for key in samples[0]}

    def _positions(self, step: int) -> range:
        """Returns the positions of a batch in the stream."""
        number, count = self.share
        size = self.batch_size // count
        start = step * self.batch_size + number * size
        return range(start, start + size)

    def _order(self, position: int) -> int:
        """Returns which image comes at a position of the stream."""
        if self.seed is None:
            return position
        passes, place = divmod(position, len(self.records))
        return int(_shuffle(self.seed, passes, len(self.records))[place])

    def _load(self, position: int) -> dict[str, ndarray]:
        index = self._order(position)
        record = self.records[index]
        image = self.read_image(self.root / record.image_path, self.records.image_shape, self.records.fit)
        if self.augment and self.seed is not None:
            # The 1 makes these generators differ from those of `_shuffle`, which have two numbers.
            image, record = self.augment(image, record, np.random.default_rng((self.seed, position, 1)))
        place = (position,) if self.seed is None else (self.seed, position, 2)  # a third kind of generators
        seeds = np.random.default_rng(place).integers(0, 2**31, 2, dtype=np.int32)
        return {"images": image, "seeds": seeds, **pad_truth(record, self.instance_cap)}


class Rest(keras.utils.PyDataset):
    """The rest of an epoch, as batches of its own.

    Args:
        batches: The stream, at the epoch.
        first_step: How many batches of the epoch are left out.
    """

    def __init__(self, batches: Batches, first_step: int):
        super().__init__(workers=1)
        self.batches, self.first_step = batches, first_step

    def __len__(self) -> int:
        return len(self.batches) - self.first_step

    def __getitem__(self, index: int) -> tuple[dict[str, ndarray]]:
        return self.batches[self.first_step + index]

    def on_epoch_end(self) -> None:
        self.batches.on_epoch_end()

    @property
    def fault(self) -> Exception | None:
        """The last error of a batch."""
        return self.batches.fault


@contextmanager
def raise_faults(*streams: Any) -> Iterator[None]:
    """Raises the error of a batch itself, where TensorFlow raises one of its own that quotes it with its traceback.

    Args:
        streams: What a training or an evaluation within is fed with.
    """
    try:
        yield
    except Exception as error:
        for stream in streams:
            fault: Exception | None = getattr(stream, "fault", None)
            if fault and fault is not error and str(fault) in str(error):
                raise fault from None
        raise


@lru_cache(maxsize=4)  # consecutive samples lie in one pass or two
def _shuffle(seed: int, passes: int, count: int) -> ndarray:
    """Returns the order of the images in one pass of the stream."""
    return np.random.default_rng((seed, passes)).permutation(count)


def pad_truth(record: Record, instance_cap: int) -> dict[str, ndarray]:
    """Pads the truth of one image with zeros to a fixed count.

    Args:
        record: The image's record.
        instance_cap: Truths to pad to; of more, the largest are kept.
    Returns:
        boxes (G, 4) float32 in pixels, class_ids (G,) int32, is_crowd (G,) bool, mini_masks (G, h, w) uint8.
    """
    kept = np.argsort(-record.areas, kind="stable")[:instance_cap]
    parts = {
        "boxes": record.boxes.astype(np.float32),
        "class_ids": record.class_ids.astype(np.int32),
        "is_crowd": record.is_crowd,
        "mini_masks": record.mini_masks.astype(np.uint8),
    }
    return {key: _pad(values[kept], instance_cap) for key, values in parts.items()}


def _join(samples: list[ndarray]) -> ndarray:
    """Stacks samples; one alone is not copied."""
    return np.stack(samples) if len(samples) > 1 else samples[0][None]


def _pad(values: ndarray, count: int) -> ndarray:
    return np.pad(values, [(0, count - len(values))] + [(0, 0)] * (values.ndim - 1))
