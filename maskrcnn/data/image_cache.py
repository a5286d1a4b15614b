"""A folder of decoded images, at the size that the network sees: reading one takes a small part of decoding a PNG.

An entry is one file: a stamp, then the pixels as they lie in memory, `3 * height * width` bytes. Its name follows from
the image's path, the size and the fit; the stamp also from the image file's size and times, the version of OpenCV and
the code that reads images. So an image that changed replaces its entry.
"""

import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from maskrcnn.data import image_files, images
from maskrcnn.data.images import Shape, read_image
from maskrcnn.data.records import Records
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_file
from maskrcnn.project.notation import Image

_CODE = Path(images.__file__).read_bytes() + Path(image_files.__file__).read_bytes()
MAKER = sha256(cv2.__version__.encode() + _CODE).hexdigest()
STAMP_BYTES = 32
GIGABYTE = 1e9


class ImageCache:
    """The cache of decoded images.

    Several threads and processes may use one folder. An entry is whole or it is made anew.

    Args:
        folder: It can be removed at any time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: Path, image_shape: Shape, fit: str) -> Image:
        """Returns what `read_image` returns, and keeps it.

        Args:
            path: A PNG or JPEG file.
            image_shape: Height and width of the result.
            fit: `stretch` or `letterbox`, see `fit_shape`.

        Raises:
            FileNotFoundError: if there is no such image, although an entry may be left of it.
            InputError: if it cannot be decoded.
        """
        entry, stamp = self._entry(path, image_shape, fit), _make_stamp(path)
        kept = _read_entry(entry)
        if len(kept) == _entry_bytes(image_shape) and kept[:STAMP_BYTES].tobytes() == stamp:
            return kept[STAMP_BYTES:].reshape(*image_shape, 3)
        image = read_image(path, image_shape, fit)
        with whole_file(entry, _entry_bytes(image_shape)) as unfinished, unfinished.open("wb") as file:
            file.write(stamp)
            image.tofile(file)
        return image

    def missing_bytes(self, path: Path, image_shape: Shape, fit: str) -> int:
        """Returns by how much the folder grows when an image is read: 0 where an entry of this size is kept."""
        entry = self._entry(path, image_shape, fit)
        is_kept = entry.is_file() and entry.stat().st_size == _entry_bytes(image_shape)
        return 0 if is_kept else _entry_bytes(image_shape)

    def _entry(self, path: Path, image_shape: Shape, fit: str) -> Path:
        """Returns the file of an image."""
        key = f"{path.absolute()} {image_shape} {fit}"
        return self.folder / f"{sha256(key.encode()).hexdigest()}.raw"


def open_cache(folder: Path, root: Path, splits: Iterable[Records]) -> ImageCache:
    """Returns the cache for some splits, when the disk has the space for it, and prints by how much it will grow.

    Args:
        folder: Of the cache; made if missing.
        root: Folder that the image paths start from.
        splits: Whose images will be read.

    Raises:
        InputError: if the disk has too little space for the images that are not kept yet.
    """
    cache = ImageCache(folder)
    wanted = {
        (root / split.image_path(index), split.image_shape, split.fit)
        for split in splits
        for index in range(len(split))
    }
    sizes = [cache.missing_bytes(*image) for image in wanted]
    missing, needed = np.count_nonzero(sizes), sum(sizes) / GIGABYTE
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free / GIGABYTE
    if needed > free:
        raise InputError(
            f"`{folder}` must have {needed:.3g} GB of disk space for {missing} decoded images; got {free:.3g} GB. "
            "Free some, or set `feeder.cache` to false."
        )
    if missing:
        print(f"`{folder}` will grow by {needed:.3g} GB for {missing} decoded images; {free:.3g} GB are free.")
    return cache


def _read_entry(entry: Path) -> np.ndarray:
    """Returns the bytes of an entry, none if there is no such file."""
    try:
        return np.fromfile(entry, np.uint8)
    except FileNotFoundError:
        return np.empty(0, np.uint8)


def _entry_bytes(image_shape: Shape) -> int:
    """Returns the length of an entry."""
    return STAMP_BYTES + 3 * image_shape[0] * image_shape[1]


def _make_stamp(path: Path) -> bytes:
    """Returns what must change whenever the pixels that are read from a file may change."""
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; see `data.root`.")
    status = path.stat()
    # A copy may keep the modification time; the time of the last change of status cannot be set.
    return sha256(f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {MAKER}".encode()).digest()
