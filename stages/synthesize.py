"""Draws a synthetic city that stands in for Cityscapes.

Writes  leftImg8bit/ and gtFine/ below data.root
Params  data, synthesize.<name>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from rich.progress import track

from maskrcnn.project.command import run
from maskrcnn.project.config import Data, Synthesize
from maskrcnn.project.files import whole_folder
from maskrcnn.project.params import read_params
from maskrcnn.street.synthetic import write_cities


def main(name: str, root: Path = Path()) -> None:
    """Writes all cities of one section, or nothing.

    Args:
        name: A key of the section `synthesize`.
        root: Folder of the repository.

    Raises:
        ValueError: if the world is unknown, a city has no frames, or `data.root` already holds something.
    """
    params = read_params(root / "params.yaml")
    data = params.section(Data)
    settings = params.section(Synthesize, f"synthesize.{name}")
    target = root / data.root
    check_free(target)
    cities = {"train": settings.train, "val": settings.val}
    with whole_folder(target) as folder:
        drawn = write_cities(folder, cities, data.image_shape, settings.world, settings.seed)
        for _ in track(drawn, "Drawing cities", total=sum(map(len, cities.values()))):
            pass


def check_free(target: Path) -> None:
    """Refuses to draw over what may be the real Cityscapes."""
    if target.exists() and any(target.iterdir()):
        raise ValueError(f"`data.root` must be empty or absent; got {target}, remove it to draw it anew.")


if __name__ == "__main__":
    run(main, __doc__, name="a key of the section `synthesize` of params.yaml")
