"""Draws what one variant finds in some test images, and what it takes for something else.

Reads   predictions/<variant>.json, predictions/proposals/<variant>.json, data/processed/test.npz,
        the test images below data.root
Writes  pictures/{proposals,masks,verdicts,detections}/<variant>/<image>.png,
        pictures/confusions/<variant>/<class>_as_<class>.png
Params  data, draw
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
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
from maskrcnn.project.config import Data, Draw
from maskrcnn.project.files import whole_folder
from maskrcnn.project.notation import Boxes, Image
from maskrcnn.project.params import read_params
from maskrcnn.results.predictions import Predictions, read_predictions
from maskrcnn.results.proposals import read_proposals
from maskrcnn.scoring.confusion import Confusion, count_confusions, find_confusions, rank_confusions
from maskrcnn.scoring.overlaps import Overlaps

KINDS = ("proposals", "masks", "verdicts", "detections")


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
    records = read_records(root / "data/processed/test.npz")
    predictions = read_predictions(
        root / f"predictions/{variant}.json", len(records), records.image_shape, len(CLASS_NAMES)
    )
    street = Street(root / data.root, records, predictions)
    draw_images(root, variant, street, settings)
    with whole_folder(root / f"pictures/confusions/{variant}") as folder:
        for stem, figure in draw_mistakes(street, settings):
            figure.savefig(folder / f"{stem}.png")


class Street(NamedTuple):
    """The test images, what they hold and what was found there."""

    images_root: Path
    records: Records
    predictions: Sequence[Predictions]

    def read(self, index: int) -> Image:
        """Returns one image at the size that the network saw."""
        return read_image(self.images_root / self.records[index].image_path, self.records.image_shape)


def draw_images(root: Path, variant: str, street: Street, settings: Draw) -> None:
    """Writes the pictures of every kind, a folder each; all of them appear at the end."""
    path = root / f"predictions/proposals/{variant}.json"
    proposals = read_proposals(path)
    chosen = spread_indices(settings.images, len(street.records))
    if missing := {street.records.names[index] for index in chosen} - proposals.keys():
        raise ValueError(f"`{path}` must hold the images that are drawn; got none of {min(missing)}, predict anew.")
    with ExitStack() as stack:
        folders = {kind: stack.enter_context(whole_folder(root / f"pictures/{kind}/{variant}")) for kind in KINDS}
        for index in track(chosen, f"Pictures of {variant}"):
            name = street.records.names[index]
            regions = proposals[name][: settings.proposals]
            for kind, figure in draw_image(street, index, regions, settings.min_score).items():
                figure.savefig(folders[kind] / f"{name}.png")


def draw_image(street: Street, index: int, regions: Boxes, min_score: float) -> dict[str, Figure]:
    """Returns the pictures of one image by their kind."""
    image, found, name = street.read(index), street.predictions[index], street.records.names[index]
    instance_map = street.records.instance_map(index)
    return {
        "proposals": draw_proposals(image, regions, f"{name}   the {len(regions)} best regions, the brightest first"),
        "masks": draw_masks(image, found, min_score, name),
        "verdicts": draw_verdicts(image, instance_map, {name: found}, min_score),
        "detections": draw_detections(image, found, min_score, name),
    }


def draw_mistakes(street: Street, settings: Draw) -> Iterator[tuple[str, Figure]]:
    """Yields a sheet and its name for each of the pairs of classes that were confused most often."""
    maps = (street.records.instance_map(index) for index in range(len(street.records)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        overlaps = list(pool.map(measure_image, maps, street.predictions))
    counts = count_confusions(overlaps, len(CLASS_NAMES), settings.min_score)
    for actual, predicted in rank_confusions(counts, settings.confusions):
        confusions = find_confusions(overlaps, actual, predicted, settings.min_score, settings.crops)
        mistakes = [show_mistake(street, overlaps[one.image], one) for one in confusions]
        truth, guess = CLASS_NAMES[actual], CLASS_NAMES[predicted]
        share = f"{counts[actual, predicted]} of {counts[actual].sum()}"
        yield f"{truth}_as_{guess}", draw_confusions(mistakes, f"{truth} taken for {guess}: {share}")


def show_mistake(street: Street, overlaps: Overlaps, confusion: Confusion) -> Mistake:
    """Gathers what is shown of one confusion."""
    index, prediction, truth = confusion
    return Mistake(
        image=street.read(index),
        image_name=street.records.names[index],
        truth=street.records.instance_map(index) == overlaps.truth_ids[truth],
        prediction=read_mask(street.predictions[index], prediction, street.records.image_shape),
        box_px=overlaps.truth_boxes_px[truth],
        score=overlaps.scores[prediction],
        iou=overlaps.ious[prediction, truth],
    )


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
