"""The catalogue of a dataset: its classes, and how its instance maps number them.

A catalogue is made by the reader of a dataset and stored with the records, so that everything after
`preprocess` asks the records for names and numbers, and no module.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Catalogue:
    """The classes of a dataset.

    Args:
        class_names: Indexed by class id; the first is the background.
        class_ids_by_label: Class id of every label id that belongs to a class; several labels may share one.
        void_label_ids: Labels whose pixels the official Cityscapes protocol ignores.
        instance_base: An instance is `label_id * instance_base + number` in an instance map; a crowd or
            stuff is its `label_id`.
    """

    class_names: tuple[str, ...]
    class_ids_by_label: Mapping[int, int]
    void_label_ids: Set[int]
    instance_base: int = 1000
