"""The gallery: for every test image a scene, the image and a thumbnail, each in a file that is loaded when shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskrcnn.data.images import read_image
from maskrcnn.data.records import Records
from maskrcnn.project.notation import Boxes
from maskrcnn.report.page import write_image, write_script
from maskrcnn.report.scenes import KIND_NAMES, SIZES, Found, Values, describe_scene, list_image
from maskrcnn.results.predictions import Predictions
from maskrcnn.scoring.matches import match
from maskrcnn.scoring.overlaps import find_regions, measure_overlaps
from maskrcnn.scoring.threads import map_in_threads

NO_REGIONS = np.zeros((0, 4))


@dataclass(frozen=True)
class Gallery:
    """The test images, their truth, and what every variant found in them.

    Attributes:
        records: The split, with instance maps.
        images_root: The folder `data.root`.
        scale: Times the size that the network saw, for the images on the page.
        min_score: Objects below it are left out.
        predictions: By variant, one entry per image.
        regions_px: By variant and name of an image, regions of interest, the best first.
        pixels: Whether the images are written.
    """

    records: Records
    images_root: Path
    scale: int
    min_score: float
    predictions: Mapping[str, Sequence[Predictions]]
    regions_px: Mapping[str, Mapping[str, Boxes]]
    pixels: bool


def write_gallery(folder: Path, gallery: Gallery) -> dict[str, list[Found]]:
    """Writes the files of all images, and the list that the browser filters.

    Args:
        folder: Of the page.
        gallery: What is shown.

    Returns:
        By variant, what was found in each image.
    """

    def write(index: int) -> tuple[Values, dict[str, Found]]:
        if gallery.pixels:
            height, width = (gallery.scale * side for side in gallery.records.image_shape)
            path = gallery.images_root / gallery.records.image_path(index)
            write_image(folder, index, read_image(path, (height, width), gallery.records.fit))
        return write_scene(folder, gallery, index)

    written = map_in_threads(write, len(gallery.records), "Scenes")
    write_script(folder / "images.js", "receiveImages", describe_browser(gallery), [listed for listed, _ in written])
    return {name: [found[name] for _, found in written] for name in gallery.predictions}


def write_scene(folder: Path, gallery: Gallery, index: int) -> tuple[Values, dict[str, Found]]:
    """Writes what is drawn over one image; returns its entry of the list, and what each variant found."""
    records = gallery.records
    regions = find_regions(records.instance_map(index), records.catalogue)
    found = {}
    for name, predictions in gallery.predictions.items():
        overlaps = measure_overlaps(regions, predictions[index])
        boxes = gallery.regions_px[name].get(records.names[index], NO_REGIONS)
        found[name] = Found(predictions[index], overlaps, match(overlaps), boxes)
    scene = describe_scene(index, regions, found, gallery.min_score)
    write_script(folder / f"scenes/{index:05d}.js", "receiveScene", scene)
    return list_image(records, scene, found), found


def describe_browser(gallery: Gallery) -> Values:
    """Returns what the picture browser needs besides its images."""
    height, width = gallery.records.image_shape
    return {
        "width": width,
        "height": height,
        "classes": list(gallery.records.catalogue.class_names),
        "variants": list(gallery.predictions),
        "sizes": list(SIZES),
        "kinds": KIND_NAMES,
        "min_score": gallery.min_score,
        "pixels": gallery.pixels,
    }
