"""Draws what one variant finds beside what the reference finds, in the same test images.

Reads   predictions/{<variant>,<compare.reference>}.json, data/processed/test.npz,
        the test images below data.root
Writes  pictures/compare/<variant>/<image>.png
Params  data, draw, compare
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from rich.progress import track

from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.data.records import read_image, read_records
from maskrcnn.pictures.panels import spread_indices
from maskrcnn.pictures.verdicts import draw_verdicts
from maskrcnn.project.command import run
from maskrcnn.project.config import Compare, Data, Draw
from maskrcnn.project.files import whole_folder
from maskrcnn.project.params import read_params
from maskrcnn.results.predictions import Predictions, read_predictions


def main(variant: str, root: Path = Path()) -> None:
    """Draws the verdicts on two models side by side; the reference itself stands alone.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    data = params.section(Data)
    settings = params.section(Draw)
    reference = params.section(Compare).reference
    records = read_records(root / "data/processed/test.npz")

    def read(name: str) -> list[Predictions]:
        path = root / f"predictions/{name}.json"
        return read_predictions(path, len(records), records.image_shape, len(CLASS_NAMES))

    found = {name: read(name) for name in (reference, variant)}
    with whole_folder(root / f"pictures/compare/{variant}") as folder:
        for i in track(spread_indices(settings.images, len(records)), f"{variant} beside {reference}"):
            image = read_image(root / data.root / records[i].image_path, records.image_shape)
            side_by_side = {name: predictions[i] for name, predictions in found.items()}
            figure = draw_verdicts(image, records.instance_map(i), side_by_side, settings.min_score)
            figure.savefig(folder / f"{records.names[i]}.png")


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
