"""Image files, PNG or JPEG: what is refused before a decoder sees it, and what a decoder finds.

A decoder trusts what a file states about itself, and may need minutes or gigabytes for a file that lies. So the parts
of a file are compared with its length first, and the decoder gets only those that its pixels need.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Image

Shape = tuple[int, int]

MAX_PIXELS = 100_000_000  # decoding and painting need about 10 bytes each
MAX_BYTES = 400_000_000
MAX_SCANS = 100  # of a progressive JPEG; each of them may cost as much time as the image
ENOUGH_OF_16_BITS = 2**14  # values that stay below it have 14 bits or fewer

_PNG_START, _JPEG_START, _JPEG_END = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xd9"
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"}  # texts and profiles may be zip bombs
_PNG_HEADER = b"\x00\x00\x00\x0dIHDR"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PNG_PASSES = {  # first row and column, and steps between rows and columns, by interlace method
    0: ((0, 0, 1, 1),),
    1: ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
}
_JPEG_SEGMENT = re.compile(rb"\xff+([^\xff])(..)", re.DOTALL)  # a marker, padded or not, and the segment's length
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of segments that state the image's size
_JPEG_DAMAGES = ("Corrupt JPEG data", "Premature end of JPEG", "Unsupported marker type")  # other warnings are harmless


@dataclass(frozen=True)
class ImageFile:
    """A PNG or JPEG file that is whole, as far as can be seen without decoding it.

    Args:
        path: Where it lies.
        shape: Height and width that its header states.
        depth: Bits of a sample.
        content: What a decoder needs of it.
    """

    path: Path
    shape: Shape
    depth: int
    content: bytes


def check_image(path: Path, image_shape: Shape) -> None:
    """Refuses a file that is not a whole PNG or JPEG of this size, without decoding it.

    Args:
        path: The image.
        image_shape: Height and width that it must have, in pixels.

    Raises:
        FileNotFoundError, InputError: see `open_image`; also if the image has another size.
    """
    shape = open_image(path).shape
    if shape != tuple(image_shape):
        hint = " Its EXIF orientation is not applied." if shape[::-1] == tuple(image_shape) else ""
        raise InputError(f"`{path}` must have height and width {tuple(image_shape)}, as annotated; got {shape}.{hint}")


def check_pixels(path: Path) -> None:
    """Refuses an image whose pixels are damaged, or too dark because they use a part of 16 bits; decodes it.

    A PNG has checksums, so that all damage is found. A JPEG has none: damage that is valid code stays unseen.

    Args:
        path: The image.

    Raises:
        FileNotFoundError, InputError: see `open_image`; also if the pixels are damaged or too dark.
    """
    file = open_image(path)
    if file.content.startswith(_JPEG_START):
        decode_image(file)
        _check_jpeg(file)
        return
    check_data(file)
    decode_image(file)
    if file.depth == 16:
        _check_range(file)


def check_data(file: ImageFile) -> None:
    """Refuses a PNG whose data do not unpack to its pixels: a decoder would unpack what is too much. Any JPEG passes.

    Args:
        file: See `open_image`.

    Raises:
        InputError: if the data are damaged, too short or too long.
    """
    if not file.content.startswith(_PNG_START):
        return
    expected, unpacked, stream = _count_bytes(file), 0, zlib.decompressobj()
    try:
        for kind, start, stop in _list_chunks(file.content):
            if kind == b"IDAT" and unpacked <= expected:
                unpacked += len(stream.decompress(file.content[start + 8 : stop - 4], expected + 1 - unpacked))
    except zlib.error as fault:
        raise _damaged(file.path) from fault
    if unpacked != expected:
        raise _damaged(file.path)


def _count_bytes(file: ImageFile) -> int:
    """Returns the length of the unpacked data of a PNG: the rows of each pass, with a byte for the filter of each."""
    color_type, interlace = file.content[25], file.content[28]
    if color_type not in _PNG_CHANNELS or interlace not in _PNG_PASSES:
        raise _damaged(file.path)
    bits, total = _PNG_CHANNELS[color_type] * file.depth, 0
    for first_row, first_column, row_step, column_step in _PNG_PASSES[interlace]:
        height, width = -((first_row - file.shape[0]) // row_step), -((first_column - file.shape[1]) // column_step)
        if height > 0 and width > 0:
            total += height * (1 + (width * bits + 7) // 8)
    return total


def open_image(path: Path) -> ImageFile:
    """Reads a file and its header, without decoding it. Bytes after the end of the image are ignored.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if the file cannot be read, is no PNG or JPEG, ends early, or is too large.
    """
    content = _read_bytes(path)
    if content.startswith(_PNG_START):
        file = open_png(path, content)
    elif content.startswith(_JPEG_START):
        file = _open_jpeg(path, content)
    else:
        raise InputError(f"`{path}` must be a PNG or JPEG image; got a file that begins with {content[:8]!r}.")
    height, width = file.shape
    if not 0 < height * width <= MAX_PIXELS:
        raise InputError(f"`{path}` must have at most {MAX_PIXELS} pixels, at least one; got {height} x {width}.")
    return file


def decode_image(file: ImageFile, upright: bool = False) -> Image:
    """Returns the pixels of an image, as red, green and blue of 8 bits.

    Args:
        file: See `open_image`.
        upright: Whether to turn the image as its EXIF orientation says; otherwise its pixels stay as stored.

    Raises:
        InputError: if the pixels are damaged, as far as the decoder reports it.
    """
    return _decode(file, cv2.IMREAD_COLOR_RGB | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION))


def decode_samples(file: ImageFile) -> np.ndarray:
    """Returns the samples of an image as stored: of 8 or 16 bits, of one channel or more.

    Raises:
        InputError: if they are damaged, as far as the decoder reports it.
    """
    return _decode(file, cv2.IMREAD_UNCHANGED)


def _decode(file: ImageFile, flags: int) -> np.ndarray:
    """Returns what OpenCV decodes."""
    try:
        pixels = cv2.imdecode(np.frombuffer(file.content, np.uint8), flags)
    except cv2.error:  # of a header that contradicts itself
        pixels = None
    if pixels is None:
        raise _damaged(file.path)
    return pixels


def _read_bytes(path: Path) -> bytes:
    """Returns the content of a file that is not too large."""
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; see `data.root`.")
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise InputError(f"`{path}` must have at most {MAX_BYTES} bytes; got {size}.")
        return path.read_bytes()
    except OSError as fault:  # of a damaged disk; it does not always name the file
        raise InputError(f"`{path}` must be readable; got {fault.strerror}.") from fault


def open_png(path: Path, content: bytes) -> ImageFile:
    """Returns a PNG without the chunks that its pixels do not need; see `open_image`.

    Args:
        path: Named in errors.
        content: Of the file.

    Raises:
        InputError: if the file has no header or ends early.
    """
    if not content.startswith(_PNG_HEADER, len(_PNG_START)):
        raise _early(path)
    kept, last = [_PNG_START], b""
    for kind, start, stop in _list_chunks(content):
        last = kind
        if kind in _PNG_CHUNKS:
            kept.append(content[start:stop])
    if last != b"IEND":
        raise _early(path)
    shape = int.from_bytes(content[20:24]), int.from_bytes(content[16:20])
    return ImageFile(path, shape, content[24], b"".join(kept))


def _list_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields kind, start and end of each chunk of a PNG that lies inside the file, up to the last one, IEND."""
    start, kind = len(_PNG_START), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(content[start : start + 4]), content[start + 4 : start + 8]
        stop = start + 12 + length  # length and kind, the data, a checksum
        if stop > len(content):
            return
        yield kind, start, stop
        start = stop


def _open_jpeg(path: Path, content: bytes) -> ImageFile:
    """Returns a JPEG after looking for the header of its frame, its end and the number of its scans."""
    place = 2
    while segment := _JPEG_SEGMENT.match(content, place):
        if segment[1][0] in _JPEG_FRAMES:
            break
        place = segment.end() - 2 + int.from_bytes(segment[2])  # the length includes its own two bytes
    else:
        raise _early(path)
    frame = content[segment.end() : segment.end() + 5]
    if content.find(_JPEG_END, segment.end()) < 0:  # metadata before the frame may hold a smaller JPEG
        raise _early(path)
    if (scans := content.count(b"\xff\xda", segment.end())) > MAX_SCANS:
        raise InputError(f"`{path}` must be a JPEG of at most {MAX_SCANS} scans; got {scans}.")
    return ImageFile(path, (int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])), frame[0], content)


def _early(path: Path) -> InputError:
    return InputError(f"`{path}` must be a whole image; got one that ends early. Copy it again.")


def _damaged(path: Path) -> InputError:
    return InputError(f"`{path}` must be an image that can be decoded; got a damaged file. Copy it again.")


def _check_jpeg(file: ImageFile) -> None:
    """Refuses a JPEG that a decoder must mend: OpenCV fills what is missing with grey."""
    try:
        simplejpeg.decode_jpeg(file.content, "GRAY", strict=True)
    except ValueError as fault:
        if str(fault).startswith(_JPEG_DAMAGES):
            raise InputError(
                f"`{file.path}` must be an image without damage; got {fault}. "
                "Copy it again, or save it anew with an image editor if it looks right."
            ) from fault


def _check_range(file: ImageFile) -> None:
    """Refuses values of 12 bits in 16: the upper 8 bits are read, which would be almost black."""
    brightest = int(_decode(file, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH).max())
    if 0 < brightest < ENOUGH_OF_16_BITS:
        raise InputError(
            f"`{file.path}` must use all 16 bits of its samples, of which the upper 8 are read; got values up to "
            f"{brightest}. Scale all images of the data set by one factor, or save them with 8 bits."
        )
