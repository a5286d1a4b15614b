"""Draws what one variant finds in some test images.

Reads   predictions/<variant>.json, data/processed/test.npz, the test images below data.root
Writes  pictures/detections/<variant>/
Params  data, draw
"""

import argparse
from pathlib import Path

import numpy as np
from rich.progress import track

from maskrcnn.config import Data, Draw, read_params, read_section
from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.data.records import read_image, read_records
from maskrcnn.evaluation.predictions import read_predictions
from maskrcnn.files import whole_folder
from maskrcnn.viz.detections import draw_detections


def main(variant: str, root: Path = Path()) -> None:
    """Draws images spread evenly over the split, in place of the pictures that were there.

    Args:
        variant: Stem of the predictions.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    data = read_section(Data, params.get("data"), "data")
    settings = read_section(Draw, params.get("draw"), "draw")
    records = read_records(root / "data/processed/test.npz")
    predictions = read_predictions(
        root / f"predictions/{variant}.json", len(records), records.image_shape, len(CLASS_NAMES)
    )
    chosen = np.linspace(0, len(records) - 1, min(settings.images, len(records)), dtype=int)
    with whole_folder(root / f"pictures/detections/{variant}") as folder:
        for index in track(chosen.tolist(), "Pictures of detections"):
            image = read_image(root / data.root / records[index].image_path, records.image_shape)
            figure = draw_detections(image, predictions[index], settings.min_score, records.names[index])
            figure.savefig(folder / f"{records.names[index]}.png", dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draws what one variant finds in some test images.")
    parser.add_argument("variant", help="a key of the section `variants` of params.yaml")
    main(parser.parse_args().variant)
