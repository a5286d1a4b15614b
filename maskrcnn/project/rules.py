"""The rules of `params.yaml` that join several sections."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from math import prod
from pathlib import Path, PurePosixPath
from posixpath import normpath

from maskrcnn.project.config import SYNTHETIC, Candidate, Data, Study, TuningSchedule
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import Params, build

# Folders that the pipeline writes, and replaces or removes as a whole.
WRITTEN = (
    ".dvc", "checkpoints", "data/processed", "live", "metrics", "models", "pictures", "plots", "predictions",
    "submissions", "tuning",
)  # fmt: skip
SPLITS = ("training", "validation", "test", "reduced_training", "reduced_validation")


def check_params(params: Params, root: Path) -> Study:
    """Checks all of `params.yaml`: keys, types, ranges, and sections against each other.

    Args:
        params: The file as read.
        root: Folder of the repository, from which `data.root` starts.

    Raises:
        InputError: naming all faults at once by the full path of their keys.
    """
    study = build(Study, params.values, "", params.path)
    drawn = bool(study.synthesize)
    faults = [*find_root_faults(study.data, drawn, root), *find_split_faults(study, root), *find_format_faults(study)]
    faults += [*find_name_faults(study), *find_search_faults(study), *find_batch_faults(study)]
    faults += find_comparison_faults(study.coarse.comparisons, study.candidates)
    if faults:
        raise InputError(f"`{params.path}` must be valid; {'; '.join(faults)}.")
    return study


def read_images_root(params: Params, root: Path) -> str:
    """Returns `data.root`, the folder of the images, after checking it.

    Every stage that reads or draws images asks here, so that none of them works in a folder that DVC empties.

    Args:
        params: The file as read; has the section `data`.
        root: Folder of the repository.

    Raises:
        InputError: if `data.root` and `synthesize` contradict each other, or the pipeline writes in the folder.
    """
    data = params.section(Data)
    if faults := list(find_root_faults(data, bool(params.values.get("synthesize")), root)):
        raise InputError(f"`{params.path}` must be valid; {'; '.join(faults)}.")
    return data.root


def find_root_faults(data: Data, drawn: bool, root: Path) -> Iterator[str]:
    """Yields what is wrong with the folder of the images.

    Args:
        data: The section.
        drawn: Whether `synthesize` has entries.
        root: Folder of the repository.
    """
    if not data.root or "\0" in data.root:
        yield f"`data.root` must be a folder; got {data.root!r}"
        return
    here = root.resolve()
    images = (here / data.root).resolve()
    is_synthetic = normpath(data.root) == SYNTHETIC
    if drawn and not is_synthetic:
        yield (
            f"`data.root` must be {SYNTHETIC} while `synthesize` draws the images; got {data.root}, "
            "set `synthesize: {}` in params.yaml to use images of your own"
        )
    for folder in WRITTEN if drawn else (SYNTHETIC, *WRITTEN):
        if images.is_relative_to((here / folder).resolve()):
            yield f"`data.root` must not be in {folder}, where the pipeline writes; got {data.root}, move your images"


def find_split_faults(study: Study, root: Path) -> Iterator[str]:
    """Yields splits that are missing, and images or annotations outside `data.root` or where the pipeline writes."""
    if missing := [name for name in SPLITS if name not in study.splits]:
        yield f"`splits` must have the keys {', '.join(SPLITS)}; got no {', '.join(missing)}"
    elif not study.splits["test"].instance_maps:
        yield "`splits.test.instance_maps` must be true, for the scores need the maps; got false"
    if "\0" in study.data.root:
        return
    here = root.resolve()
    written = {folder: (here / folder).resolve() for folder in WRITTEN}
    for name, split in study.splits.items():
        for key in ("images", "truth"):
            path = getattr(split, key)
            if not path or "\0" in path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                yield f"`splits.{name}.{key}` must be a path below `data.root`; got {path!r}"
                continue
            place = (here / study.data.root / path).resolve()
            for folder, resolved in written.items():
                if place.is_relative_to(resolved):
                    yield f"`splits.{name}.{key}` must not be in {folder}, where the pipeline writes; got {path}"


def find_format_faults(study: Study) -> Iterator[str]:
    """Yields settings that do not suit the format of the annotations, and splits of cities that nobody draws."""
    data, drawn = study.data, list(study.synthesize.values())
    if drawn and data.format != "cityscapes":
        yield f"`data.format` must be cityscapes while `synthesize` draws the images; got {data.format}"
    if drawn and data.image_shape is None:
        yield "`data.image_shape` must be a height and width while `synthesize` draws the images; got null"
    for name, split in study.splits.items():
        if data.format == "coco" and split.cities is not None:
            yield f"`splits.{name}.cities` must be null where `data.format` is coco; got {', '.join(split.cities)}"
        for settings in drawn:
            cities = {"train": settings.train, "val": settings.val}.get(PurePosixPath(split.images).name, {})
            if lost := [city for city in split.cities or () if city not in cities]:
                yield f"`splits.{name}.cities` must be drawn by `synthesize`; got {', '.join(lost)}"


def find_name_faults(study: Study) -> Iterator[str]:
    """Yields names of entries that are not there, and entries that must or must not be there."""
    if "base" not in study.variants:
        yield f"`variants` must have the key base; got {', '.join(study.variants) or 'none'}"
    if "pretrained" in study.variants:
        yield "`variants` must not have the key pretrained, whose file `pretrain` makes"
    for name, variant in study.variants.items():
        if variant.start == f"models/{name}.h5":
            yield f"`variants.{name}.start` must not be the file that the variant makes; got {variant.start}"
    if not study.search:
        yield "`search` must have an optimizer; got none"
    if len(study.synthesize) > 1:
        yield f"`synthesize` must have at most one entry; got {', '.join(study.synthesize)}"
    for key, name in (("report.variant", study.report.variant), ("compare.reference", study.compare.reference)):
        if name not in study.variants:
            yield f"`{key}` must be one of {', '.join(study.variants)}; got {name}"
    if study.select.optimizer is not None and study.select.optimizer not in study.search:
        yield f"`select.optimizer` must be one of {', '.join(study.search)}, or null; got {study.select.optimizer}"


def find_search_faults(study: Study) -> Iterator[str]:
    """Yields ranges of the search that are empty."""
    for optimizer, space in study.search.items():
        for field in fields(space):
            found = getattr(space, field.name)
            if found is not None and not found[0] < found[1]:
                yield f"`search.{optimizer}.{field.name}` must be a lower and a higher value; got {list(found)}"


def find_batch_faults(study: Study) -> Iterator[str]:
    """Yields batch sizes that do not divide into equal parts, one for each device and each step of accumulation."""
    devices = 1 if study.devices == "all" else int(study.devices)
    for section in ("babysit", "coarse", "hyperband", "pretrain", "train"):
        schedule: TuningSchedule = getattr(study, section).schedule
        name = f"{section}.schedule"
        counts = {"devices": devices, f"{name}.gradient_accumulation": schedule.gradient_accumulation}
        parts = prod(counts.values())
        if schedule.batch_size % parts:
            words = " times ".join(f"`{key}`" for key, count in counts.items() if count > 1)
            yield f"`{name}.batch_size` must be a multiple of {words}, {parts}; got {schedule.batch_size}"


def check_comparisons(comparisons: Mapping[str, Sequence[str]], candidates: Mapping[str, Candidate]) -> None:
    """Refuses comparisons whose candidates differ in something else than the name of the comparison.

    Args:
        comparisons, candidates: See `find_comparison_faults`.

    Raises:
        InputError: naming all faults at once.
    """
    if faults := list(find_comparison_faults(comparisons, candidates)):
        raise InputError(f"{'; '.join(faults)}.")


def find_comparison_faults(
    comparisons: Mapping[str, Sequence[str]], candidates: Mapping[str, Candidate]
) -> Iterator[str]:
    """Yields comparisons whose candidates differ in something else than the name of the comparison.

    Args:
        comparisons: By what is compared, the keys of the candidates.
        candidates: By key. The start may differ together with the backbone: the same weights have a file for each.
    """
    aspects = [field.name for field in fields(Candidate)]
    if set(comparisons) != set(aspects):
        yield f"`coarse.comparisons` must have the keys {', '.join(aspects)}; got {', '.join(comparisons)}"
        return
    for aspect, names in comparisons.items():
        key = f"coarse.comparisons.{aspect}"
        if unknown := [name for name in names if name not in candidates]:
            yield f"`{key}` must name entries of `candidates`; got {', '.join(unknown)}"
            continue
        values = {name: {getattr(candidates[each], name) for each in names} for name in aspects}
        varying = [name for name in aspects if len(values[name]) > 1 and (name, aspect) != ("start", "backbone")]
        if varying != [aspect]:
            yield (
                f"`{key}` must name candidates that differ in {aspect} alone; "
                f"got {', '.join(names)}, which differ in {', '.join(varying) or 'nothing'}"
            )
