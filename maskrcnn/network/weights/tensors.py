"""The tensors of an HDF5 file, opened without following a link and read only when asked for."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from maskrcnn.network.weights.names import shorten
from maskrcnn.network.weights.released import advise_copy
from maskrcnn.network.weights.signature import check_signature
from maskrcnn.project.errors import InputError

WHOLE_MODEL = "model_weights/"  # where Keras' `model.save` puts the tensors
# Others are not needed, may be another program's, or crash on damaged files, as Fletcher's checksum in HDF5 1.14 does.
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}
# Deflate shrinks to 1/1032 at most (zlib.net/zlib_tech.html), so that a tensor larger than that is not in the file.
MAX_RATIO = 1032
MAX_DEPTH = 8  # groups around a tensor; no layout has more than 4


@dataclass(frozen=True)
class Tensor:
    """A tensor of an open file.

    Args:
        path: The file.
        dataset: Where its values are.
        shape: As the file states it; empty for a single number.
        dtype: Type of its numbers.
    """

    path: Path
    dataset: h5py.Dataset
    shape: tuple[int, ...]
    dtype: np.dtype

    def read(self) -> np.ndarray:
        """Returns the values.

        Raises:
            InputError: naming the file, if they are damaged.
        """
        with _naming(self.path):
            return self.dataset[()]


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Yields an open HDF5 file, and names it in what h5py raises meanwhile.

    Raises:
        FileNotFoundError: if there is no such file, with the command that gets it.
        InputError: if it is no HDF5 file, or is damaged.
    """
    check_signature(path)
    with _naming(path), h5py.File(path, "r") as file:
        yield file


@contextmanager
def open_tensors(path: Path) -> Iterator[dict[str, Tensor]]:
    """Yields the tensors of a file by their names, less the prefix of a whole Keras model.

    No values are read. Nothing outside of the file is opened.

    Raises:
        FileNotFoundError: if there is no such file, with the command that gets it.
        InputError: if it is no HDF5 file, is damaged, keeps a tensor outside of itself, or states a shape that
            it is too small for.
    """
    check_signature(path)
    with _naming(path):
        file = h5py.File(path, "r")
    try:
        with _naming(path):
            tensors: dict[str, Tensor] = {}
            for name, tensor in _walk(file, path):
                name = name.removeprefix(WHOLE_MODEL)
                if name in tensors:
                    raise InputError(f"`{path}` must hold every tensor once; got two at {shorten(name)}.")
                tensors[name] = tensor
        yield tensors
    finally:
        with _naming(path):
            file.close()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Names the file in what h5py raises about it; on damaged files that may be any exception."""
    try:
        yield
    except InputError:
        raise
    except Exception as fault:
        words = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise InputError(
            f"`{path}` must be a whole HDF5 file; got one that ends early or is damaged ({words}). "
            f"{advise_copy(path.name)}"
        ) from None


def _walk(root: h5py.Group, path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yields the name and the tensor of every dataset below a group; each group is visited once."""
    seen = {h5py.h5o.get_info(root.id).addr}
    groups = [("", root)]
    while groups:
        prefix, group = groups.pop()
        below = []
        for link in group:
            name = f"{prefix}{link}"
            if name.count("/") > MAX_DEPTH:
                raise InputError(f"`{path}` must nest at most {MAX_DEPTH} groups; got more at {shorten(name)}.")
            item = _open_item(group, link, name, path)
            if not isinstance(item, h5py.Group):
                yield name, _check_dataset(item, name, path)
                continue
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                raise InputError(f"`{path}` must hold every group once; got one again at {shorten(name)}.")
            seen.add(address)
            below.append((f"{name}/", item))
        groups += reversed(below)


def _open_item(group: h5py.Group, link: str, name: str, path: Path) -> h5py.Group | h5py.Dataset:
    """Returns a group or a dataset that lies in the file itself."""
    if not isinstance(group.get(link, getlink=True), h5py.HardLink):
        raise InputError(f"`{path}` must hold its tensors itself; got a link at {shorten(name)}.")
    item = group[link]
    if not isinstance(item, h5py.Group | h5py.Dataset):
        raise InputError(f"`{path}` must hold tensors alone; got a named type at {shorten(name)}.")
    return item


def _check_dataset(item: h5py.Dataset, name: str, path: Path) -> Tensor:
    """Returns a tensor whose values are in the file and can be read without another program."""
    if item.external is not None or item.is_virtual:  # before its shape, for which HDF5 may open virtual sources
        raise InputError(f"`{path}` must hold its tensors itself; got outside storage at {shorten(name)}.")
    settings = item.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    if not FILTERS.issuperset(filters) or len(filters) > len(set(filters)):
        raise InputError(
            f"`{path}` must be compressed by gzip once or not at all; "
            f"got the HDF5 filters {filters[:8]} at {shorten(name)}."
        )
    tensor = Tensor(path, item, item.shape or (), item.dtype)
    if item.chunks is not None and len(item.chunks) != len(tensor.shape):  # reading it would never end
        raise InputError(
            f"`{path}` must hold tensors in chunks of as many axes; got {item.chunks} of shape {tensor.shape} "
            f"at {shorten(name)}."
        )
    size, limit = tensor.dtype.itemsize, MAX_RATIO * path.stat().st_size
    if max(math.prod(tensor.shape), math.prod(item.chunks or ())) * size > limit:
        raise InputError(
            f"`{path}` must hold the tensors that it states; got one of shape {tensor.shape} at {shorten(name)}, "
            f"too large for the file's {path.stat().st_size} bytes."
        )
    return tensor
