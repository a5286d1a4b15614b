"""Files into networks and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from maskrcnn.network import PARTS
from maskrcnn.network.weights.architecture import Architecture, recognize_architecture
from maskrcnn.network.weights.attributes import write_facts
from maskrcnn.network.weights.classes import check_classes
from maskrcnn.network.weights.entries import Entry, table
from maskrcnn.network.weights.misfit import AS_START, advise_start, refuse_misfit
from maskrcnn.network.weights.report import Report
from maskrcnn.network.weights.source import Source, open_source
from maskrcnn.network.weights.tensors import Tensor
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import check_writable, whole_file

if TYPE_CHECKING:  # importing Keras takes seconds
    from maskrcnn.network.model import MaskRCNN

BLOCKS = "blocks"
FRESH = (*PARTS[1:], BLOCKS)
STRICT = ("missing", "zeroed", "misshapen", "skipped", "unused")  # lists that are empty for our own files


def load_matterport(
    network: MaskRCNN,
    path: str | Path,
    *,
    class_map: Mapping[int, int] | None = None,
    fresh: Collection[str] = (),
) -> Report:
    """Fills a network from a released file: Matterport's, or Keras' ImageNet ResNet50 without its top.

    The heads' class-dependent tensors are skipped where the file has other classes, or filled class by class
    with a `class_map`. Convolutions of the backbone without bias get 0. Tensors that the network has no place
    for, such as the deeper blocks of a ResNet101, are unused.

    Args:
        network: A built network. It is left untouched when the file does not fit.
        path: The `.h5` file.
        class_map: By our class id, that of the file; classes that are not listed keep their values.
        fresh: What may be absent as a whole and then keeps its values: `fpn`, `rpn_head`, `box_head`, `mask_head`,
            or `blocks`, residual blocks that a shallower backbone lacks; those are made to start as identities.
    Returns:
        What became of every tensor.
    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if tensors are missing or misshapen, saying what the file is; if they hold NaN, infinities or
            negative variances; or if `fresh` or `class_map` name what is not there.
    """
    if unknown := set(fresh) - set(FRESH):
        raise InputError(f"`fresh` must hold some of {', '.join(FRESH)}; got {', '.join(sorted(unknown))}.")
    path, entries = Path(path), list(table(network))
    with open_source(path) as source:
        fates = _decide_all(entries, source, set(fresh), class_map is not None)
        report, theirs, ours = _report(fates, source), source.architecture, _describe(entries)
        refuse_misfit(path, report, ("missing", "misshapen"), theirs, ours, advise_start(theirs, ours))
        read = source.read([entry for entry, fate in fates if fate in ("loaded", "mapped")])
    values = [(entry, _choose(entry, fate, read, class_map or {})) for entry, fate in fates]
    for entry, value in values:
        if value is not None:
            entry.variable.assign(entry.to_ours(value))
    return report


def read_weights(network: MaskRCNN, path: str | Path, class_names: Sequence[str] | None = None) -> None:
    """Fills a network from a file that holds exactly its weights; the inverse of `write_weights`.

    Args:
        network: A built network. It is left untouched when the file does not fit.
        path: The `.h5` file.
        class_names: Of the network, background first; None leaves those that the file carries unread.
    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if tensors are missing, misshapen or too many, saying what the file is; if they hold NaN,
            infinities or negative variances; or if the file carries other classes, or in another order.
    """
    path, entries = Path(path), list(table(network))
    with open_source(path) as source:
        report = _report(_decide_all(entries, source, set(), False), source)
        refuse_misfit(path, report, STRICT, source.architecture, _describe(entries), AS_START)
        if class_names is not None:
            check_classes(path, class_names, AS_START)
        values = source.read(entries)
    for entry in entries:
        entry.variable.assign(entry.to_ours(values[entry.path]))


def write_weights(network: MaskRCNN, path: str | Path, kernel_dtype: str = "float32") -> None:
    """Writes a network in Matterport's layout, whole or not at all; Keras 2 and Matterport read it by name.

    Args:
        network: A built network; its facts, if it has some, are written as an attribute.
        path: The `.h5` file; missing folders are made.
        kernel_dtype: Numbers that kernels are stored as, `float32` or `float16`; all else is float32.
    Raises:
        InputError: if the path cannot be written. The network is as before: call the function with another path.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"`{path}` must be a file; got a folder.")
    check_writable(path)
    groups: dict[str, list[str]] = {}
    with whole_file(path) as unfinished, h5py.File(unfinished, "w") as file:
        for entry in table(network):
            values = entry.to_theirs(np.asarray(entry.variable))
            dtype = kernel_dtype if entry.tensor == "kernel" else "float32"
            file.create_dataset(entry.path, data=values.astype(dtype))
            groups.setdefault(entry.group, []).append(entry.path.removeprefix(f"{entry.group}/"))
        file.attrs["layer_names"] = list(groups)  # Keras 2 finds tensors through these alone
        for group, names in groups.items():
            file[group].attrs["weight_names"] = names
        if network.facts:
            write_facts(file, network.facts)


def _decide_all(entries: list[Entry], source: Source, fresh: set[str], maps: bool) -> list[tuple[Entry, str]]:
    """Returns every entry with its fate, which is the name of a list of the report."""
    held = {entry.part for entry in entries if entry.path in source.tensors}
    absent = {
        entry.part
        for entry in entries
        if entry.part not in held and (entry.part if entry.part in PARTS else BLOCKS) in fresh
    }
    count = source.architecture.class_count or 0
    return [
        (entry, _decide(entry, source.tensors.get(entry.path), entry.part in absent, maps, count)) for entry in entries
    ]


def _decide(entry: Entry, tensor: Tensor | None, is_absent: bool, maps: bool, their_class_count: int) -> str:
    if is_absent:
        return "zeroed" if entry.silences_block else "fresh"
    if tensor is None:
        return "zeroed" if entry.tensor == "bias" and entry.is_backbone else "missing"
    if tensor.dtype.kind != "f":
        return "misshapen"
    # All heads must be of as many classes as the logits.
    has_classes = their_class_count > 0 and tensor.shape == entry.shape_for(their_class_count)
    if has_classes and maps:
        return "mapped"
    if tensor.shape == entry.their_shape:
        return "loaded"
    return "skipped" if has_classes else "misshapen"


def _report(fates: list[tuple[Entry, str]], source: Source) -> Report:
    report = Report(source.layout.name)
    for entry, fate in fates:
        words = entry.path
        if fate == "misshapen":
            tensor = source.tensors[entry.path]
            words += f" {tensor.dtype} {tensor.shape} instead of {entry.their_shape}"
        getattr(report, fate).append(words)
    known = {entry.path for entry, _ in fates}
    report.unused = sorted(source.strangers + [path for path in source.tensors if path not in known])
    return report


def _describe(entries: list[Entry]) -> Architecture:
    """Returns what the network is."""
    return recognize_architecture({entry.path: entry.their_shape for entry in entries})


def _choose(entry: Entry, fate: str, read: Mapping[str, np.ndarray], class_map: Mapping[int, int]) -> np.ndarray | None:
    """Returns what the fate gives the variable, in their shape; None leaves it."""
    if fate == "loaded":
        return read[entry.path]
    if fate == "zeroed":
        return np.zeros(entry.their_shape, np.float32)
    if fate == "mapped":
        return _map_classes(entry, read[entry.path], class_map)
    return None


def _map_classes(entry: Entry, theirs: np.ndarray, class_map: Mapping[int, int]) -> np.ndarray:
    """Returns our tensor in their shape with the rows of some classes taken from theirs."""
    ours = entry.to_theirs(np.array(np.asarray(entry.variable)))
    by_class = ours.reshape(*ours.shape[:-1], -1, entry.class_depth)  # a view
    their_classes = theirs.reshape(*theirs.shape[:-1], -1, entry.class_depth)
    limits = by_class.shape[-2], their_classes.shape[-2]
    for our_id, their_id in class_map.items():
        if not (0 <= our_id < limits[0] and 0 <= their_id < limits[1]):
            raise InputError(f"`class_map` must map ids below {limits[0]} to ids below {limits[1]}; got {class_map}.")
        by_class[..., our_id, :] = their_classes[..., their_id, :]
    return ours
