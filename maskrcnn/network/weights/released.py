"""The released files: where they come from, how they are known, and which classes they have."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskrcnn.project.errors import InputError

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

# Class names of files by class id: of the released COCO weights, and of our own with all classes of Cityscapes.
CLASS_NAMES = {
    "coco": (
        "background", "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
        "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse",
        "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie",
        "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove",
        "skateboard", "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon",
        "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut",
        "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse",
        "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book",
        "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
    ),
    "cityscapes": (
        "background", "car", "person", "rider", "motorcycle", "bicycle", "bus", "trailer", "truck", "caravan",
        "train",
    ),
}  # fmt: skip


def map_classes(class_names: Sequence[str], released: str, class_count: int, path: Path) -> dict[int, int]:
    """Returns the file's class id by ours, for the classes that both sets have under one name.

    Args:
        class_names: Ours, background first.
        released: The file's set, a key of `CLASS_NAMES`.
        class_count: Classes that the file has, background included.
        path: The file.

    Raises:
        InputError: if there is no such set, or it has another number of classes than the file.
    """
    if released not in CLASS_NAMES:
        raise InputError(f"`class_map` must be one of {', '.join(CLASS_NAMES)}; got {released!r}.")
    if class_count != len(CLASS_NAMES[released]):
        fitting = [f"set it to {name}, or " for name, names in CLASS_NAMES.items() if len(names) == class_count]
        raise InputError(
            f"`class_map` must be a set with as many classes as `{path}`, which has {class_count}; "
            f"got {released}, which has {len(CLASS_NAMES[released])}. If the file is the right one, "
            f"{''.join(fitting)}remove `class_map`."
        )
    theirs = {name: class_id for class_id, name in enumerate(CLASS_NAMES[released])}
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
        InputError: if the file is another.
    """
    require_file(path)
    published = {release.md5 for release in RELEASES.values() if release.file == path.name}
    found = digest(path, "sha256")
    if sha256 is not None:
        if found != sha256.lower():
            raise InputError(f"`{path}` must have the SHA-256 {sha256}; got {found}.")
    elif published and (md5 := digest(path, "md5")) not in published:
        raise InputError(
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
    return "it holds weights. `dvc repro` makes the models of the study, in models/."


def advise_copy(file: str) -> str:
    """Returns what to do about a spoiled file of this name, as a sentence."""
    if any(release.file == file for release in RELEASES.values()):
        return f"Remove it; {tell_source(file)}"
    return "Copy or download it again."
