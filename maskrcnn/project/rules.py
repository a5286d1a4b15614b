"""The rules of `params.yaml` that join several sections."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path, PurePosixPath
from posixpath import normpath

from maskrcnn.project.config import SYNTHETIC, Candidate, Data, Study
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import Params, build

# Folders that the pipeline writes and DVC empties.
WRITTEN = (
    "checkpoints", "data/processed", "live", "metrics", "models", "pictures", "plots", "predictions", "tuning",
)  # fmt: skip


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
    faults = [*find_root_faults(study.data, drawn, root), *find_format_faults(study)]
    faults += [*find_name_faults(study), *find_search_faults(study)]
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
    here = root.resolve()
    images = (here / data.root).resolve()
    is_synthetic = normpath(data.root) == SYNTHETIC
    if drawn and not is_synthetic:
        yield (
            f"`data.root` must be {SYNTHETIC} while `synthesize` draws the images; got {data.root}, "
            "set `synthesize: {}` to use images of your own"
        )
    elif not drawn and images.is_relative_to(here / SYNTHETIC):
        yield (
            f"`data.root` must not be in {SYNTHETIC}, which `synthesize` draws and DVC empties; got {data.root}, "
            "move your images"
        )
    for folder in WRITTEN:
        if images.is_relative_to(here / folder):
            yield f"`data.root` must not be in {folder}, where the pipeline writes; got {data.root}, move your images"


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
    """Yields what names an entry that is not there."""
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
