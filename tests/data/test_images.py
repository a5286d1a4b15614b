"""Images: how they are read, and how they and their maps get to another size."""

import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.data.images import fit_shape, read_image, read_photo, resize_map
from maskrcnn.project.errors import InputError
from tests.data.image_examples import SHAPE, add_exif, insert_chunk, make_chunk, make_exif, make_png, write_image


def test_an_image_is_read_as_red_green_blue(tmp_path: Path) -> None:
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[..., 0], pixels[0, :, 1] = 200, 100
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", (2, 4), "stretch"), pixels)
    # Rows of green 100 and 0 average to 50.
    assert read_image(tmp_path / "a.png", (1, 2), "stretch").tolist() == [[[200, 50, 0]] * 2]
    assert read_image(tmp_path / "a.png", (4, 8), "stretch").shape == (4, 8, 3)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_an_orientation_turns_a_photo_and_no_image_of_a_data_set(tmp_path: Path, name: str) -> None:
    path = write_image(tmp_path / name)
    stored = read_image(path, SHAPE, "stretch")
    np.testing.assert_array_equal(read_photo(path), stored)
    if name == "a.jpg":
        add_exif(path, 6)
    else:
        insert_chunk(path, make_chunk(b"eXIf", make_exif(6)))
    assert cv2.imread(str(path)).shape == (128, 64, 3)  # OpenCV would turn it
    np.testing.assert_array_equal(read_image(path, SHAPE, "stretch"), stored)
    # Orientation 6: the first row is seen on the right.
    np.testing.assert_array_equal(read_photo(path), np.rot90(stored, k=-1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_seen_as_its_orientation_says(tmp_path: Path, orientation: int) -> None:
    path = write_image(tmp_path / "a.png")
    stored = read_photo(path)
    insert_chunk(path, make_chunk(b"eXIf", make_exif(orientation)))
    upright = [stored, stored[:, ::-1], stored[::-1, ::-1], stored[::-1]]
    upright += [np.swapaxes(turned, 0, 1) for turned in (stored, stored[::-1], stored[::-1, ::-1], stored[:, ::-1])]
    np.testing.assert_array_equal(read_photo(path), upright[orientation - 1])


def test_an_image_that_is_missing_or_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(FileNotFoundError, match=r"a.png` must exist; see `data.root`"):
        read_image(path, (2, 4), "stretch")
    path.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a.png` must be a PNG or JPEG image; got .* begins with b'no image'"):
        read_image(path, (2, 4), "stretch")
    path.write_bytes(make_png((2, 4), zlib.compress(bytes(7))))  # of 2 * (1 + 3 * 4) bytes
    with pytest.raises(InputError, match=r"a.png` must be an image that can be decoded; got a damaged file"):
        read_image(path, (2, 4), "stretch")
    with pytest.raises(InputError, match=r"a.png` must be an image that can be decoded; got a damaged file"):
        read_photo(path)


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
