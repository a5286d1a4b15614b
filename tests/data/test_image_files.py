"""Image files: what is refused before and after decoding them, in bounded time and memory, and what passes."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskrcnn.data.image_files import check_data, check_image, check_pixels, decode_samples, open_image
from maskrcnn.data.images import read_image
from maskrcnn.project.errors import InputError
from tests.data.image_examples import SHAPE, add_exif, insert_chunk, make_chunk, make_png, write_image

DAMAGED = r"` must be an image that can be decoded; got a damaged file\. Copy it again\.$"


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_whole_image_passes(tmp_path: Path, name: str) -> None:
    check_image(write_image(tmp_path / name), SHAPE)


def test_a_jpeg_with_metadata_before_and_behind_passes(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.jpg")
    add_exif(path, 1)
    path.write_bytes(path.read_bytes().replace(b"\xff\xe2", b"\xff\xff\xff\xe2", 1) + b"maker's notes")
    check_image(path, SHAPE)
    assert read_image(path, SHAPE, "stretch").shape == (*SHAPE, 3)


def test_a_jpeg_with_a_huffman_table_before_its_frame_header_passes(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.jpg")
    content = path.read_bytes()
    table = content.index(b"\xff\xc4")
    stop = table + 2 + int.from_bytes(content[table + 2 : table + 4])
    path.write_bytes(content[:2] + content[table:stop] + content[2:])
    check_image(path, SHAPE)


@pytest.mark.parametrize("kept", [25, 100, -1])
def test_a_truncated_png_is_refused(tmp_path: Path, kept: int) -> None:
    path = write_image(tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"a.png` must be a whole image; got one that ends early"):
        check_image(path, SHAPE)


@pytest.mark.parametrize("kept", [24, 60_000, 72_000, -100, -1])
def test_a_truncated_jpeg_is_refused(tmp_path: Path, kept: int) -> None:
    path = write_image(tmp_path / "a.jpg")
    add_exif(path, 1)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"a.jpg` must be a whole image; got one that ends early"):
        check_image(path, SHAPE)


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"\xff\xd8", b"GIF89a and more that is read"])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.png` must be a PNG or JPEG image; got a file that begins with"):
        check_image(path, SHAPE)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_an_image_of_another_size_is_refused(tmp_path: Path, name: str) -> None:
    path = write_image(tmp_path / name)
    with pytest.raises(InputError, match=r"must have height and width \(64, 127\), as annotated; got \(64, 128\)\.$"):
        check_image(path, (64, 127))
    with pytest.raises(InputError, match=r"got \(64, 128\)\. Its EXIF orientation is not applied"):
        check_image(path, (128, 64))


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_bytes_behind_the_end_are_ignored(tmp_path: Path, name: str) -> None:
    path = write_image(tmp_path / name)
    before = read_image(path, SHAPE, "stretch")
    path.write_bytes(path.read_bytes() + bytes(200_000))
    check_image(path, SHAPE)
    check_pixels(path)
    np.testing.assert_array_equal(read_image(path, SHAPE, "stretch"), before)


def test_a_folder_is_no_image_and_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"` must exist; see `data.root`"):
        open_image(tmp_path)
    path = write_image(tmp_path / "a.png")

    def fail(_: Path) -> bytes:
        raise OSError(5, "Input/output error")  # as a damaged disk does, without the name of the file

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(InputError, match=r"a.png` must be readable; got Input/output error"):
        open_image(path)


@pytest.mark.parametrize(("height", "width"), [(30_000, 30_000), (0, 5), (5, 0)])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_size_that_would_fill_the_memory_is_refused(tmp_path: Path, name: str, height: int, width: int) -> None:
    path = write_image(tmp_path / name)
    content = bytearray(path.read_bytes())
    if name == "a.png":
        content[16:24] = struct.pack(">II", width, height)
    else:
        frame = content.index(b"\xff\xc0")
        content[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    path.write_bytes(content)
    for check in (check_pixels, open_image):
        with pytest.raises(InputError, match=rf"{name}` must have at most 100000000 pixels.*; got {height} x {width}"):
            check(path)


def test_a_file_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png")
    with path.open("ab") as file:
        file.truncate(400_000_001)
    with pytest.raises(InputError, match=r"a.png` must have at most 400000000 bytes; got 400000001"):
        open_image(path)


@pytest.mark.parametrize("place", [60, 5000, -20])
def test_a_damaged_byte_of_a_png_is_found(tmp_path: Path, place: int) -> None:
    path = write_image(tmp_path / "a.png")
    check_pixels(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    check_image(path, SHAPE)
    with pytest.raises(InputError, match=f"a.png{DAMAGED}"):
        check_pixels(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda middle: bytes(len(middle)),  # a block that was never written
        lambda middle: np.random.default_rng(1).integers(0, 256, len(middle), np.uint8).tobytes(),
        lambda middle: b"",
    ],
)
def test_a_damaged_block_of_a_jpeg_is_found(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """OpenCV fills what is missing with grey, or shifts what follows."""
    path = write_image(tmp_path / "a.jpg", (256, 256))
    check_pixels(path)
    content = path.read_bytes()
    path.write_bytes(content[:20_000] + change(content[20_000:24_000]) + content[24_000:])
    assert read_image(path, (256, 256), "stretch").any()
    with pytest.raises(InputError, match=r"a.jpg` must be an image without damage; got .*\. Copy it again, or save"):
        check_pixels(path)


def test_many_scans_are_refused(tmp_path: Path) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (*SHAPE, 3), np.uint8)
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    check_pixels(path)
    content = path.read_bytes()
    scans = content.index(b"\xff\xda")
    path.write_bytes(content[:scans] + content[scans:-2] * 20 + content[-2:])
    with pytest.raises(InputError, match=r"a.jpg` must be a JPEG of at most 100 scans; got [12]\d\d"):
        check_pixels(path)


@pytest.mark.parametrize("kind", [b"tRNS", b"fdAT", b"IDAT"])
def test_a_chunk_that_claims_gigabytes_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = write_image(tmp_path / "a.png")
    insert_chunk(path, struct.pack(">I", 3_900_000_000) + kind)
    with pytest.raises(InputError, match=r"a.png` must be a whole image; got one that ends early"):
        open_image(path)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_texts_and_profiles_that_unpack_to_much_are_left_out(tmp_path: Path, kind: bytes) -> None:
    path = write_image(tmp_path / "a.png")
    before = open_image(path).content
    bomb = make_chunk(kind, b"a\0\0" + zlib.compress(bytes(1_000_000)))
    for _ in range(300):
        insert_chunk(path, bomb)
    assert open_image(path).content == before
    check_pixels(path)


def test_data_that_unpack_to_more_than_the_pixels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(make_png((8, 8), zlib.compress(bytes(30_000_000))))
    with pytest.raises(InputError, match=f"a.png{DAMAGED}"):
        check_pixels(path)


@pytest.mark.parametrize("surplus", [-1, 1])
@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize(("depth", "color_type", "bits"), [(1, 0, 1), (4, 3, 4), (8, 4, 16), (8, 6, 32), (16, 2, 48)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (17, 9)])
def test_data_must_fill_the_pixels(
    tmp_path: Path, height: int, width: int, depth: int, color_type: int, bits: int, interlace: int, surplus: int
) -> None:
    """One row of a pass is a byte for its filter, and its bits filled up to bytes; 7 passes if interlaced."""
    if interlace:  # as the standard draws it: the pass of every pixel in a block of 8 x 8
        block = np.array([[1, 6, 4, 6, 2, 6, 4, 6], [7] * 8, [5, 6] * 4, [7] * 8] * 2)
        block[4, [0, 2, 4, 6]] = [3, 4, 3, 4]
        numbers = np.tile(block, (3, 2))[:height, :width]
        sizes = [np.unique(np.nonzero(numbers == k)[axis]).size for k in range(1, 8) for axis in (0, 1)]
    else:
        sizes = [height, width]
    length = sum(h * (1 + -(-w * bits // 8)) for h, w in zip(sizes[::2], sizes[1::2], strict=True) if h and w)
    path = tmp_path / "a.png"
    form = {"depth": depth, "color_type": color_type, "interlace": interlace}
    path.write_bytes(make_png((height, width), zlib.compress(bytes(length)), **form))
    check_data(open_image(path))
    path.write_bytes(make_png((height, width), zlib.compress(bytes(length + surplus)), **form))
    with pytest.raises(InputError, match=f"a.png{DAMAGED}"):
        check_data(open_image(path))


@pytest.mark.parametrize("form", [{"color_type": 5}, {"interlace": 2}])
def test_a_header_without_meaning_is_refused(tmp_path: Path, form: dict[str, int]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(make_png((8, 8), zlib.compress(bytes(200)), **form))
    with pytest.raises(InputError, match=f"a.png{DAMAGED}"):
        check_pixels(path)


@pytest.mark.parametrize("brightest", [2**12 - 1, 2**14 - 1])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_12_bits_in_16_are_refused(tmp_path: Path, channels: int, brightest: int) -> None:
    """The upper 8 bits alone are read: an image that is almost black."""
    pixels = np.full((*SHAPE, channels), brightest, np.uint16)
    if channels == 4:
        pixels[..., 3] = 65535
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), pixels)
    with pytest.raises(InputError, match=rf"a.png` must use all 16 bits .*; got values up to {brightest}\. Scale"):
        check_pixels(path)


@pytest.mark.parametrize("brightest", [0, 2**14, 65535])
def test_16_bits_pass(tmp_path: Path, brightest: int) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full(SHAPE, brightest, np.uint16))
    check_pixels(path)
    assert (read_image(path, SHAPE, "stretch") == brightest // 256).all()
    assert decode_samples(open_image(path)).max() == brightest
