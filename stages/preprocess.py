"""Turns the images and polygons of one split into records, counts what they hold and draws some.

Reads   leftImg8bit/ and gtFine/ below data.root
Writes  data/processed/<split>.npz, metrics/data/<split>.json, plots/classes/<split>.csv,
        pictures/truth/<split>/
Params  data, preprocess, splits.<split>
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from maskrcnn.config import Data, Preprocess, Shape, Split, read_params, read_section
from maskrcnn.data.cityscapes import CLASS_NAMES, Frame, find_frames, paint_instances, read_annotation
from maskrcnn.data.records import Record, build_record, read_image, scale_map, write_records
from maskrcnn.files import write_text
from maskrcnn.viz.truth import draw_truth

SIDE_MULTIPLE = 64  # the coarsest level of the pyramid has stride 64
MAX_FAULTS = 10
FRAMES_A_PROCESS = 100  # fewer are done before another process has started

Outcome = Record | ValueError


def main(split: str, root: Path = Path()) -> None:
    """Writes the records of a split; everything is read and checked before anything is written.

    Args:
        split: A key of the section `splits`.
        root: Folder of the repository.

    Raises:
        FileNotFoundError: if folders or files of the split are missing.
        ValueError: if a parameter is out of range or input is damaged; naming up to ten files.
    """
    params = read_params(root / "params.yaml")
    data = read_section(Data, params.get("data"), "data")
    settings = read_section(Preprocess, params.get("preprocess"), "preprocess")
    section = read_section(Split, params.get("splits", {}).get(split), f"splits.{split}")
    check_shape(settings.image_shape)
    frames = find_frames(root / data.root, section.folder, section.cities)
    records = build_records(frames, data.image_shape, settings, section.instance_maps)

    write_records(
        root / "data/processed" / f"{split}.npz", records, settings.image_shape, settings.mini_mask_shape
    )
    per_class = count_classes(records)
    counts = count_truth(records, settings.instance_cap)
    counts |= {f"instances_{name}": count for name, count in per_class.items()}
    write_text(root / "metrics/data" / f"{split}.json", json.dumps(counts, indent=2) + "\n")
    rows = [f"{name},{count}\n" for name, count in per_class.items()]
    write_text(root / "plots/classes" / f"{split}.csv", "".join(["class,instances\n", *rows]))
    draw_pictures(root / "pictures/truth" / split, frames, records, data.image_shape, settings.image_shape)


def check_shape(image_shape: Shape) -> None:
    """Refuses an image size that the feature pyramid cannot halve six times."""
    if any(side < SIDE_MULTIPLE or side % SIDE_MULTIPLE for side in image_shape):
        raise ValueError(
            f"`preprocess.image_shape` must be multiples of {SIDE_MULTIPLE}; got {list(image_shape)}."
        )


def build_records(
    frames: Sequence[Frame], raw_shape: Shape, settings: Preprocess, instance_maps: bool
) -> list[Record]:
    """Builds the records of all frames.

    Raises:
        ValueError: naming the first ten damaged files.
    """
    build = partial(
        try_build,
        raw_shape=raw_shape,
        image_shape=settings.image_shape,
        mini_mask_shape=settings.mini_mask_shape,
        instance_map=instance_maps,
    )
    outcomes = list(track(map_frames(build, frames), "Polygons to records", len(frames)))
    faults = [str(outcome) for outcome in outcomes if isinstance(outcome, ValueError)]
    if faults:
        more = [f"{len(faults) - MAX_FAULTS} more files are damaged."] if len(faults) > MAX_FAULTS else []
        raise ValueError("\n".join(faults[:MAX_FAULTS] + more))
    return [outcome for outcome in outcomes if isinstance(outcome, Record)]


def map_frames(build: Callable[[Frame], Outcome], frames: Sequence[Frame]) -> Iterator[Outcome]:
    """Yields what `build` returns for each frame, in order; many frames are shared out among all cores."""
    process_count = min(os.cpu_count() or 1, len(frames) // FRAMES_A_PROCESS)
    if process_count < 2:
        yield from map(build, frames)
        return
    # Fresh processes, not forks: a fork of a process with threads may hang.
    context = get_context("spawn")
    with ProcessPoolExecutor(process_count, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.map(build, frames, chunksize=4)


def try_build(
    frame: Frame, raw_shape: Shape, image_shape: Shape, mini_mask_shape: Shape, instance_map: bool
) -> Outcome:
    """Returns the record of a frame, or what is wrong with its files: one run shall find all faults."""
    try:
        return build_record(frame, raw_shape, image_shape, mini_mask_shape, instance_map)
    except ValueError as fault:
        return fault


def count_truth(records: Sequence[Record], instance_cap: int) -> dict[str, int]:
    """Returns how much truth there is; crowds are no instances, but take a place below the cap."""
    counts = np.array([np.count_nonzero(~record.is_crowd) for record in records])
    truths = np.array([len(record.boxes) for record in records])
    return {
        "images": len(records),
        "instances": int(counts.sum()),
        "most_instances": int(counts.max()),
        "images_without": int(np.count_nonzero(counts == 0)),
        "images_above_cap": int(np.count_nonzero(truths > instance_cap)),
        "dropped": sum(record.dropped for record in records),
        "crowds": int((truths - counts).sum()),
    }


def count_classes(records: Sequence[Record]) -> dict[str, int]:
    """Returns the number of instances of each class but the background."""
    class_ids = np.concatenate([record.class_ids[~record.is_crowd] for record in records])
    counts = np.bincount(class_ids, minlength=len(CLASS_NAMES)).tolist()
    return dict(zip(CLASS_NAMES[1:], counts[1:], strict=True))


def draw_pictures(
    folder: Path, frames: Sequence[Frame], records: Sequence[Record], raw_shape: Shape, image_shape: Shape
) -> None:
    """Draws the image with the most truth of each city, in place of the pictures that were there."""
    by_truth = sorted(range(len(frames)), key=lambda index: len(records[index].boxes))
    fullest = {frames[index].city: index for index in by_truth}
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for index in track(sorted(fullest.values()), "Pictures of the truth"):
        frame = frames[index]
        image = read_image(frame.image_path, image_shape)
        instance_map = scale_map(
            paint_instances(read_annotation(frame.polygons_path, raw_shape)), image_shape
        )
        draw_truth(image, instance_map, records[index]).savefig(unfinished / f"{frame.name}.png", dpi=100)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Turns the images and polygons of one split into records.")
    parser.add_argument("split", help="a key of the section `splits` of params.yaml")
    main(parser.parse_args().split)
