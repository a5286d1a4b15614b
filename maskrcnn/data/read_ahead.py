"""Threads that read what comes next in a stream while its consumer works on what came before."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Generic, TypeVar

import cv2

from maskrcnn.project.errors import InputError

Sample = TypeVar("Sample")

MOST_WORKERS = 16


class ReadAhead(Generic[Sample]):
    """The samples of a stream, read by threads before they are asked for.

    A sample is known by its position in the stream alone, so neither the number of threads nor an interrupted
    consumer can change which sample is returned for a position. Threads start with the first call and are idle
    whenever all upcoming samples are read. An error of a sample is raised when that sample is taken; it is read once
    more then, for what was missing when it was read ahead may be there.

    PNG and JPEG decoding, resizing and NumPy's copies release Python's global lock, so threads suffice. OpenCV's own
    threads are switched off, for the whole process, when the first thread starts: images are read in parallel instead.

    Args:
        read: Returns the sample of a position; called from several threads at once.
        workers: Number of threads; None for one for each core, see `count_cores`.

    Raises:
        InputError: if the number of threads is not positive.
    """

    def __init__(self, read: Callable[[int], Sample], workers: int | None) -> None:
        if workers is not None and workers < 1:
            raise InputError(f"`workers` must be at least 1, or None for one for each core; got {workers}.")
        self.workers = workers or min(count_cores(), MOST_WORKERS)
        self._read = read
        self._pool = ThreadPoolExecutor(self.workers, "feeder", initializer=cv2.setNumThreads, initargs=(1,))
        self._samples: dict[int, Future[Sample]] = {}
        self._lock = Lock()

    def take(self, positions: Sequence[int], upcoming: Sequence[int]) -> list[Sample]:
        """Returns the samples of some positions, and starts to read those that come next.

        Args:
            positions: Of the samples to return.
            upcoming: What to read ahead; samples read earlier for other positions are dropped.

        Returns:
            The samples in the order of the positions.
        """
        with self._lock:
            taken = [self._find(position) for position in positions]
            for position in self._samples.keys() - set(upcoming):
                self._samples.pop(position).cancel()
            for position in upcoming:
                self._samples[position] = self._find(position)
        return [sample.result() for sample in taken]

    def close(self) -> None:
        """Ends the threads, after the samples that they are reading; nothing can be taken any more."""
        self._pool.shutdown(cancel_futures=True)

    def _find(self, position: int) -> Future[Sample]:
        """Returns what was started for a position, which is forgotten, or starts it; again where it failed."""
        sample = self._samples.pop(position, None)
        return self._pool.submit(self._read, position) if sample is None or _has_failed(sample) else sample


def _has_failed(sample: Future[Any]) -> bool:
    return sample.done() and not sample.cancelled() and sample.exception() is not None


def count_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
