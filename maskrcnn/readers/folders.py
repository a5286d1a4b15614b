"""The files of a data set that lies as Cityscapes does: a folder of images and one of annotations for each city."""

from collections.abc import Sequence
from pathlib import Path

from maskrcnn.data.frames import quote_paths

IMAGE_END, POLYGONS_END = "_leftImg8bit.png", "_gtFine_polygons.json"
RUBBISH = (".", "@", "__")  # begin the names of what file systems and archivers add, as ._NAME, @eaDir and __MACOSX
_ADVICE = (
    "Download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from the Cityscapes site (free after "
    "registration) and unpack both there, or let `dvc repro` draw the synthetic city: `git checkout params.yaml`."
)


def list_frames(root: Path, images: str, truth: str, cities: Sequence[str] | None) -> list[str]:
    """Returns `CITY/NAME` of every image, sorted by name, each of which has an annotation.

    Args:
        root: The folder `data.root`.
        images: Folder below the root that holds a folder of images per city.
        truth: Folder below the root that holds a folder of annotations per city.
        cities: The cities; None for all below `images`.

    Raises:
        FileNotFoundError: if a folder is missing or empty, an image has no annotation, or an annotation no
            image; naming up to ten of them.
    """
    if cities is None:
        cities = [path.name for path in list_folders(root / images)]
    folders = [root / part / city for city in cities for part in (images, truth)] or [root / images]
    if missing := [path for path in folders if not path.is_dir()]:
        advice = " ".join(_find_nested(root, images, truth)) or _ADVICE
        raise FileNotFoundError(f"`{root}` must hold {quote_paths(missing)}; got no such folder. {advice}")
    pictured, annotated = _list_names(root / images, cities, IMAGE_END), _list_names(root / truth, cities, POLYGONS_END)
    absent = [root / truth / f"{name}{POLYGONS_END}" for name in pictured - annotated]
    absent += [root / images / f"{name}{IMAGE_END}" for name in annotated - pictured]
    if absent:
        raise FileNotFoundError(
            f"`{root}` must hold an annotation for every image and an image for every annotation; "
            f"got no {quote_paths(sorted(absent))}. Unpack the archives again."
        )
    empty = sorted({*cities} - {name.partition("/")[0] for name in pictured})
    if empty or not pictured:
        raise FileNotFoundError(f"`{root / images}` must hold images of every city; got none of {empty or 'any'}.")
    return sorted(pictured, key=lambda name: name.rpartition("/")[2])


def list_folders(folder: Path) -> list[Path]:
    """Returns the folders in a folder, in alphabetical order, without those that file systems and archivers add."""
    return sorted(path for path in folder.glob("*") if path.is_dir() and not path.name.startswith(RUBBISH))


def list_files(folder: Path, ending: str) -> list[Path]:
    """Returns the files of a folder with this ending, in any order, without those that file systems add."""
    return [path for path in folder.glob(f"*{ending}") if not path.name.startswith(RUBBISH)]


def _list_names(folder: Path, cities: Sequence[str], ending: str) -> set[str]:
    """Returns `CITY/NAME` of every file with this ending."""
    paths = [path for city in cities for path in list_files(folder / city, ending)]
    return {f"{path.parent.name}/{path.name.removesuffix(ending)}" for path in paths}


def _find_nested(root: Path, images: str, truth: str) -> list[str]:
    """Returns what to do where an archive was unpacked into a folder of its own name, or beside the root."""
    advice = []
    for wanted in (root / images, root / truth):
        if wanted.is_dir():
            continue
        below = wanted.relative_to(root)
        nested = [path for pattern in ("*", "*/*") for path in sorted(root.glob(f"{pattern}/{below}")) if path.is_dir()]
        nested += [path for path in (root.parent / below,) if path.is_dir()]
        if nested:
            advice.append(f"It is `{nested[0]}`: move that folder to `{wanted}`.")
    return advice
