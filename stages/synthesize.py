"""Draws a synthetic city that stands in for Cityscapes.

Writes  data/synthetic/{leftImg8bit,gtFine}
Params  data, synthesize.<name>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from rich.progress import track

from maskrcnn.project.command import run
from maskrcnn.project.config import DRAWN, SYNTHETIC, Data, Synthesize
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_folder
from maskrcnn.project.params import read_params
from maskrcnn.project.rules import read_images_root
from maskrcnn.street.synthetic import write_cities


def main(name: str, root: Path = Path()) -> None:
    """Writes all cities of one section, or nothing.

    Args:
        name: A key of the section `synthesize`.
        root: Folder of the repository.

    Raises:
        InputError: if the world is unknown, `data.root` is another folder, or images are there already.
    """
    params = read_params(root / "params.yaml")
    read_images_root(params, root)
    data = params.section(Data)
    settings = params.section(Synthesize, f"synthesize.{name}")
    if data.image_shape is None:
        raise InputError("`data.image_shape` must be a height and width where images are drawn; got null.")
    target = root / SYNTHETIC
    check_free(target)
    cities = {"train": settings.train, "val": settings.val}
    with whole_folder(target) as folder:
        drawn = write_cities(folder, cities, data.image_shape, settings.world, settings.seed)
        for _ in track(drawn, "Drawing cities", total=sum(map(len, cities.values()))):
            pass
        (folder / DRAWN).write_text(
            "stages/synthesize.py drew this folder, and replaces all of it when it draws again.\n"
        )


def check_free(target: Path) -> None:
    """Refuses to draw over files that were not drawn; `persist` in dvc.yaml keeps DVC from removing them before."""
    if target.exists() and any(target.iterdir()) and not (target / DRAWN).is_file():
        raise InputError(f"`{target}` must be empty, absent or drawn before; move your files elsewhere.")


if __name__ == "__main__":
    run(main, __doc__, name="a key of the section `synthesize` of params.yaml")
