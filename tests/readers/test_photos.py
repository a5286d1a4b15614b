"""Photos as people have them: files, folders, patterns and videos, some of them rotated or damaged."""

import re
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import pytest
from PIL import Image

from maskrcnn.readers.photos import Broken, Photo, Source, count_photos, find_sources, read_photos

RED, BLUE = (230, 20, 20), (20, 20, 230)


def write_photo(path: Path, height: int = 40, width: int = 60, orientation: int | None = None) -> Path:
    """Writes an image whose left half is red and whose right half is blue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width, 3), BLUE, np.uint8)
    pixels[:, : width // 2] = RED
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def write_video(path: Path, frames: int = 12, rate: float = 4, codec: str = "MJPG") -> Path:
    """Writes a video whose frames get brighter."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (64, 48))
    for frame in range(frames):
        video.write(np.full((48, 64, 3), 10 * frame, np.uint8))
    video.release()
    return path


def read(*paths: Path) -> list[Photo | Broken]:
    return list(read_photos(find_sources(list(map(str, paths))), 2, Event()))


def read_one(path: Path) -> np.ndarray:
    (photo,) = read(path)
    assert isinstance(photo, Photo)
    return photo.image


def names(sources: list[Source]) -> list[str]:
    return [source.name for source in sources]


def test_a_folder_is_searched_with_its_folders(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/c.png", "a/d.jpeg"):
        write_photo(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    sources = find_sources([str(tmp_path)])
    assert names(sources) == ["a/c", "a/d", "b"]
    assert [source.file_name for source in sources] == ["a/c.png", "a/d.jpeg", "b.JPG"]


def test_the_folder_of_results_is_not_searched(tmp_path: Path) -> None:
    for name in ("a.png", "found/pictures/a.jpg"):
        write_photo(tmp_path / name)
    assert names(find_sources([str(tmp_path)], excluded=tmp_path / "found")) == ["a"]


def test_a_pattern_in_the_order_of_its_names_and_every_file_once(tmp_path: Path) -> None:
    paths = [write_photo(tmp_path / f"{name}.png") for name in ("b", "a", "c")]
    (tmp_path / "d.png").mkdir()
    pattern = str(tmp_path / "*.png")
    assert names(find_sources([pattern])) == ["a", "b", "c"]
    assert names(find_sources([str(paths[2]), pattern, str(tmp_path / "a.png")])) == ["c", "a", "b"]


def test_equal_names_are_numbered(tmp_path: Path) -> None:
    paths = [write_photo(tmp_path / name) for name in ("x/a.png", "x/a.jpg", "y/a.jpg")]
    assert names(find_sources(list(map(str, paths)))) == ["a", "a_2", "a_3"]


def test_a_file_whose_name_is_also_a_pattern(tmp_path: Path) -> None:
    assert names(find_sources([str(write_photo(tmp_path / "a[1].png"))])) == ["a[1]"]


def test_what_does_not_exist(tmp_path: Path) -> None:
    for word in ("none.jpg", "*.jpg"):
        with pytest.raises(FileNotFoundError, match=re.escape(f"{word}` must exist: an image, a folder")):
            find_sources([str(tmp_path / word)])
    with pytest.raises(ValueError, match=r"must hold images or videos; got none with \.avi"):
        find_sources([str(tmp_path)])
    with pytest.raises(
        ValueError, match=r"`INPUT` must name a camera by its number, such as camera:0; got camera:front"
    ):
        find_sources(["camera:front"])


@pytest.mark.parametrize(
    ("orientation", "shape", "red"),
    [(None, (40, 60), "left"), (3, (40, 60), "right"), (6, (60, 40), "top"), (8, (60, 40), "bottom")],
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int | None, shape: tuple[int, int], red: str) -> None:
    image = read_one(write_photo(tmp_path / "a.jpg", orientation=orientation))
    assert image.shape == (*shape, 3)
    place = {"left": np.s_[20, 5], "right": np.s_[20, 55], "top": np.s_[5, 20], "bottom": np.s_[55, 20]}[red]
    assert np.abs(image[place].astype(int) - RED).max() < 30


def test_grey_transparent_and_deep_images_become_three_channels_of_eight_bits(tmp_path: Path) -> None:
    deep = np.full((4, 6), 65535, np.uint16)
    for name, pixels in (("grey", deep.astype(np.uint8)), ("deep", deep), ("alpha", np.full((4, 6, 4), 255, np.uint8))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
        image = read_one(tmp_path / f"{name}.png")
        assert image.shape == (4, 6, 3) and image.dtype == np.uint8 and (image == 255).all()


@pytest.mark.parametrize(
    ("name", "kept", "fault"),
    [("a.jpg", 0.5, "ends early"), ("a.png", 0.8, "ends early"), ("a.jpg", 0, "cannot be decoded")],
)
def test_a_damaged_image_is_named_and_the_rest_follows(tmp_path: Path, name: str, kept: float, fault: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    path, whole = tmp_path / name, write_photo(tmp_path / "whole.png")
    cv2.imwrite(str(path), noise)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    broken, photo = read(path, whole)
    assert isinstance(broken, Broken) and broken.source.path == path and re.search(fault, broken.fault)
    assert isinstance(photo, Photo)


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "MJPG"), ("a.mp4", "mp4v")])
def test_the_frames_of_a_video(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, codec=codec)
    photos = [photo for photo in read(path) if isinstance(photo, Photo)]
    assert [photo.frame for photo in photos] == list(range(12))
    assert {photo.frame_rate for photo in photos} == {4.0}
    brightness = [photo.image.mean() for photo in photos]
    np.testing.assert_allclose(brightness, 10 * np.arange(12), atol=4)
    assert count_photos(find_sources([str(path)])) == 12


def test_a_damaged_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    (broken,) = read(tmp_path / "a.mp4")
    assert isinstance(broken, Broken) and broken.fault == "it cannot be decoded as a video"


def test_a_camera_has_no_end_and_one_that_is_absent_is_broken() -> None:
    sources = find_sources(["camera:99"])
    assert sources[0].name == "camera_99" and sources[0].is_video
    assert count_photos(sources) is None
    (broken,) = read_photos(sources, 1, Event())
    assert isinstance(broken, Broken) and broken.fault == "no camera answers"


def test_nothing_is_read_after_the_stop(tmp_path: Path) -> None:
    stopped = Event()
    sources = find_sources([str(write_video(tmp_path / "a.avi")), str(write_photo(tmp_path / "b.png"))])
    photos = read_photos(sources, 2, stopped)
    next(photos)
    stopped.set()
    assert not list(photos)
