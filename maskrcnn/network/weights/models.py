"""Networks made from files that carry their facts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskrcnn.network.facts import BACKGROUND, PREPROCESSING, Facts
from maskrcnn.network.weights.architecture import measure_widths
from maskrcnn.network.weights.attributes import read_facts_of
from maskrcnn.network.weights.loading import load_matterport
from maskrcnn.network.weights.released import CLASS_NAMES, RELEASES, digest
from maskrcnn.network.weights.source import Source, open_source
from maskrcnn.network.weights.tensors import open_file
from maskrcnn.project.errors import InputError

if TYPE_CHECKING:  # importing Keras takes seconds
    from maskrcnn.network.model import MaskRCNN

MOST_PROPOSALS = 1000  # of an image at inference, as in Matterport
MAX_GROWTH = 16  # bytes of weights for each byte of their file; those of a trained network shrink to a half at best
# Matterport resizes images to squares and pads them.
COCO = Facts(CLASS_NAMES["coco"][1:], (1024, 1024), fit="letterbox", licence="COCO, cocodataset.org/#termsofuse")
# Facts that belong to the classes, images or training of the file, and not to a network that is made of it.
OF_TRAINING: dict[str, Any] = {"commit": None, "packages": {}, "metrics": {}}


def load(
    path: str | Path,
    *,
    facts: Facts | None = None,
    class_names: Sequence[str] | None = None,
    image_shape: tuple[int, int] | None = None,
    fit: str | None = None,
    precision: str = "float32",
    num_proposals: int | None = None,
) -> MaskRCNN:
    """Returns the network of a file with its weights, ready for `detect`.

    `facts` of what it returns says what the network is: classes, images, architecture and more.

    Args:
        path: A `.h5` file that `write_weights` wrote, or Matterport's released `mask_rcnn_coco.h5`.
        facts: Of a file that carries none, because another program or an earlier version of this package wrote it.
        class_names: Other classes than the file's, without the background, to train for. The heads take over the
            classes that both have under one name; the others are drawn at random.
        image_shape: Another height and width of the images, multiples of 64.
        fit: Another way to bring images to that size, `stretch` or `letterbox`.
        precision: Dtype policy of the layers, `float32` or `mixed_bfloat16`.
        num_proposals: Most regions of an image that the heads look at; at most 1000 by default.
    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it carries no facts and none are given, if its weights are of another network, if it is
            damaged, or if a change is out of its range.
    """
    path = Path(path)
    found = facts or read_facts(path)
    wanted = replace(found, image_shape=image_shape or found.image_shape, fit=fit or found.fit)
    if class_names is not None and tuple(class_names) != found.class_names:
        wanted = replace(wanted, class_names=tuple(class_names), class_colors=(), **OF_TRAINING)
    with open_source(path) as source:
        _check_network(source, found)
    network = _build(wanted, precision, num_proposals or min(MOST_PROPOSALS, found.architecture.num_candidates))
    is_same = wanted.class_names == found.class_names
    load_matterport(network, path, class_map=None if is_same else _map_names(wanted, found))
    network.facts = wanted
    return network


def read_facts(path: str | Path) -> Facts:
    """Returns what a file says of its model: classes, size of the images, network and more. Loads no Keras.

    Args:
        path: A `.h5` file that `write_weights` wrote, or Matterport's released `mask_rcnn_coco.h5`.
    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it carries no facts, or facts that are damaged or of another version of this package.
    """
    path = Path(path)
    with open_file(path) as file:
        facts = read_facts_of(file, path)
    if facts is None:
        return _recognize_coco(path)
    if facts.preprocessing != PREPROCESSING:
        raise InputError(
            f"`{path}` must have been trained on images prepared as {PREPROCESSING}; got {facts.preprocessing}. "
            "Use the version of this package that wrote it."
        )
    return facts


def _recognize_coco(path: Path) -> Facts:
    """Returns the facts of Matterport's released file, known by its digest; classes are never guessed."""
    release = RELEASES["coco"]
    if path.stat().st_size == release.size and digest(path, "md5") == release.md5:
        return COCO
    raise InputError(
        f"`{path}` must carry its classes, image size and network; got none, as in files of other programs and of "
        "earlier versions of this package. Pass them: `maskrcnn.load(path, facts=maskrcnn.Facts(class_names=[...], "
        "image_shape=(1024, 1024), fit='letterbox'))` for a file of Matterport's, or `facts=maskrcnn.read_facts(FILE)` "
        "of a FILE of the same network."
    )


def _build(facts: Facts, precision: str, num_proposals: int) -> MaskRCNN:
    from maskrcnn.network.model import build_mask_rcnn

    return build_mask_rcnn(
        image_shape=facts.image_shape,
        class_count=facts.class_count,
        num_proposals=num_proposals,
        precision=precision,
        **asdict(facts.architecture),
    )


def _map_names(ours: Facts, theirs: Facts) -> dict[int, int]:
    """Returns the file's class id by ours, for the background and the classes that both have."""
    ids = {name: class_id for class_id, name in enumerate((BACKGROUND, *theirs.class_names))}
    return {class_id: ids[name] for class_id, name in enumerate((BACKGROUND, *ours.class_names)) if name in ids}


def _check_network(source: Source, facts: Facts) -> None:
    """Refuses facts of another network than that of the tensors, before a network of that size is built."""
    shapes = {path: tensor.shape for path, tensor in source.tensors.items()}
    theirs = source.architecture
    found = {**measure_widths(shapes), "class_count": theirs.class_count, "backbone": theirs.backbone}
    stated = {**asdict(facts.architecture), "class_count": facts.class_count}
    faults = [f"{name} {found[name]} instead of {stated[name]}" for name in found if found[name] != stated[name]]
    if faults:
        raise InputError(f"`{source.path}` must hold the weights of the network in its facts; got {', '.join(faults)}.")
    count, size = sum(map(math.prod, shapes.values())), source.path.stat().st_size
    if 4 * count > MAX_GROWTH * size:
        raise InputError(f"`{source.path}` must hold the weights that it states; got {count} in {size} bytes.")
