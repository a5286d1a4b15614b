"""Draws what one variant finds in some test images, alone and beside what the reference finds, and what it confuses.

Reads   predictions/{<variant>,<compare.reference>}.json, predictions/proposals/<variant>.json,
        data/processed/test.npz, the test images below data.root
Writes  pictures/found/<variant>/{proposals,masks,verdicts,detections,compare}/<image>.png,
        pictures/found/<variant>/confusions/<class>_as_<class>.png
Params  data, draw, compare
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from matplotlib.figure import Figure
from rich.progress import track

from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.data.records import Records, read_image, read_records
from maskrcnn.pictures.confusions import Mistake, draw_confusions
from maskrcnn.pictures.detections import draw_detections, draw_masks, read_mask
from maskrcnn.pictures.panels import spread_indices
from maskrcnn.pictures.proposals import draw_proposals
from maskrcnn.pictures.verdicts import draw_verdicts, measure_image
from maskrcnn.project.command import run
from maskrcnn.project.config import Compare, Data, Draw
from maskrcnn.project.files import whole_folder
from maskrcnn.project.notation import Boxes, Image
from maskrcnn.project.params import read_params
from maskrcnn.results.predictions import Predictions, read_predictions
from maskrcnn.results.proposals import read_proposals
from maskrcnn.scoring.confusion import Confusion, count_confusions, find_confusions, rank_confusions
from maskrcnn.scoring.overlaps import Overlaps


def main(variant: str, root: Path = Path()) -> None:
    """Draws images spread evenly over the split, in place of the pictures that were there.

    Args:
        variant: Stem of the predictions.
        root: Folder of the repository.

    Raises:
        ValueError: if an image that is drawn has no proposals.
    """
    params = read_params(root / "params.yaml")
    data = params.section(Data)
    settings = params.section(Draw)
    reference = params.section(Compare).reference
    records = read_records(root / "data/processed/test.npz")
    found = Found(variant, root / data.root, records, read_objects(root, variant, records))
    with whole_folder(root / f"pictures/found/{variant}") as folder:
        draw_images(folder, found, read_regions(root, found, settings), settings.min_score)
        write_pictures(folder / "confusions", draw_mistakes(found, settings))
        if variant != reference:
            others = {reference: read_objects(root, reference, records), variant: found.predictions}
            write_pictures(folder / "compare", draw_side_by_side(found, others, settings))


class Found(NamedTuple):
    """The test images, their truth and what one variant found in them."""

    variant: str
    images_root: Path
    records: Records
    predictions: Sequence[Predictions]

    def read(self, index: int) -> Image:
        """Returns one image at the size that the network saw."""
        return read_image(self.images_root / self.records[index].image_path, self.records.image_shape)


def read_objects(root: Path, variant: str, records: Records) -> list[Predictions]:
    """Returns what a variant found in every image."""
    path = root / f"predictions/{variant}.json"
    return read_predictions(path, len(records), records.image_shape, len(CLASS_NAMES))


def read_regions(root: Path, found: Found, settings: Draw) -> dict[int, Boxes]:
    """Returns the best regions of interest of the images that are drawn, by the image's index."""
    path = root / f"predictions/proposals/{found.variant}.json"
    proposals = read_proposals(path)
    names = {index: found.records.names[index] for index in spread_indices(settings.images, len(found.records))}
    if missing := set(names.values()) - proposals.keys():
        raise ValueError(f"`{path}` must hold the images that are drawn; got none of {min(missing)}, predict anew.")
    return {index: proposals[name][: settings.proposals] for index, name in names.items()}


def draw_images(folder: Path, found: Found, regions: dict[int, Boxes], min_score: float) -> None:
    """Writes the pictures of every kind, one folder per kind."""
    for index in track(regions, f"Pictures of {found.variant}"):
        for kind, figure in draw_image(found, index, regions[index], min_score).items():
            write_pictures(folder / kind, [(found.records.names[index], figure)])


def write_pictures(folder: Path, figures: Iterable[tuple[str, Figure]]) -> None:
    """Writes figures by their names."""
    folder.mkdir(exist_ok=True)
    for name, figure in figures:
        figure.savefig(folder / f"{name}.png")


def draw_side_by_side(
    found: Found, predictions: Mapping[str, Sequence[Predictions]], settings: Draw
) -> Iterator[tuple[str, Figure]]:
    """Yields the verdicts on two variants in the same images."""
    for index in spread_indices(settings.images, len(found.records)):
        panels = {name: objects[index] for name, objects in predictions.items()}
        instance_map = found.records.instance_map(index)
        yield found.records.names[index], draw_verdicts(found.read(index), instance_map, panels, settings.min_score)


def draw_image(found: Found, index: int, regions: Boxes, min_score: float) -> dict[str, Figure]:
    """Returns the pictures of one image by their kind."""
    image, objects, name = found.read(index), found.predictions[index], found.records.names[index]
    instance_map = found.records.instance_map(index)
    return {
        "proposals": draw_proposals(image, regions, f"{name}   the {len(regions)} best regions, the brightest first"),
        "masks": draw_masks(image, objects, min_score, name),
        "verdicts": draw_verdicts(image, instance_map, {name: objects}, min_score),
        "detections": draw_detections(image, objects, min_score, name),
    }


def draw_mistakes(found: Found, settings: Draw) -> Iterator[tuple[str, Figure]]:
    """Yields a sheet and its name for each of the pairs of classes that were confused most often."""
    maps = (found.records.instance_map(index) for index in range(len(found.records)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        overlaps = list(pool.map(measure_image, maps, found.predictions))
    counts = count_confusions(overlaps, len(CLASS_NAMES), settings.min_score)
    for actual, predicted in rank_confusions(counts, settings.confusions):
        confusions = find_confusions(overlaps, actual, predicted, settings.min_score, settings.crops)
        mistakes = [show_mistake(found, overlaps[one.image], one) for one in confusions]
        truth, guess = CLASS_NAMES[actual], CLASS_NAMES[predicted]
        share = f"{counts[actual, predicted]} of {counts[actual].sum()}"
        yield f"{truth}_as_{guess}", draw_confusions(mistakes, f"{truth} taken for {guess}: {share}")


def show_mistake(found: Found, overlaps: Overlaps, confusion: Confusion) -> Mistake:
    """Gathers what is shown of one confusion."""
    index, prediction, truth = confusion
    return Mistake(
        image=found.read(index),
        image_name=found.records.names[index],
        truth=found.records.instance_map(index) == overlaps.truth_ids[truth],
        prediction=read_mask(found.predictions[index], prediction, found.records.image_shape),
        box_px=overlaps.truth_boxes_px[truth],
        score=overlaps.scores[prediction],
        iou=overlaps.ious[prediction, truth],
    )


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
