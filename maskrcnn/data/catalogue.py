"""The catalogue of a dataset: its classes, and how its instance maps number them.

The reader of a dataset makes the catalogue; `preprocess` stores it with the records. Everything after that takes
names, numbers and colours from `records.catalogue`.
"""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from maskrcnn.project.errors import InputError
from maskrcnn.project.palette import Color, spread_colors

BACKGROUND = "background"
MAX_ID = np.iinfo(np.uint16).max  # of an instance map

Classes = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Catalogue:
    """The classes of a dataset.

    Args:
        class_names: Indexed by class id; the first is `background`.
        class_ids_by_label: Class id of every label id that belongs to a class; several labels may share one.
        void_label_ids: Labels whose pixels the official Cityscapes protocol ignores.
        instance_base: An instance is `label_id * instance_base + number` in an instance map; a crowd or
            stuff is its `label_id`.
        colors: Red, green and blue of every class, from 0 to 255; by default a palette for colour-blind readers.

    Raises:
        InputError: if names, ids or colours contradict each other, or an instance id exceeds 16 bits.
    """

    class_names: tuple[str, ...]
    class_ids_by_label: Mapping[int, int]
    void_label_ids: Set[int]
    instance_base: int = 1000
    colors: tuple[Color, ...] = ()

    def __post_init__(self) -> None:
        if not self.colors:
            object.__setattr__(self, "colors", spread_colors(len(self.class_names)))
        for rule, is_met in _rules(self):
            if not is_met:
                raise InputError(f"`catalogue` must {rule}; got {self}.")


def _rules(catalogue: Catalogue) -> list[tuple[str, bool]]:
    """Returns what a catalogue must do, and whether it does."""
    names, by_label, base = catalogue.class_names, catalogue.class_ids_by_label, catalogue.instance_base
    labels = {*by_label, *catalogue.void_label_ids}
    channels = [channel for color in catalogue.colors for channel in color]
    return [
        (f"begin with the class {BACKGROUND}", names[:1] == (BACKGROUND,)),
        ("have unique class names", len(set(names)) == len(names) and "" not in names),
        ("have a label for every class but the first", set(by_label.values()) == set(range(1, len(names)))),
        ("have label ids from 0 to `instance_base - 1`", all(0 <= label < base for label in labels)),
        ("have no class on label 0, which is unlabelled", 0 not in by_label),
        (f"have instance ids up to {MAX_ID}", (max(by_label, default=0) + 1) * base - 1 <= MAX_ID),
        ("have one colour per class", len(catalogue.colors) == len(names)),
        ("have colours from 0 to 255", all(0 <= channel <= 255 for channel in channels)),
    ]


def assign_labels(labels: Sequence[str], classes: Classes | None) -> tuple[tuple[str, ...], dict[str, int]]:
    """Decides which labels of a dataset make which class.

    Args:
        labels: Every label of the dataset that has instances.
        classes: By the name of a class, the labels that it merges; None makes every label a class of its own.

    Returns:
        The class names, background first, and the class id of every label that belongs to a class.

    Raises:
        InputError: if a label is unknown, with the nearest known ones; if two classes share one; or if a class is
            empty or called `background`.
    """
    if classes is None:
        classes = {label: [label] for label in labels}
    class_ids: dict[str, int] = {}
    for class_id, (name, merged) in enumerate(classes.items(), start=1):
        if name == BACKGROUND or not merged:
            raise InputError(f"`data.classes.{name}` must be a class with labels; got {list(merged)}.")
        for label in merged:
            if label not in labels:
                near = get_close_matches(label, labels, n=3, cutoff=0.5) or labels
                raise InputError(
                    f"`data.classes.{name}` must merge labels of the dataset; got {label!r}, near to {', '.join(near)}."
                )
            if label in class_ids:
                raise InputError(f"`data.classes.{name}` must not repeat a label; got {label!r} again.")
            class_ids[label] = class_id
    if not class_ids:
        raise InputError("`data.classes` must have at least one class; got none. null takes all of the dataset.")
    return (BACKGROUND, *classes), class_ids


def encode_catalogue(catalogue: Catalogue) -> bytes:
    """Returns a catalogue as JSON; equal catalogues give equal bytes. `decode_catalogue` is the inverse."""
    content = {
        "class_names": list(catalogue.class_names),
        "class_ids_by_label": {str(label): class_id for label, class_id in catalogue.class_ids_by_label.items()},
        "void_label_ids": sorted(catalogue.void_label_ids),
        "instance_base": catalogue.instance_base,
        "colors": [list(color) for color in catalogue.colors],
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def decode_catalogue(content: bytes) -> Catalogue:
    """Reads what `encode_catalogue` wrote.

    Raises:
        InputError: if the bytes are not JSON, have other keys or types, or no catalogue may hold their values.
    """
    try:
        values: Any = json.loads(content)
    except RecursionError as fault:
        raise InputError("`catalogue` must be flat JSON; got lists in lists") from fault
    keys = Catalogue.__dataclass_fields__.keys()
    if not isinstance(values, dict) or values.keys() != keys:
        raise InputError(f"`catalogue` must have the keys {', '.join(keys)}; got {content!r:.80}")
    try:
        names = tuple(values["class_names"])
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"{names} in the place of names")
        by_label = {int(label): _whole(class_id) for label, class_id in values["class_ids_by_label"].items()}
        void = frozenset(map(_whole, values["void_label_ids"]))
        colors = tuple((_whole(red), _whole(green), _whole(blue)) for red, green, blue in values["colors"])
        return Catalogue(names, by_label, void, _whole(values["instance_base"]), colors)
    except (TypeError, AttributeError) as fault:
        raise InputError(f"`catalogue` must hold names, ids and colours; got {fault}") from fault


def _whole(value: Any) -> int:
    """Returns a whole number of JSON."""
    if type(value) is not int:
        raise TypeError(f"{value!r} in the place of a whole number")
    return value
