"""The records of a whole split, built on all cores."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import cv2

from maskrcnn.data.cityscapes import Frame
from maskrcnn.data.records import Record, Shape, build_record

MAX_FAULTS = 10


def build_records(
    frames: Sequence[Frame], raw_shape: Shape, image_shape: Shape, mini_mask_shape: Shape, instance_maps: bool
) -> Iterator[Record]:
    """Yields the record of every frame in order; all frames are read before damaged ones are reported.

    Args:
        frames: Where images and annotations lie.
        raw_shape: Height and width that both must have, in pixels.
        image_shape: Height and width of the records.
        mini_mask_shape: Height and width of the mini-masks.
        instance_maps: Whether to keep the id of every pixel.

    Raises:
        ValueError: naming the first ten damaged files.
    """
    build = partial(
        _try_build,
        raw_shape=raw_shape,
        image_shape=image_shape,
        mini_mask_shape=mini_mask_shape,
        instance_map=instance_maps,
    )
    faults = []
    # Fresh processes, not forks: a fork of a process with threads may hang.
    with ProcessPoolExecutor(
        mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        for outcome in pool.map(build, frames, chunksize=4):
            if isinstance(outcome, Record):
                yield outcome
            else:
                faults.append(str(outcome))
    if faults:
        more = [f"{len(faults) - MAX_FAULTS} more files are damaged."] if len(faults) > MAX_FAULTS else []
        raise ValueError("\n".join(faults[:MAX_FAULTS] + more))


def _try_build(frame: Frame, **arguments) -> Record | ValueError:
    """Returns the record of a frame, or what is wrong with its files: one run shall find all faults."""
    try:
        return build_record(frame, **arguments)
    except ValueError as fault:
        return fault
