"""Image files: what is refused without decoding them, and how they and their maps get to another size."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.data.images import check_image, fit_shape, read_image, resize_map
from maskrcnn.project.errors import InputError

SHAPE = (64, 128)


def write_image(path: Path, shape: tuple[int, int] = SHAPE) -> Path:
    pixels = np.random.default_rng(7).integers(0, 256, (*shape, 3), np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return path


def add_exif(path: Path, orientation: int) -> None:
    """Puts an EXIF segment with an orientation, and 70,000 bytes that look like a frame header, before a JPEG's own."""
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01" + bytes(
        [0, orientation, 0, 0, 0, 0, 0, 0]
    )
    segments = b"\xff\xe1" + (8 + len(tiff)).to_bytes(2) + b"Exif\x00\x00" + tiff
    decoy = b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01\xff\xd9"
    for _ in range(2):
        segments += b"\xff\xe2" + (35_002).to_bytes(2) + decoy + bytes(35_000 - len(decoy))
    content = path.read_bytes()
    path.write_bytes(content[:2] + segments + content[2:])


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


def test_an_image_is_read_as_red_green_blue(tmp_path: Path) -> None:
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[..., 0], pixels[0, :, 1] = 200, 100
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", (2, 4), "stretch"), pixels)
    # Rows of green 100 and 0 average to 50.
    assert read_image(tmp_path / "a.png", (1, 2), "stretch").tolist() == [[[200, 50, 0]] * 2]
    assert read_image(tmp_path / "a.png", (4, 8), "stretch").shape == (4, 8, 3)


def test_the_orientation_of_a_photograph_is_ignored(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.jpg")
    upright = read_image(path, SHAPE, "stretch")
    add_exif(path, 6)
    assert cv2.imread(str(path)).shape == (128, 64, 3)  # OpenCV would turn it
    np.testing.assert_array_equal(read_image(path, SHAPE, "stretch"), upright)


def test_an_image_that_is_missing_or_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(FileNotFoundError, match=r"a.png` must exist; see `data.root`"):
        read_image(path, (2, 4), "stretch")
    for content in (b"", b"no image"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a.png` must be an image that can be decoded; got a damaged file"):
            read_image(path, (2, 4), "stretch")


def test_the_map_is_sampled_at_the_middle_of_each_new_pixel() -> None:
    # From 6 to 3 the middles lie on borders, 0.5, 2.5, 4.5, and the lower right pixel counts: 1, 3, 5.
    columns = np.arange(6, dtype=np.uint16)[None]
    assert resize_map(columns, (1, 3), "stretch").tolist() == [[1, 3, 5]]
    assert resize_map(columns, (1, 2), "stretch").tolist() == [[1, 4]]
    np.testing.assert_array_equal(resize_map(columns, (1, 6), "stretch"), columns)


@pytest.mark.parametrize(
    ("raw_shape", "expected"),
    [
        ((100, 100), (64, 64)),  # factor min(64 / 100, 128 / 100)
        ((50, 200), (32, 128)),  # factor min(64 / 50, 128 / 200) = 0.64
        ((32, 64), (64, 128)),  # factor 2: small images grow
        ((100, 51), (64, 33)),  # 0.64 * 51 = 32.64
        ((1, 1000), (1, 128)),  # 0.128 is less than a pixel, and one is left
    ],
)
def test_letterbox_resizes_by_one_factor(raw_shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fit_shape(raw_shape, SHAPE, "letterbox") == expected
    assert fit_shape(raw_shape, SHAPE, "stretch") == SHAPE


def test_letterbox_pads_at_the_bottom_or_the_right(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 50, 3), 200, np.uint8))
    image = read_image(tmp_path / "a.png", SHAPE, "letterbox")
    assert (image[:, :32] == 200).all()
    assert not image[:, 32:].any()
    instance_map = resize_map(np.full((50, 200), 7, np.uint16), SHAPE, "letterbox")
    assert (instance_map[:32] == 7).all()
    assert not instance_map[32:].any()
    assert instance_map.dtype == np.uint16


@given(st.tuples(st.integers(4, 90), st.integers(4, 90)), st.sampled_from(["stretch", "letterbox"]), st.integers(0, 99))
def test_image_and_map_lie_on_one_grid(
    tmp_path_factory: pytest.TempPathFactory, raw_shape: tuple[int, int], fit: str, seed: int
) -> None:
    """A white rectangle on black and its map: wherever the image is white or black, the map agrees."""
    path = tmp_path_factory.getbasetemp() / "rectangle.png"
    dice = np.random.default_rng(seed)
    (y1, y2), (x1, x2) = (sorted(dice.integers(0, side + 1, 2)) for side in raw_shape)
    mask = np.zeros(raw_shape, np.uint16)
    mask[y1:y2, x1:x2] = 1
    cv2.imwrite(str(path), 255 * mask.astype(np.uint8))
    image, resized = read_image(path, SHAPE, fit), resize_map(mask, SHAPE, fit)
    assert (resized[image[..., 0] == 255] == 1).all()
    assert (resized[image[..., 0] == 0] == 0).all()


def test_an_unknown_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"`preprocess\.fit` must be one of stretch, letterbox; got 'crop'"):
        fit_shape((1, 1), SHAPE, "crop")
