"""Turns the images and polygons of one split into records, counts what they hold and draws some.

Reads   leftImg8bit/ and gtFine/ below data.root
Writes  data/processed/<split>.npz, metrics/data/<split>.json, plots/classes/<split>.csv,
        pictures/truth/<split>/
Params  data, preprocess, splits.<split>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import json
from collections.abc import Sequence

import numpy as np
from rich.progress import track

from maskrcnn.data.cityscapes import CITYSCAPES, CLASS_NAMES, Frame, find_frames, paint_instances, read_annotation
from maskrcnn.data.records import Record, read_image, scale_map, write_records
from maskrcnn.data.splits import build_records
from maskrcnn.pictures.truth import draw_truth
from maskrcnn.project.command import run
from maskrcnn.project.config import Data, Preprocess, Shape, Split
from maskrcnn.project.files import whole_folder, write_text
from maskrcnn.project.params import read_params

SIDE_MULTIPLE = 64  # the coarsest level of the pyramid has stride 64


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
    data = params.section(Data)
    settings = params.section(Preprocess)
    section = params.section(Split, f"splits.{split}")
    check_shape(settings.image_shape)
    frames = find_frames(root / data.root, section.folder, section.cities)
    shapes = settings.image_shape, settings.mini_mask_shape
    built = build_records(frames, data.image_shape, *shapes, section.instance_maps)
    records = list(track(built, "Polygons to records", len(frames)))

    write_records(root / "data/processed" / f"{split}.npz", records, *shapes, CITYSCAPES)
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
        raise ValueError(f"`preprocess.image_shape` must be multiples of {SIDE_MULTIPLE}; got {list(image_shape)}.")


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
    with whole_folder(folder) as unfinished:
        for index in track(sorted(fullest.values()), "Pictures of the truth"):
            frame = frames[index]
            image = read_image(frame.image_path, image_shape)
            annotation = read_annotation(frame.polygons_path, raw_shape)
            instance_map = scale_map(paint_instances(annotation), image_shape)
            picture = draw_truth(image, instance_map, records[index], CLASS_NAMES)
            picture.savefig(unfinished / f"{frame.name}.png", dpi=100)


if __name__ == "__main__":
    run(main, __doc__, split="a key of the section `splits` of params.yaml")
