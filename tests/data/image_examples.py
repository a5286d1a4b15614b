"""Image files for tests: written, and with segments and chunks put in."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

SHAPE = (64, 128)


def write_image(path: Path, shape: tuple[int, int] = SHAPE) -> Path:
    pixels = np.random.default_rng(7).integers(0, 256, (*shape, 3), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def add_exif(path: Path, orientation: int) -> None:
    """Puts an EXIF segment with an orientation, and 70,000 bytes that look like a frame header, before a JPEG's own."""
    tiff = make_exif(orientation)
    segments = b"\xff\xe1" + (8 + len(tiff)).to_bytes(2) + b"Exif\x00\x00" + tiff
    decoy = b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01\xff\xd9"
    for _ in range(2):
        segments += b"\xff\xe2" + (35_002).to_bytes(2) + decoy + bytes(35_000 - len(decoy))
    content = path.read_bytes()
    path.write_bytes(content[:2] + segments + content[2:])


def make_chunk(kind: bytes, data: bytes) -> bytes:
    """Returns a chunk of a PNG with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_png(shape: tuple[int, int], data: bytes, *, depth: int = 8, color_type: int = 2, interlace: int = 0) -> bytes:
    """Returns a PNG with a header that states this, and with these data."""
    header = struct.pack(">IIBBBBB", shape[1], shape[0], depth, color_type, 0, 0, interlace)
    chunks = make_chunk(b"IHDR", header) + make_chunk(b"IDAT", data) + make_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def insert_chunk(path: Path, chunk: bytes) -> None:
    """Puts a chunk behind the header of a PNG."""
    content = path.read_bytes()
    path.write_bytes(content[:33] + chunk + content[33:])


def make_exif(orientation: int) -> bytes:
    """Returns EXIF data that hold an orientation alone."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, orientation, 0, 0])
    return b"MM\x00*\x00\x00\x00\x08\x00\x01" + entry + bytes(4)
