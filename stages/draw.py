"""Draws what one variant finds in some test images, alone and beside what the reference finds, and what it confuses.

Reads   predictions/{<variant>,<compare.reference>}.json, predictions/proposals/<variant>.json,
        data/processed/test.npz, the test images below data.root
Writes  pictures/found/<variant>/{proposals,masks,verdicts,detections,compare}/<image>.png,
        pictures/found/<variant>/worst/<rank>_<image>.png,
        pictures/found/<variant>/confusions/<class>_as_<class>.png
Params  data.root, draw, compare
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from rich.progress import track

from maskrcnn.data.records import Records
from maskrcnn.data.splits import read_split
from maskrcnn.pictures.confusions import Mistake, draw_confusions
from maskrcnn.pictures.detections import draw_detections, draw_masks, draw_proposals
from maskrcnn.pictures.panels import spread_indices
from maskrcnn.pictures.verdicts import draw_verdicts
from maskrcnn.project.command import run
from maskrcnn.project.config import Compare, Draw
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_folder
from maskrcnn.project.notation import Boxes, Image
from maskrcnn.project.params import read_params
from maskrcnn.project.rules import read_images_root
from maskrcnn.project.variant_rules import check_variant
from maskrcnn.results.predictions import Predictions, decode_mask, read_found
from maskrcnn.results.proposals import read_proposals
from maskrcnn.scoring.confusion import Confusion, count_confusions, find_confusions, rank_confusions
from maskrcnn.scoring.matches import judge
from maskrcnn.scoring.overlaps import Overlaps, find_regions, measure_overlaps
from maskrcnn.scoring.threads import map_in_threads


def main(variant: str, root: Path = Path()) -> None:
    """Draws images spread evenly over the split, and the worst ones, in place of the pictures that were there.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.

    Raises:
        InputError: if there is no such variant, or an image that is drawn has no proposals.
    """
    params = read_params(root / "params.yaml")
    check_variant(params, variant)
    images = read_images_root(params, root)
    settings = params.section(Draw)
    reference = params.section(Compare).reference
    records = read_split(root, "test", params)
    found = gather_found(root, variant, images, records)
    with whole_folder(root / f"pictures/found/{variant}") as folder:
        draw_images(folder, found, read_regions(root, found, settings), settings.min_score)
        overlaps = map_in_threads(found.measure, len(records), "Overlaps")
        write_pictures(folder / "worst", draw_worst(found, overlaps, settings))
        write_pictures(folder / "confusions", draw_mistakes(found, overlaps, settings))
        if variant != reference:
            pair = (gather_found(root, reference, images, records), found)
            write_pictures(folder / "compare", draw_side_by_side(pair, settings))


class Found(NamedTuple):
    """The test images, their truth and what one variant found in them."""

    variant: str
    images_root: Path
    records: Records
    predictions: Sequence[Predictions]

    def read(self, index: int) -> Image:
        """Returns one image at the size that the network saw."""
        return self.records.read_image(index, self.images_root)

    def measure(self, index: int) -> Overlaps:
        """Returns the overlaps of predictions and truth in one image."""
        regions = find_regions(self.records.instance_map(index), self.records.catalogue)
        return measure_overlaps(regions, self.predictions[index])


def gather_found(root: Path, variant: str, images: str, records: Records) -> Found:
    """Reads what a variant found in every image of the split."""
    return Found(variant, root / images, records, read_found(root, variant, records))


def read_regions(root: Path, found: Found, settings: Draw) -> dict[int, Boxes]:
    """Returns the best regions of interest of the images that are drawn, by the image's index."""
    path = root / f"predictions/proposals/{found.variant}.json"
    proposals = read_proposals(path)
    names = {index: found.records.names[index] for index in spread_indices(settings.images, len(found.records))}
    if missing := set(names.values()) - proposals.keys():
        raise InputError(f"`{path}` must hold the images that are drawn; got none of {min(missing)}, predict anew.")
    return {index: proposals[name][: settings.proposals] for index, name in names.items()}


def write_pictures(folder: Path, figures: Iterable[tuple[str, Figure]]) -> None:
    """Writes figures by their names."""
    folder.mkdir(exist_ok=True)
    for name, figure in figures:
        figure.savefig(folder / f"{name}.png")


def draw_images(folder: Path, found: Found, regions: dict[int, Boxes], min_score: float) -> None:
    """Writes the pictures of every kind, one folder per kind."""
    for index in track(regions, f"Pictures of {found.variant}"):
        for kind, figure in draw_image(found, index, regions[index], min_score).items():
            write_pictures(folder / kind, [(found.records.names[index], figure)])


def draw_image(found: Found, index: int, regions: Boxes, min_score: float) -> dict[str, Figure]:
    """Returns the pictures of one image by their kind."""
    image, objects, name = found.read(index), found.predictions[index], found.records.names[index]
    instance_map, class_names = found.records.instance_map(index), found.records.catalogue.class_names
    panels = {name: (objects, found.measure(index))}
    return {
        "proposals": draw_proposals(image, regions, f"{name}   the {len(regions)} best regions, the brightest first"),
        "masks": draw_masks(image, objects, min_score, name),
        "verdicts": draw_verdicts(image, instance_map, panels, min_score, class_names),
        "detections": draw_detections(image, objects, min_score, name, class_names, found.records.catalogue.colors),
    }


def draw_side_by_side(pair: Sequence[Found], settings: Draw) -> Iterator[tuple[str, Figure]]:
    """Yields the verdicts on two variants in the same images."""
    records = pair[0].records
    for index in spread_indices(settings.images, len(records)):
        panels = {found.variant: (found.predictions[index], found.measure(index)) for found in pair}
        image, instance_map = pair[0].read(index), records.instance_map(index)
        figure = draw_verdicts(image, instance_map, panels, settings.min_score, records.catalogue.class_names)
        yield records.names[index], figure


def draw_worst(found: Found, overlaps: Sequence[Overlaps], settings: Draw) -> Iterator[tuple[str, Figure]]:
    """Yields the verdicts on the images with the most objects that were missed or found wrongly."""
    class_names, names = found.records.catalogue.class_names, found.records.names
    for rank, index in enumerate(rank_worst(overlaps, settings), start=1):
        panels = {names[index]: (found.predictions[index], overlaps[index])}
        instance_map = found.records.instance_map(index)
        figure = draw_verdicts(found.read(index), instance_map, panels, settings.min_score, class_names)
        yield f"{rank:02d}_{names[index]}", figure


def rank_worst(overlaps: Sequence[Overlaps], settings: Draw) -> list[int]:
    """Returns the images with the most wrong verdicts, by index, the worst first; those without any are left out."""
    verdicts = [judge(image, settings.min_score) for image in overlaps]
    counts = [len(image.missed) + len(image.alarms) for image in verdicts]
    order = sorted(range(len(counts)), key=lambda index: -counts[index])
    return [index for index in order if counts[index]][: settings.images]


def draw_mistakes(found: Found, overlaps: Sequence[Overlaps], settings: Draw) -> Iterator[tuple[str, Figure]]:
    """Yields a sheet and its name for each of the pairs of classes that were confused most often."""
    class_names = found.records.catalogue.class_names
    counts = count_confusions(overlaps, len(class_names), settings.min_score)
    for actual, predicted in rank_confusions(counts, settings.confusions):
        confusions = find_confusions(overlaps, actual, predicted, settings.min_score, settings.crops)
        mistakes = [show_mistake(found, overlaps[one.image], one) for one in confusions]
        truth, guess = class_names[actual], class_names[predicted]
        share = f"{counts[actual, predicted]} of {counts[actual].sum()}"
        yield f"{truth}_as_{guess}".replace("/", "_"), draw_confusions(mistakes, f"{truth} taken for {guess}: {share}")


def show_mistake(found: Found, overlaps: Overlaps, confusion: Confusion) -> Mistake:
    """Gathers what is shown of one confusion."""
    index, prediction, truth = confusion
    return Mistake(
        image=found.read(index),
        image_name=found.records.names[index],
        truth=found.records.instance_map(index) == overlaps.truth_ids[truth],
        prediction=decode_mask(found.predictions[index].rles[prediction], found.records.image_shape),
        box_px=overlaps.truth_boxes_px[truth],
        score=overlaps.scores[prediction],
        iou=overlaps.ious[prediction, truth],
    )


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
