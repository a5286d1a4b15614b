"""Networks made from files that carry their facts."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from maskrcnn.network.facts import PREPROCESSING, Facts
from maskrcnn.network.weights.architecture import measure_widths
from maskrcnn.network.weights.attributes import read_facts_of
from maskrcnn.network.weights.loading import read_weights
from maskrcnn.network.weights.source import Source, open_source
from maskrcnn.network.weights.tensors import open_file
from maskrcnn.project.errors import InputError

if TYPE_CHECKING:  # importing Keras takes seconds
    from maskrcnn.network.model import MaskRCNN

MOST_PROPOSALS = 1000  # of an image at inference, as in Matterport
MAX_GROWTH = 16  # bytes of weights for each byte of their file; those of a trained network shrink to a half at best


def load(
    path: str | Path, *, facts: Facts | None = None, precision: str = "float32", num_proposals: int | None = None
) -> MaskRCNN:
    """Returns the network of a file with its weights, ready for `detect`.

    Args:
        path: A `.h5` file that `write_weights` wrote; `network.facts` of what it returns says what is in it.
        facts: Of a file that carries none, because another program or an earlier version of this package wrote it.
        precision: Dtype policy of the layers, `float32` or `mixed_bfloat16`.
        num_proposals: Most regions of an image that the heads look at; at most 1000 by default.
    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it carries no facts and none are given, if its weights are of another network, or if it is
            damaged.
    """
    path = Path(path)
    facts = facts or read_facts(path)
    with open_source(path) as source:
        _check_network(source, facts)
    from maskrcnn.network.model import build_mask_rcnn

    network = build_mask_rcnn(
        image_shape=facts.image_shape,
        class_count=facts.class_count,
        num_proposals=num_proposals or min(MOST_PROPOSALS, facts.architecture.num_candidates),
        precision=precision,
        **asdict(facts.architecture),
    )
    read_weights(network, path)
    network.facts = facts
    return network


def read_facts(path: str | Path) -> Facts:
    """Returns what a file says of its model: classes, size of the images, network and more. Loads no Keras.

    Args:
        path: A `.h5` file that `write_weights` wrote.
    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it carries no facts, or facts that are damaged or of a later version of this package.
    """
    path = Path(path)
    with open_file(path) as file:
        facts = read_facts_of(file, path)
    if facts is None:
        raise InputError(
            f"`{path}` must carry its facts: classes, image size, network; got none, as in files of other programs and "
            "of this one before version 1. Pass them, "
            '`maskrcnn.load(path, facts=maskrcnn.read_facts("models/base.h5"))` where the networks are the same.'
        )
    if facts.preprocessing != PREPROCESSING:
        raise InputError(
            f"`{path}` must have been trained with images prepared as this version prepares them, {PREPROCESSING}; "
            f"got {facts.preprocessing}. Load it with the version that wrote it."
        )
    return facts


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
