"""The released files: where they come from, how they are known, and which classes they have."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = "weights"


@dataclass(frozen=True)
class Release:
    """A file that somebody else published.

    Args:
        url: Where it is downloaded from.
        size: In bytes.
        md5: The digest that was published for it.
    """

    url: str
    size: int
    md5: str

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


# Nobody published a SHA-256 of these. Keras checks its files by these MD5s; that of the COCO weights is in the
# README of NVIDIA's TensorRT sample. The sizes are those that downloads report.
RELEASES = {
    "coco": Release(
        url="https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5",
        size=257_557_808,
        md5="e98aaff6f99e307b5e2a8a3ff741a518",
    ),
    "imagenet": Release(
        url="https://github.com/fchollet/deep-learning-models/releases/download/v0.2/"
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        size=94_653_016,
        md5="a268eb855778b3df3c7506639542a6af",
    ),
    "imagenet_2019": Release(
        url="https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        size=94_765_736,
        md5="4d473c1dd8becc155b73f8504c6f6626",
    ),
}

# Class ids of the files, as far as a street has such things; 0 is the background in all of them.
CLASS_IDS = {
    "coco": {
        "background": 0,
        "person": 1,
        "bicycle": 2,
        "car": 3,
        "motorcycle": 4,
        "airplane": 5,
        "bus": 6,
        "train": 7,
        "truck": 8,
    },
}


def map_classes(class_names: Sequence[str], released: str) -> dict[int, int]:
    """Returns the file's class id by ours, for the classes that both sets have.

    Args:
        class_names: Ours, background first.
        released: A key of `CLASS_IDS`.
    """
    if released not in CLASS_IDS:
        raise ValueError(f"`class_map` must be one of {', '.join(CLASS_IDS)}; got {released!r}.")
    theirs = CLASS_IDS[released]
    return {our_id: theirs[name] for our_id, name in enumerate(class_names) if name in theirs}


def verify_digest(path: Path, sha256: str | None = None) -> str:
    """Checks a file against a digest: the given one, or else what was published for a file of its name.

    Args:
        path: The file.
        sha256: In hexadecimal; None where only the published digest, if there is one, is to be met.
    Returns:
        The file's SHA-256.
    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is another.
    """
    require_file(path)
    published = {release.md5 for release in RELEASES.values() if release.file == path.name}
    found = digest(path, "sha256")
    if sha256 is not None:
        if found != sha256.lower():
            raise ValueError(f"`{path}` must have the SHA-256 {sha256}; got {found}.")
    elif published and (md5 := digest(path, "md5")) not in published:
        raise ValueError(
            f"`{path}` must have the published MD5 {' or '.join(sorted(published))}; got {md5}. "
            f"If the file is your own, give its SHA-256, {found}, as `sha256` of its section."
        )
    return found


def digest(path: Path, algorithm: str) -> str:
    """Returns the digest of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def require_file(path: Path) -> None:
    """Refuses a missing file.

    Raises:
        FileNotFoundError: with the command that gets the file, if it is a released one.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; {tell_source(path.name)}")


def tell_source(file: str) -> str:
    """Returns the end of a sentence: where a file of this name comes from."""
    for name, release in RELEASES.items():
        if release.file == file:
            return f"`maskrcnn weights fetch {name}` downloads it from {release.url} to {FOLDER}/."
    return "it holds weights to start from."
