"""The cache of decoded images."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from maskrcnn.data import image_cache
from maskrcnn.data.batches import Batches
from maskrcnn.data.image_cache import ImageCache, open_cache
from maskrcnn.data.images import read_image
from maskrcnn.data.records import Records, read_records, write_records
from maskrcnn.project.errors import InputError
from maskrcnn.readers.cityscapes import CITYSCAPES
from tests.tiny import MINI_MASK_SHAPE, SHAPE, draw_scene

ENTRY_BYTES = 32 + 3 * SHAPE[0] * SHAPE[1]


class Decoder:
    """`read_image` that counts its calls."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: Path, image_shape: tuple[int, int], fit: str) -> np.ndarray:
        self.count += 1
        return read_image(path, image_shape, fit)


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    counting = Decoder()
    monkeypatch.setattr(image_cache, "read_image", counting)
    return counting


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path / "cache/images")


def write_image(path: Path, seed: int = 1, shape: tuple[int, int] = (100, 120)) -> Path:
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (*shape, 3), np.uint8))
    return path


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("shape", [SHAPE, (100, 120), (30, 200)])
def test_an_image_is_decoded_once(
    fit: str, shape: tuple[int, int], cache: ImageCache, decoder: Decoder, tmp_path: Path
) -> None:
    path = write_image(tmp_path / "a.png")
    for _ in range(3):
        np.testing.assert_array_equal(cache.read(path, shape, fit), read_image(path, shape, fit), strict=True)
    assert decoder.count == 1


def test_sizes_fits_and_paths_have_entries_of_their_own(cache: ImageCache, tmp_path: Path) -> None:
    paths = [write_image(tmp_path / f"{seed}.png", seed) for seed in (1, 2)]
    images = [(path, shape, fit) for path in paths for shape in (SHAPE, (32, 96)) for fit in ("stretch", "letterbox")]
    for image in images * 2:
        np.testing.assert_array_equal(cache.read(*image), read_image(*image))
    assert len(list(cache.folder.iterdir())) == len(images)


def replace(path: Path) -> None:
    """Writes another image of the same length and keeps the modification time."""
    before = path.stat()
    write_image(path, seed=2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def append(path: Path) -> None:
    """Writes an image of another length."""
    write_image(path, seed=2, shape=(80, 120))


@pytest.mark.parametrize("change", [replace, append])
def test_a_changed_image_is_decoded_anew(
    change: Callable[[Path], None], cache: ImageCache, decoder: Decoder, tmp_path: Path
) -> None:
    path = write_image(tmp_path / "a.png")
    cache.read(path, SHAPE, "stretch")
    change(path)
    for _ in range(2):
        np.testing.assert_array_equal(cache.read(path, SHAPE, "stretch"), read_image(path, SHAPE, "stretch"))
    assert decoder.count == 2
    assert len(list(cache.folder.iterdir())) == 1


def test_changed_code_decodes_anew(
    cache: ImageCache, decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_image(tmp_path / "a.png")
    cache.read(path, SHAPE, "stretch")
    monkeypatch.setattr(image_cache, "MAKER", "another version")
    cache.read(path, SHAPE, "stretch")
    assert decoder.count == 2


@pytest.mark.parametrize("length", [0, 20, 32, ENTRY_BYTES - 1, ENTRY_BYTES + 1])
def test_an_entry_of_another_length_is_made_anew(
    length: int, cache: ImageCache, decoder: Decoder, tmp_path: Path
) -> None:
    path = write_image(tmp_path / "a.png")
    expected = cache.read(path, SHAPE, "stretch")
    (entry,) = cache.folder.iterdir()
    os.truncate(entry, length)
    for _ in range(2):
        np.testing.assert_array_equal(cache.read(path, SHAPE, "stretch"), expected)
    assert decoder.count == 2
    assert entry.stat().st_size == ENTRY_BYTES


def test_an_interrupted_write_leaves_no_entry(
    cache: ImageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unwritable(np.ndarray):
        def tofile(self, *_: object) -> None:
            raise OSError("No space left on device")

    path = write_image(tmp_path / "a.png")
    monkeypatch.setattr(image_cache, "read_image", lambda *image: read_image(*image).view(Unwritable))
    with pytest.raises(InputError, match=r"\.raw` must have .* MB of disk space"):
        cache.read(path, SHAPE, "stretch")
    assert list(cache.folder.iterdir()) == []


def test_threads_may_want_the_same_image_at_once(cache: ImageCache, tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", shape=(600, 800))
    expected = read_image(path, (600, 800), "stretch")
    with ThreadPoolExecutor(8) as pool:
        for image in pool.map(lambda _: cache.read(path, (600, 800), "stretch"), range(24)):
            np.testing.assert_array_equal(image, expected)


def test_errors_are_those_of_the_image(cache: ImageCache, tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png")
    cache.read(path, SHAPE, "stretch")
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"a\.png` must be a PNG or JPEG image; got"):
        cache.read(path, SHAPE, "stretch")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.png` must exist; see `data\.root`"):
        cache.read(path, SHAPE, "stretch")


@pytest.fixture
def split(tmp_path: Path) -> Records:
    """Four scenes and their images."""
    scenes = [draw_scene(seed) for seed in range(4)]
    for image, record in scenes:
        cv2.imwrite(str(tmp_path / record.image_path), image)
    records = [record for _, record in scenes]
    write_records(tmp_path / "split.npz", records, SHAPE, MINI_MASK_SHAPE, "stretch", CITYSCAPES)
    return read_records(tmp_path / "split.npz")


class Usage(NamedTuple):
    """What `shutil.disk_usage` returns, in part."""

    free: int


@pytest.mark.parametrize(("kept", "missing"), [(0, 4), (3, 1)])
def test_the_size_is_told_beforehand_and_must_fit_on_the_disk(
    kept: int,
    missing: int,
    split: Records,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "cache"
    for index in range(kept):
        ImageCache(folder).read(tmp_path / split.image_path(index), SHAPE, "stretch")
    needed = missing * ENTRY_BYTES
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(needed))
    # A second split of the same images takes no more space.
    cache = open_cache(folder, tmp_path, [split, split])
    told = capsys.readouterr().out
    assert f"cache` will grow by {needed / 1e9:.3g} GB for {missing} decoded images" in told
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(needed - 1))
    with pytest.raises(InputError, match=rf"cache` must have .* GB of disk space for {missing} decoded images; got"):
        open_cache(folder, tmp_path, [split])
    for index in range(len(split)):
        cache.read(tmp_path / split.image_path(index), SHAPE, "stretch")
    open_cache(folder, tmp_path, [split])
    assert capsys.readouterr().out == ""


def test_batches_are_the_same_with_a_cache(split: Records, tmp_path: Path, decoder: Decoder) -> None:
    arguments = {"batch_size": 2, "instance_cap": 4, "steps": 6, "seed": 1, "augment": {"flip": 0.5, "crop": 0.2}}
    plain = Batches(split, tmp_path, **arguments)
    cached = Batches(split, tmp_path, cache=open_cache(tmp_path / "cache", tmp_path, [split]), workers=1, **arguments)
    for index in range(6):
        for key, values in plain[index][0].items():
            np.testing.assert_array_equal(cached[index][0][key], values, strict=True, err_msg=key)
    assert decoder.count == len(split)
