"""Turns the images and annotations of one split into records, counts what they hold and draws some.

Reads   the split's images and truth below data.root
Writes  data/processed/<split>.npz, metrics/data/<split>.json, pictures/truth/<split>/
Params  data, preprocess, splits.<split>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from rich.progress import track

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.data.frames import Frame
from maskrcnn.data.images import Shape, read_image
from maskrcnn.data.records import Record, build_record, decode_map, write_records
from maskrcnn.data.splits import list_settings
from maskrcnn.pictures.truth import draw_truth
from maskrcnn.project.command import run
from maskrcnn.project.config import Data, Preprocess, Split
from maskrcnn.project.files import whole_folder
from maskrcnn.project.metrics import write_metrics
from maskrcnn.project.params import read_params
from maskrcnn.project.rules import read_images_root
from maskrcnn.readers import cityscapes, coco
from maskrcnn.readers.splits import build_records

Reader = Callable[..., tuple[Sequence[Frame], Catalogue]]

READERS: Mapping[str, Reader] = {"cityscapes": cityscapes.read_frames, "coco": coco.read_frames}
PICTURES = 8  # of a split


def main(split: str, root: Path = Path()) -> None:
    """Writes the records of a split; everything is read and checked before anything is written.

    Args:
        split: A key of the section `splits`.
        root: Folder of the repository.

    Raises:
        FileNotFoundError: if folders or files of the split are missing.
        InputError: if input is damaged; naming up to ten files.
    """
    params = read_params(root / "params.yaml")
    data = params.section(Data)
    settings = params.section(Preprocess)
    section = params.section(Split, f"splits.{split}")
    frames, catalogue = READERS[data.format](
        root / read_images_root(params, root),
        section.images,
        section.truth,
        cities=section.cities,
        image_shape=data.image_shape,
        classes=data.classes,
    )
    layout = settings.image_shape, settings.mini_mask_shape, settings.fit
    built = build_records(frames, *layout, instance_maps=section.instance_maps)
    records = list(track(built, "Annotations to records", len(frames)))

    path = root / "data/processed" / f"{split}.npz"
    write_records(path, records, *layout, catalogue, list_settings(params, split))
    per_class = count_classes(records, catalogue)
    counts = count_truth(records, settings.instance_cap)
    counts |= {f"instances_{name}": count for name, count in per_class.items()}
    write_metrics(root / "metrics/data" / f"{split}.json", counts)
    fullest = [frames[index] for index in choose_fullest(records)]
    draw_pictures(root / "pictures/truth" / split, fullest, *layout, catalogue.class_names)


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


def count_classes(records: Sequence[Record], catalogue: Catalogue) -> dict[str, int]:
    """Returns the number of instances of each class but the background."""
    class_ids = np.concatenate([record.class_ids[~record.is_crowd] for record in records])
    counts = np.bincount(class_ids, minlength=len(catalogue.class_names)).tolist()
    return dict(zip(catalogue.class_names[1:], counts[1:], strict=True))


def choose_fullest(records: Sequence[Record]) -> list[int]:
    """Returns the image with the most truth of each of some equal parts of the split."""
    parts = np.array_split(np.arange(len(records)), min(PICTURES, len(records)))
    return [max(part.tolist(), key=lambda index: len(records[index].boxes)) for part in parts]


def draw_pictures(
    folder: Path,
    frames: Sequence[Frame],
    image_shape: Shape,
    mini_mask_shape: Shape,
    fit: str,
    class_names: Sequence[str],
) -> None:
    """Draws the truth of some frames, in place of the pictures that were there.

    Their records are built again with instance maps; to keep the maps of all frames for these few would take longer.
    """
    with whole_folder(folder) as unfinished:
        for frame in track(frames, "Pictures of the truth"):
            record = build_record(frame, image_shape, mini_mask_shape, fit, instance_map=True)
            image = read_image(frame.image_path, image_shape, fit)
            picture = draw_truth(image, decode_map(record.instance_png), record, class_names)
            picture.savefig(unfinished / f"{frame.name}.png", dpi=100)


if __name__ == "__main__":
    run(main, __doc__, split="a key of the section `splits` of params.yaml")
