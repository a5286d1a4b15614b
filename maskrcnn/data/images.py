"""Image files: their size, their pixels, and how both get to the size that the network sees.

An image and its instance map are resized by the same rule, so that both lie on one grid.
"""

import os
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Image, InstanceMap

Shape = tuple[int, int]

STRETCH, LETTERBOX = "stretch", "letterbox"
FITS = (STRETCH, LETTERBOX)

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of segments that state the image's size


def check_image(path: Path, image_shape: Shape) -> None:
    """Refuses a file that is not a whole PNG or JPEG of this size, without decoding it.

    Args:
        path: The image.
        image_shape: Height and width that it must have, in pixels.

    Raises:
        InputError: if the file is no PNG or JPEG, ends early, or has another size.
    """
    with path.open("rb") as file:
        head = file.read(24)
        if head.startswith(_PNG_START):
            shape = (int.from_bytes(head[20:24]), int.from_bytes(head[16:20]))
            is_whole = _read_tail(file, len(_PNG_END)) == _PNG_END
        elif head.startswith(_JPEG_START):
            shape = _read_jpeg_shape(file)
            # Some cameras append metadata after the end of the image.
            is_whole = _JPEG_END in _read_tail(file, min(_size(file) - file.tell(), 65536))
        else:
            raise InputError(f"`{path}` must be a PNG or JPEG image; got a file that begins with {head[:8]!r}.")
    if not is_whole:
        raise InputError(f"`{path}` must be a whole image; got one that ends early. Copy it again.")
    if shape != tuple(image_shape):
        hint = " Its EXIF orientation is not applied." if shape[::-1] == tuple(image_shape) else ""
        raise InputError(f"`{path}` must have height and width {tuple(image_shape)}, as annotated; got {shape}.{hint}")


def _read_jpeg_shape(file: BinaryIO) -> Shape:
    """Returns the height and width that the frame header states, and leaves the file behind it; (0, 0) without one."""
    file.seek(2)
    while (head := file.read(9)) and len(head) == 9 and head[0] == 0xFF:
        if head[1] in _JPEG_FRAMES:
            return int.from_bytes(head[5:7]), int.from_bytes(head[7:9])
        # A marker may be padded with bytes 0xFF; a segment's length includes the two bytes that state it.
        file.seek((1 if head[1] == 0xFF else 2 + int.from_bytes(head[2:4])) - 9, 1)
    return 0, 0


def _read_tail(file: BinaryIO, length: int) -> bytes:
    """Returns the last bytes of a file."""
    file.seek(-min(length, _size(file)), SEEK_END)
    return file.read()


def _size(file: BinaryIO) -> int:
    """Returns the length of a file in bytes, without moving in it."""
    return os.fstat(file.fileno()).st_size


def read_image(path: Path, image_shape: Shape, fit: str) -> Image:
    """Reads an image and brings it to a size, averaging over areas when it shrinks.

    Pixels are taken as stored; an EXIF orientation is ignored.

    Args:
        path: A PNG or JPEG file.
        image_shape: Height and width of the result.
        fit: `stretch` or `letterbox`, see `fit_shape`.

    Returns:
        Red, green, blue; padding is black.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it cannot be decoded.
    """
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; see `data.root`.")
    content = np.fromfile(path, np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION) if len(content) else None
    if image is None:
        raise InputError(f"`{path}` must be an image that can be decoded; got a damaged file. Copy it again.")
    return fit_image(image, image_shape, fit)


def fit_image(image: Image, image_shape: Shape, fit: str) -> UInt8[np.ndarray, "h w 3"]:
    """Brings an image to a size, averaging over areas when it shrinks.

    Args:
        image: At any size.
        image_shape: Height and width of the result.
        fit: `stretch` or `letterbox`, see `fit_shape`.

    Returns:
        The image from the top left corner on; padding is black.
    """
    raw_shape = image.shape[:2]
    height, width = fit_shape(raw_shape, image_shape, fit)
    if (height, width) != raw_shape:
        shrinks = height * width < raw_shape[0] * raw_shape[1]
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return _pad(image, image_shape)


def resize_map(instance_map: InstanceMap, image_shape: Shape, fit: str) -> UInt16[np.ndarray, "h w"]:
    """Brings an instance map to a size, on the grid of `read_image`.

    Args:
        instance_map: At the size of the raw image.
        image_shape: Height and width of the result.
        fit: `stretch` or `letterbox`, see `fit_shape`.

    Returns:
        For every pixel the value at its centre; 0 in the padding.
    """
    height, width = fit_shape(instance_map.shape, image_shape, fit)
    return _pad(cv2.resize(instance_map, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), image_shape)


def fit_shape(raw_shape: Shape, image_shape: Shape, fit: str) -> Shape:
    """Returns the height and width that the content of an image has inside a frame, from the top left corner.

    Args:
        raw_shape: Height and width of the raw image.
        image_shape: Height and width of the frame.
        fit: `stretch` fills the frame and may change the aspect ratio; `letterbox` resizes both sides by one
            factor, rounded to whole pixels, and leaves the rest at the bottom or the right to padding.

    Raises:
        InputError: if there is no such fit.
    """
    if fit == STRETCH:
        return image_shape
    if fit == LETTERBOX:
        factor = min(image_shape[0] / raw_shape[0], image_shape[1] / raw_shape[1])
        return max(1, round(factor * raw_shape[0])), max(1, round(factor * raw_shape[1]))
    raise InputError(f"`preprocess.fit` must be one of {', '.join(FITS)}; got {fit!r}.")


def _pad(pixels: np.ndarray, image_shape: Shape) -> np.ndarray:
    """Adds zeros at the bottom and the right."""
    if pixels.shape[:2] == tuple(image_shape):
        return pixels
    padded = np.zeros((*image_shape, *pixels.shape[2:]), pixels.dtype)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    return padded
