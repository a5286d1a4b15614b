"""An open weight file as a network sees it: tensors in Matterport's layout with numbers that can be computed with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskrcnn.network.weights.architecture import Architecture, recognize_architecture
from maskrcnn.network.weights.entries import Entry
from maskrcnn.network.weights.layouts import KERAS3, Layout, recognize_layout
from maskrcnn.network.weights.names import name_some, shorten
from maskrcnn.network.weights.tensors import Tensor, open_tensors
from maskrcnn.project.errors import InputError

STEM = "conv1/conv1/kernel:0"
VARIANCE = "moving_variance"


@dataclass(frozen=True)
class Source:
    """An open file: its tensors by their paths in Matterport's layout, and the names of those that have none."""

    path: Path
    layout: Layout
    tensors: dict[str, Tensor]
    strangers: list[str]

    @property
    def architecture(self) -> Architecture:
        """What the file's tensors belong to."""
        return recognize_architecture({path: tensor.shape for path, tensor in self.tensors.items()})

    def read(self, entries: Sequence[Entry]) -> dict[str, np.ndarray]:
        """Returns tensors as the network needs them, by their paths: red first, for our epsilon of batch norm.

        Args:
            entries: Where they lie; gamma only together with the variance of its batch norm.
        Raises:
            InputError: naming the tensors with NaN, infinities or negative variances.
        """
        values = {entry.path: self.tensors[entry.path].read() for entry in entries}
        spoiled = [f"{entry.path} ({fault})" for entry in entries if (fault := _find_fault(entry, values[entry.path]))]
        if spoiled:
            raise InputError(
                f"`{self.path}` must hold finite numbers and variances of at least 0; got {name_some(spoiled)}. "
                "Its training failed, or the file is damaged: take another one."
            )
        return {entry.path: self._convert(entry, values) for entry in entries}

    def _convert(self, entry: Entry, values: dict[str, np.ndarray]) -> np.ndarray:
        value = values[entry.path]
        if self.layout.flips_channels and entry.path == STEM:
            value = value[:, :, ::-1]
        if self.layout.epsilon is not None and entry.epsilon is not None and entry.tensor == "gamma":
            variance = values[entry.variance_path].astype(np.float64)
            value = value * np.sqrt((variance + entry.epsilon) / (variance + self.layout.epsilon))
        return value


def _find_fault(entry: Entry, values: np.ndarray) -> str | None:
    """Returns what is wrong with the numbers, None if nothing is."""
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if np.isnan(values).any():
        return "NaN"
    if np.isinf(values).any():
        return "infinite"
    return "negative" if entry.tensor == VARIANCE and (values < 0).any() else None


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Yields a file whose layout is known.

    Raises:
        FileNotFoundError: if there is no such file, with the command that gets it.
        InputError: if it is no HDF5 file, is damaged, or has another layout.
    """
    with open_tensors(path) as named:
        layout = recognize_layout(named)
        tensors: dict[str, Tensor] = {}
        strangers = []
        for name, tensor in named.items():
            place = layout.translate(name)
            if place in tensors:
                raise InputError(f"`{path}` must hold every tensor once; got two that are {shorten(place)}.")
            if place is None:
                strangers.append(name)
            else:
                tensors[place] = tensor
        if not tensors:
            _refuse_layout(path, layout, strangers)
        yield Source(path, layout, tensors, strangers)


def count_classes(path: Path) -> int:
    """Returns how many classes the heads of a file have, background included.

    Raises:
        FileNotFoundError: if there is no such file, with the command that gets it.
        InputError: if it is no weight file, or has no box head.
    """
    with open_source(path) as source:
        count = source.architecture.class_count
    if count is None:
        raise InputError(f"`{path}` must have a box head where `class_map` is set; got none. Remove `class_map`.")
    return count


def _refuse_layout(path: Path, layout: Layout, names: list[str]) -> None:
    if layout is KERAS3:
        words = "Keras 3's `.weights.h5`, which numbers its tensors and does not name them"
        hint = (
            'Load it into its model and run `model.save("x.h5")`, '
            'or, for a network of this project, `maskrcnn.write_weights(model, "x.h5")`.'
        )
    else:
        words = f"other tensors: {name_some(names)}" if names else "no tensor"
        hint = f"docs/weights.md lists the layouts; `maskrcnn weights show {path}` lists the tensors."
    raise InputError(f"`{path}` must hold Matterport's Mask R-CNN or Keras' ResNet50; got {words}. {hint}")
