"""Images, and how they get to the size that the network sees.

An image and its instance map are resized by the same rule, so that both lie on one grid.
"""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from maskrcnn.data.image_files import check_data, decode_image, open_image
from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Image, InstanceMap

Shape = tuple[int, int]

STRETCH, LETTERBOX = "stretch", "letterbox"
FITS = (STRETCH, LETTERBOX)


def read_image(path: Path, image_shape: Shape, fit: str) -> Image:
    """Reads an image and brings it to a size, averaging over areas when it shrinks.

    Pixels are taken as stored, for the truth was annotated so; an EXIF orientation is ignored. See `read_photo`.

    Args:
        path: A PNG or JPEG file.
        image_shape: Height and width of the result.
        fit: `stretch` or `letterbox`, see `fit_shape`.

    Returns:
        Red, green, blue; padding is black.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is no PNG or JPEG, or cannot be decoded.
    """
    return fit_image(decode_image(open_image(path)), image_shape, fit)


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


def read_photo(path: Path) -> Image:
    """Reads an image at its own size, turned as its EXIF orientation says: as viewers show it.

    For images without truth; `read_image` is for those of a data set.

    Args:
        path: A PNG or JPEG file.

    Returns:
        Red, green, blue.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is no PNG or JPEG, or cannot be decoded.
    """
    file = open_image(path)
    check_data(file)
    return decode_image(file, upright=True)


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
