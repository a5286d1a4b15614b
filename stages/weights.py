"""Turns one released file into complete start weights for the classes of the training split.

Reads   weights.<name>.path, data/processed/training.npz
Writes  models/start/<name>.h5, models/start/<name>.yaml
Params  backend, deterministic, model, weights.<name>
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.project.runtime import prepare_runtime

if __name__ == "__main__":
    prepare_runtime()

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import keras
from ruamel.yaml import YAML

from maskrcnn.data.splits import read_split
from maskrcnn.network.facts import Facts
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.weights import Report, load_matterport, write_weights
from maskrcnn.network.weights.classes import BY_NAME, check_classes, map_by_name
from maskrcnn.network.weights.released import CLASS_NAMES, map_classes, verify_digest
from maskrcnn.network.weights.signature import check_signature
from maskrcnn.network.weights.source import count_classes
from maskrcnn.project.command import run
from maskrcnn.project.config import Model, StartWeights
from maskrcnn.project.files import whole_file
from maskrcnn.project.notation import SIDE_MULTIPLE
from maskrcnn.project.params import read_params


def main(name: str, root: Path = Path()) -> None:
    """Writes the start weights and the report on where they come from.

    Args:
        name: A key of the section `weights`.
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    model = params.section(Model)
    settings = params.section(StartWeights, f"weights.{name}")
    records = read_split(root, "training", params)
    class_names = records.catalogue.class_names
    path = root / settings.path
    check_signature(path)  # before its digest, which cannot tell what the file is
    sha256 = verify_digest(path, settings.sha256)
    class_map = decide_classes(class_names, settings.class_map, path)
    keras.utils.set_random_seed(settings.seed)
    model = replace(model, backbone=settings.backbone)
    size = SIDE_MULTIPLE, SIDE_MULTIPLE  # the weights do not depend on it
    network = build_mask_rcnn(image_shape=size, class_count=len(class_names), **asdict(model))
    report = load_matterport(network, path, class_map=class_map, fresh=settings.fresh)
    network.facts = Facts(
        class_names=class_names[1:],
        class_colors=records.catalogue.colors[1:],
        image_shape=records.image_shape,
        fit=records.fit,
        architecture=model,
    )
    write_weights(network, root / f"models/start/{name}.h5")
    with whole_file(root / f"models/start/{name}.yaml") as unfinished:
        YAML().dump(describe(report, settings.path, sha256), unfinished)


def decide_classes(class_names: Sequence[str], class_map: str | None, path: Path) -> dict[int, int] | None:
    """Returns the file's class id by ours; None if its heads are of our classes, or of another number of them.

    Args:
        class_names: Of the training split, background first.
        class_map: The setting.
        path: The file.
    Raises:
        InputError: if the file carries other classes than the setting, or than ours where there is none.
    """
    if class_map is None:
        check_classes(path, class_names, f"Set `class_map: {BY_NAME}`: it takes over those of equal names.")
        return None
    if class_map == BY_NAME:
        return map_by_name(class_names, path)
    ids = map_classes(class_names, class_map, count_classes(path), path)
    check_classes(path, CLASS_NAMES[class_map], f"Set `class_map: {BY_NAME}` in place of {class_map}.")
    return ids


def describe(report: Report, path: str, sha256: str) -> dict[str, Any]:
    """Returns the file, how many tensors had each fate, and the names of all that were not simply loaded."""
    fates = asdict(report)
    layout = fates.pop("layout")
    counts = {fate: len(names) for fate, names in fates.items()}
    lists = {fate: names for fate, names in fates.items() if names and fate != "loaded"}
    return {"path": path, "sha256": sha256, "layout": layout, "counts": counts, **lists}


if __name__ == "__main__":
    run(main, __doc__, name="a key of the section `weights` of params.yaml")
