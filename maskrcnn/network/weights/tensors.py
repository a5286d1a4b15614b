"""The tensors of an HDF5 file, opened without following a link and read only when asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from maskrcnn.network.weights.released import require_file
from maskrcnn.project.errors import InputError


@contextmanager
def open_tensors(path: Path) -> Iterator[dict[str, h5py.Dataset]]:
    """Yields the datasets of a file by their names, less the prefix of a whole Keras model.

    Raises:
        FileNotFoundError: if there is no such file, with the command that gets it.
        InputError: if it is no HDF5 file, or keeps a tensor outside of itself.
    """
    require_file(path)
    try:
        with h5py.File(path, "r") as file:
            yield {name.removeprefix("model_weights/"): tensor for name, tensor in _walk(file, path)}
    except OSError as fault:
        raise InputError(f"`{path}` must be an HDF5 file; got {fault}.") from None


def count_classes(path: Path) -> int:
    """Returns how many classes the heads of a file have, background included.

    Raises:
        FileNotFoundError: if there is no such file, with the command that gets it.
        InputError: if it is no HDF5 file, or has no box head in Matterport's layout.
    """
    with open_tensors(path) as tensors:
        for name, tensor in tensors.items():
            if name.removesuffix(":0") == "mrcnn_class_logits/mrcnn_class_logits/bias" and tensor.ndim == 1:
                return int(tensor.shape[0])
    raise InputError(f"`{path}` must have a box head where `class_map` is set; got none. Remove `class_map`.")


def _walk(group: h5py.Group, path: Path, prefix: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields the path and the dataset of every tensor below a group."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InputError(f"`{path}` must hold its tensors itself; got a link at {prefix}{name}.")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _walk(item, path, f"{prefix}{name}/")
        elif item.external is not None or item.is_virtual:
            raise InputError(f"`{path}` must hold its tensors itself; got outside storage at {prefix}{name}.")
        else:
            yield prefix + name, item
