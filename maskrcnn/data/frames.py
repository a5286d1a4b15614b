"""What a reader of a dataset gives: its images, and what was annotated in each.

A reader is a module with one function, `read_frames`, which returns frames and the dataset's catalogue. A reader
of another format is all that another format needs: everything after it works on frames.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt16

from maskrcnn.project.notation import InstanceMap


@dataclass(frozen=True)
class Truth:
    """What was annotated in one image, at the image's own size.

    Args:
        object_map: Number of the object that every pixel shows, counted from 1; 0 where nothing was annotated.
        class_ids: Class id of each number, the first of 0; 0 for what belongs to no class.
        is_crowd: Whether each number is a group of objects that were not annotated one by one.
        official_ids: Id of each number in an instance map, see `Catalogue`.
    """

    object_map: InstanceMap
    class_ids: Int[np.ndarray, "numbers"]
    is_crowd: Bool[np.ndarray, "numbers"]
    official_ids: UInt16[np.ndarray, "numbers"]


@dataclass(frozen=True)
class Frame(ABC):
    """One image of a dataset and its annotation, which is read on demand.

    Args:
        root: The folder `data.root`.
        image_file: The image's path below the root, with slashes.
        name: Unique in the split; names pictures and predictions of the image.
    """

    root: Path
    image_file: str
    name: str

    @property
    def image_path(self) -> Path:
        """The image file."""
        return self.root / self.image_file

    @abstractmethod
    def read_truth(self) -> Truth:
        """Reads the annotation and checks the image's header against it.

        Raises:
            InputError: if image or annotation is damaged, or the image has another size than annotated.
        """


def quote_paths(paths: Sequence[Path]) -> str:
    """Returns at most ten paths for an error, and how many more there are."""
    more = f" and {len(paths) - 10} more" if len(paths) > 10 else ""
    return ", ".join(f"`{path}`" for path in paths[:10]) + more
