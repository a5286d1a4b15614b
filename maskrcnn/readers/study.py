"""The check of all of `params.yaml`, its names of augmentations, classes, files and cities included."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from maskrcnn.data.augmentation import check_strengths
from maskrcnn.data.catalogue import assign_labels
from maskrcnn.project.config import Data, Hyperparameters, Split, Study
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_params, read_whole
from maskrcnn.project.rules import check_params, tell_few_images
from maskrcnn.readers.cityscapes import make_catalogue
from maskrcnn.readers.coco import count_entries
from maskrcnn.readers.folders import IMAGE_END, list_files, list_folders

SELECTED = "tuning/selected.yaml"  # hyperparameters that the stage `select_best` writes
VALIDATIONS = {  # the split that each training is validated on
    "babysit": "reduced_training",
    "coarse": "reduced_validation",
    "hyperband": "reduced_validation",
    "train": "validation",
}


def check_study(root: Path) -> Study:
    """Checks all of `params.yaml`: its settings, and against the images where they are there.

    Args:
        root: Folder of the repository, in which `params.yaml` lies.

    Raises:
        FileNotFoundError: if there is no `params.yaml`.
        InputError: naming all faults of a kind at once by the full path of their keys.
    """
    study = check_settings(root)
    _refuse(find_image_faults(study, root), root)
    return study


def check_settings(root: Path) -> Study:
    """Checks `params.yaml` alone: keys, types, ranges, names, and sections against each other; see `check_study`."""
    study = check_params(read_params(root / "params.yaml"), root)
    faults = [*find_strength_faults(study), *find_class_faults(study.data), *find_file_faults(study, root)]
    _refuse(faults, root)
    return study


def _refuse(faults: Iterable[str], root: Path) -> None:
    """Raises an error of all faults, if there are any."""
    if found := "; ".join(faults):
        raise InputError(f"`{root / 'params.yaml'}` must be valid; {found}.")


def check_start_weights(study: Study, root: Path) -> None:
    """Checks that all weights that a training starts from are there, or are made before it.

    DVC looks for a file only when it comes to the stage, hours later. A file of `dvc.lock` may be missing: a teammate
    has made what comes from it, and DVC pulls that.

    Args:
        study: All of `params.yaml`.
        root: Folder of the repository.

    Raises:
        InputError: naming all missing files at once by the keys that name them.
    """
    made = {*(f"models/{name}.h5" for name in study.variants), *(f"models/start/{name}.h5" for name in study.weights)}
    lock = root / "dvc.lock"
    known = set(re.findall(r"^ *- path: (.+)$", lock.read_text(), re.MULTILINE)) if lock.is_file() else set()
    users = {f"weights.{name}.path": weights.path for name, weights in study.weights.items()}
    users |= {"babysit.start": study.babysit.start, "hyperband.start": study.hyperband.start}
    users |= {f"candidates.{name}.start": each.start for name, each in study.candidates.items()}
    users |= {f"variants.{name}.start": each.start for name, each in study.variants.items()}
    lost = [start for start in dict.fromkeys(users.values()) if not (start in made | known or (root / start).is_file())]
    keys = {start: ", ".join(f"`{key}`" for key, named in users.items() if named == start) for start in lost}
    rule = "must be a file that is there, or that a stage makes"
    _refuse((f"{keys[start]} {rule}; got {start}, {_advise(start, made, root)}" for start in lost), root)


def _advise(start: str, made: set[str], root: Path) -> str:
    """Returns the file of nearly the same name, or where to look for its source."""
    there = {path.relative_to(root).as_posix() for folder in ("models", "pins") for path in root.glob(f"{folder}/*")}
    near = get_close_matches(start, sorted(made | there), n=1, cutoff=0.8)
    return f"the nearest is {near[0]}" if near else "`maskrcnn doctor` says where released files come from"


def find_strength_faults(study: Study) -> Iterator[str]:
    """Yields augmentations that are unknown or have a strength out of range."""
    for name, variant in study.variants.items():
        try:
            check_strengths(variant.augment, f"variants.{name}.augment")
        except InputError as fault:
            yield str(fault).removesuffix(".")


def find_class_faults(data: Data) -> Iterator[str]:
    """Yields classes without labels, labels of two classes, and labels that Cityscapes does not have."""
    try:
        if data.format == "cityscapes":
            make_catalogue(data.classes)
        elif data.classes is not None:  # the labels are in the annotations, which `preprocess` reads
            assign_labels([label for merged in data.classes.values() for label in merged], data.classes)
    except InputError as fault:
        yield str(fault).removesuffix(".")


def find_file_faults(study: Study, root: Path) -> Iterator[str]:
    """Yields a file of hyperparameters that is missing or holds something else."""
    name = study.train.hyperparameters
    if name == SELECTED:
        return
    try:
        read_whole(Hyperparameters, root / name)
    except FileNotFoundError:
        yield (
            f"`train.hyperparameters` must be {SELECTED}, which the tuning stages write, or a file that is there, such "
            f"as pins/published_2021.yaml; got {name}"
        )
    except InputError as fault:
        yield f"`train.hyperparameters` must be a file of hyperparameters; got {name}: {str(fault).removesuffix('.')}"


def find_image_faults(study: Study, root: Path) -> Iterator[str]:
    """Yields cities that are not there, JSON that is damaged, and validations on more images than there are."""
    images = root / study.data.root
    counts: dict[str, int] = {}
    for name, split in study.splits.items():
        if study.synthesize:
            counts[name] = count_drawn(study, split)
        elif study.data.format == "cityscapes" and (folder := images / split.images).is_dir():
            if lost := [city for city in split.cities or () if not (folder / city).is_dir()]:
                yield _tell_lost(name, lost, folder)
            else:
                counts[name] = count_images(folder, split.cities)
        elif study.data.format == "coco" and (truth := images / split.truth).is_file():
            try:
                counts[name] = count_entries(truth)
            except InputError as fault:
                yield str(fault).removesuffix(".")
    for section, name in VALIDATIONS.items():
        schedule = getattr(study, section).schedule
        if name in counts and schedule.validation_steps * schedule.batch_size > counts[name]:
            yield tell_few_images(section, schedule, counts[name])


def count_drawn(study: Study, split: Split) -> int:
    """Returns how many images of a split `synthesize` draws."""
    drawn: dict[str, int] = {}
    for settings in study.synthesize.values():
        drawn |= {"train": settings.train, "val": settings.val}.get(Path(split.images).name, {})
    return sum(count for city, count in drawn.items() if split.cities is None or city in split.cities)


def count_images(folder: Path, cities: Iterable[str] | None) -> int:
    """Returns how many images lie in the folders of some cities; of all where the cities are None."""
    folders = list_folders(folder) if cities is None else [folder / city for city in cities]
    return sum(len(list_files(city, IMAGE_END)) for city in folders)


def _tell_lost(name: str, cities: list[str], folder: Path) -> str:
    """Returns the fault of a split whose cities are not there, with the nearest names that are."""
    there = [path.name for path in list_folders(folder)]
    near = [city for lost in cities for city in get_close_matches(lost, there, n=1, cutoff=0.8)]
    hint = f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(there) or 'none'}"
    return f"`splits.{name}.cities` must be folders of `{folder}`; got {', '.join(cities)}, {hint}"
