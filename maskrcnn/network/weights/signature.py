"""What a file is by its first bytes."""

import re
from pathlib import Path

import h5py

from maskrcnn.network.weights.released import advise_copy, require_file
from maskrcnn.project.errors import InputError

# First bytes, what such a file is, and what helps; None where another copy does.
KINDS: tuple[tuple[bytes, str, str | None], ...] = (
    (rb"version https://git-lfs", "a Git LFS pointer", "`git lfs pull` puts the file in its place."),
    (rb"(\xef\xbb\xbf)?\s*<(!doctype|!--|\?xml|html|head|body)", "a web page", None),
    (rb"\s*\{", "JSON, such as a server's refusal", None),
    (rb"PK\x03\x04", "a ZIP archive, as `.keras`, `.npz` and `.pth` files are", "Unpack it if the `.h5` lies inside."),
    (rb"\x1f\x8b", "a gzip archive", "Unpack it."),
    (rb"\x80[\x02-\x05]", "a Python pickle", "Only `.h5` files in the layouts of docs/weights.md are read."),
)
SHOWN = 8  # bytes


def check_signature(path: Path) -> None:
    """Refuses a file that is no HDF5 file, without reading more than its signature.

    Raises:
        FileNotFoundError: if there is no such file, with the command that gets it.
        InputError: saying what the file is instead, and what helps.
    """
    require_file(path)
    with path.open("rb") as file:
        head = file.read(64)
    if h5py.is_hdf5(path):
        return
    words, hint = _describe(head)
    raise InputError(f"`{path}` must be an HDF5 file; got {words}. {hint or advise_copy(path.name)}")


def _describe(head: bytes) -> tuple[str, str | None]:
    """Returns what a file with these first bytes is, and what helps."""
    if not head:
        return "an empty file", None
    for signature, words, hint in KINDS:
        if re.match(signature, head, re.IGNORECASE):
            return f"{words}; it begins with {head[:SHOWN]!r}", hint
    return f"a file that begins with {head[:SHOWN]!r}", None
