"""The records of a whole split."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import cv2

from maskrcnn.data.frames import Frame
from maskrcnn.data.image_files import Shape, check_pixels
from maskrcnn.data.records import Record, build_record
from maskrcnn.project.errors import InputError

MAX_FAULTS = 10
FRAMES_A_PROCESS = 100  # fewer are built before a second process has started

Outcome = Record | InputError


def build_records(
    frames: Sequence[Frame], image_shape: Shape, mini_mask_shape: Shape, fit: str, instance_maps: bool
) -> Iterator[Record]:
    """Yields the record of every frame in order; damaged files are reported after all have been read.

    Args:
        frames: Images and annotations; many are shared out among all cores.
        image_shape: Height and width of the records.
        mini_mask_shape: Height and width of their mini-masks.
        fit: How the raw size becomes `image_shape`, see `fit_shape`.
        instance_maps: Whether to keep the official id of every pixel.

    Raises:
        InputError: naming the first ten damaged files.
    """
    build = partial(
        _try_build,
        image_shape=image_shape,
        mini_mask_shape=mini_mask_shape,
        fit=fit,
        instance_map=instance_maps,
    )
    faults = []
    for outcome in _map(build, frames):
        if isinstance(outcome, Record):
            yield outcome
        else:
            faults.append(str(outcome))
    if faults:
        more = [f"{len(faults) - MAX_FAULTS} more files are damaged."] if len(faults) > MAX_FAULTS else []
        raise InputError("\n".join(faults[:MAX_FAULTS] + more))


def _map(build: Callable[[Frame], Outcome], frames: Sequence[Frame]) -> Iterator[Outcome]:
    """Yields what `build` returns for each frame, in order."""
    process_count = min(os.cpu_count() or 1, len(frames) // FRAMES_A_PROCESS)
    if process_count < 2:
        yield from map(build, frames)
        return
    # Fresh processes, not forks: a fork of a process with threads may hang.
    context = get_context("spawn")
    with ProcessPoolExecutor(process_count, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.map(build, frames, chunksize=4)


def _try_build(frame: Frame, image_shape: Shape, mini_mask_shape: Shape, fit: str, instance_map: bool) -> Outcome:
    """Returns the record of a frame, or what is wrong with its files, so that one run finds all faults.

    Pixels are decoded for their check alone: a training would meet the damage hours later.
    """
    try:
        check_pixels(frame.image_path)
        return build_record(frame, image_shape, mini_mask_shape, fit, instance_map)
    except InputError as fault:
        return fault
