"""The rules of `params.yaml` that join several sections."""

import re
from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath
from posixpath import normpath

from maskrcnn.project.config import SYNTHETIC, Data, Study, TuningSchedule
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import Params, build
from maskrcnn.project.ranges import FILE
from maskrcnn.project.tuning_rules import find_comparison_faults, find_search_faults
from maskrcnn.project.variant_rules import find_start_faults, find_variant_faults

# Folders that the pipeline writes, and replaces or removes as a whole.
WRITTEN = (
    ".dvc", "checkpoints", "data/processed", "live", "metrics", "models", "pictures", "plots", "predictions",
    "submissions", "tuning",
)  # fmt: skip
DRAWN = (("leftImg8bit/train", "gtFine/train"), ("leftImg8bit/val", "gtFine/val"))  # images and truth
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
    faults = [*find_root_faults(study.data, drawn, root), *find_split_faults(study, root), *find_city_faults(study)]
    faults += [*find_format_faults(study), *find_name_faults(study), *find_batch_faults(study)]
    faults += [*find_sampling_faults(study), *find_variant_faults(study), *find_start_faults(study)]
    faults += [*find_search_faults(study), *find_comparison_faults(study.coarse.comparisons, study.candidates)]
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
    if not re.fullmatch(FILE, data.root):
        yield f"`data.root` must be a folder; got {data.root[:80]!r}"
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
    if not re.fullmatch(FILE, study.data.root):
        return
    here = root.resolve()
    written = {folder: (here / folder).resolve() for folder in WRITTEN}
    for name, split in study.splits.items():
        for key in ("images", "truth"):
            path = getattr(split, key)
            parts = PurePosixPath(path).parts
            if not re.fullmatch(FILE, path) or PurePosixPath(path).is_absolute() or ".." in parts:
                yield f"`splits.{name}.{key}` must be a path below `data.root`; got {path[:80]!r}"
                continue
            place = (here / study.data.root / path).resolve()
            for folder, resolved in written.items():
                if place.is_relative_to(resolved):
                    yield f"`splits.{name}.{key}` must not be in {folder}, where the pipeline writes; got {path}"


def find_city_faults(study: Study) -> Iterator[str]:
    """Yields lists of cities that are empty, repeat a city or name something else than a folder."""
    for name, split in study.splits.items():
        key, cities = f"splits.{name}.cities", split.cities
        if cities is None:
            continue
        if not cities:
            yield f"`{key}` must name at least one city; got [], null takes all"
        if repeated := sorted({city for city in cities if cities.count(city) > 1}):
            yield f"`{key}` must not repeat a city; got {', '.join(repeated)} again"
        if wrong := [city for city in cities if not re.fullmatch(FILE, city) or {city, "/"} & {".", "..", *city}]:
            yield f"`{key}` must be names of folders; got {wrong[0][:80]!r}"


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
        if drawn and (split.images, split.truth) not in DRAWN:
            yield (
                f"`splits.{name}.images` must be leftImg8bit/train or leftImg8bit/val, and "
                f"`splits.{name}.truth` the same of gtFine, while `synthesize` draws them; "
                f"got {split.images} and {split.truth}"
            )
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
    for key, name in (("headline.variant", study.headline.variant), ("compare.reference", study.compare.reference)):
        if name not in study.variants:
            yield f"`{key}` must be one of {', '.join(study.variants)}; got {name}"
    if study.select.optimizer is not None and study.select.optimizer not in study.search:
        yield f"`select.optimizer` must be one of {', '.join(study.search)}, or null; got {study.select.optimizer}"


def find_batch_faults(study: Study) -> Iterator[str]:
    """Yields batches that the devices and the steps of accumulation cannot share."""
    devices = 1 if study.devices == "all" else int(study.devices)
    for section in ("babysit", "coarse", "hyperband", "pretrain", "train"):
        schedule: TuningSchedule = getattr(study, section).schedule
        name = f"{section}.schedule"
        counts = {"devices": devices, f"{name}.gradient_accumulation": schedule.gradient_accumulation}
        parts = prod(counts.values())
        if schedule.batch_size % parts:
            words = " times ".join(f"`{key}`" for key, count in counts.items() if count > 1)
            yield f"`{name}.batch_size` must be a multiple of {words}, {parts}; got {schedule.batch_size}"
        if study.backend == "tensorflow" and devices > 1 and schedule.live_batch_norm and parts > devices:
            yield (
                f"`{name}.gradient_accumulation` must be 1 where `{name}.live_batch_norm` is true and TensorFlow has "
                f"several `devices`; got {schedule.gradient_accumulation}, `backend: jax` does all three"
            )


def find_sampling_faults(study: Study) -> Iterator[str]:
    """Yields counts that leave a loss without samples, or that a larger count elsewhere can never fill."""
    sampling, predict = study.sampling, study.predict
    if int(sampling.num_rois * sampling.positive_fraction) < 1:
        yield (
            f"`sampling.positive_fraction` must leave one or more of `sampling.num_rois`, {sampling.num_rois}, to "
            f"objects; got {sampling.positive_fraction:g}, set at least {1 / sampling.num_rois:.3g}"
        )
    if predict.num_detections > predict.num_proposals:
        yield (
            f"`predict.num_detections` must be at most `predict.num_proposals`, {predict.num_proposals}; "
            f"got {predict.num_detections}"
        )
    if study.pretrain.schedule.validation_steps * study.pretrain.schedule.batch_size > study.pretrain.validation_frames:
        yield tell_few_images("pretrain", study.pretrain.schedule, study.pretrain.validation_frames)


def tell_few_images(section: str, schedule: TuningSchedule, count: int) -> str:
    """Returns the fault of a validation on more images than there are.

    Args:
        section: With the key `schedule`.
        schedule: What it holds.
        count: Images that there are.
    """
    key = f"{section}.schedule"
    if count < schedule.batch_size:
        return f"`{key}.batch_size` must be at most {count}, the images of its validation; got {schedule.batch_size}"
    return (
        f"`{key}.validation_steps` must be at most {count // schedule.batch_size}, for the {count} images of the "
        f"validation fill no more batches of `{key}.batch_size`, {schedule.batch_size}; got {schedule.validation_steps}"
    )
