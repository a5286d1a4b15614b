"""The attribute of an HDF5 file that holds the facts of a model.

Its size and type are looked at before a value is read. HDF5 keeps attributes in the header of the file's root, of at
most 64 KiB each, or, in files that ask for it, in a heap of any size; only the former are read.
"""

from pathlib import Path

import h5py
import numpy as np

from maskrcnn.network.facts import MAX_BYTES, Facts, decode_facts, encode_facts
from maskrcnn.project.errors import InputError

NAME = "maskrcnn"
HEAP_MESSAGE = 1 << 0x15  # "Attribute Info" among the messages of an object header (HDF5 file format, IV.A.2.v)


def write_facts(file: h5py.File, facts: Facts) -> None:
    """Writes the facts into an open file; facts that are there are replaced."""
    file.attrs[NAME] = np.bytes_(encode_facts(facts))


def read_facts_of(file: h5py.File, path: Path) -> Facts | None:
    """Returns the facts of an open file; None if it carries none.

    Args:
        file: The file.
        path: Its path, for the errors.
    Raises:
        InputError: if there are facts, but in a form that is not ours, too large, damaged or out of range.
    """
    if h5py.h5o.get_info(file.id).hdr.mesg.present & HEAP_MESSAGE:
        raise InputError(
            f"`{path}` must keep its attributes in the header of its root; got a heap. Write it with h5py's defaults."
        )
    if not h5py.h5a.exists(file.id, NAME.encode()):
        return None
    attribute = h5py.h5a.open(file.id, NAME.encode())
    kind, form = attribute.get_type(), attribute.get_space().get_simple_extent_type()
    is_text = isinstance(kind, h5py.h5t.TypeStringID) and not kind.is_variable_str()
    if not is_text or form != h5py.h5s.SCALAR or kind.get_size() > MAX_BYTES:
        raise InputError(
            f"`{path}` must carry its facts as one text of fixed length, of at most {MAX_BYTES} bytes; "
            f"got an attribute `{NAME}` of another form."
        )
    text = np.empty((), attribute.dtype)
    attribute.read(text)
    return decode_facts(text.tobytes().rstrip(b"\0"), path)
