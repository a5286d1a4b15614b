"""`maskrcnn predict`: what it writes, in the pixels of the inputs, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import pytest
from PIL import Image

from maskrcnn.__main__ import main
from maskrcnn.cli import output, prediction
from maskrcnn.data.detections import ImageDetections
from maskrcnn.data.images import fit_image
from maskrcnn.inference import detect
from maskrcnn.network.facts import Facts
from maskrcnn.network.weights import load, write_weights
from maskrcnn.project.config import Model
from maskrcnn.readers import photos
from maskrcnn.results.predictions import decode_mask
from tests import tiny

ROOT = Path(__file__).parents[2]
NAMES = ("car", "person", "scooter")
SCORE = "0.2"  # an untrained network is unsure of all it finds
Entry = dict[str, Any]


def facts(fit: str) -> Facts:
    shape = Model("resnet14", 8, 16, 16, 32, 8, (8, 16, 32, 48, 64), 24, 400)
    return Facts(class_names=NAMES, image_shape=tiny.SHAPE, architecture=shape, fit=fit)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two files of the same weights: one for stretched images, one for letterboxed ones."""
    folder = tmp_path_factory.mktemp("models")
    network = tiny.make_network(seed=7)  # it finds several classes
    # Objects of many sizes that look like their proposals, and of all classes.
    network.box_head.deltas.kernel.assign(0.01 * network.box_head.deltas.kernel)
    network.box_head.logits.kernel.assign(0.1 * network.box_head.logits.kernel)
    network.mask_head.logits.bias.assign([20.0] * tiny.CLASS_COUNT)  # masks without holes
    for fit in ("stretch", "letterbox"):
        network.facts = facts(fit)
        write_weights(network, folder / f"{fit}.h5")
    return folder


@pytest.fixture(scope="module")
def network(models: Path) -> Any:
    """The network of the file, compiled once for all tests."""
    return load(models / "stretch.h5", num_proposals=40)


@pytest.fixture(autouse=True)
def _quick(network: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Spares every test the compilation, and keeps the environment as it is."""
    monkeypatch.setattr(prediction, "load", lambda _: network)
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture
def predict(models: Path, tmp_path: Path) -> Any:
    """Runs the command and returns its exit code and the folder with the results."""

    def run(*words: object, fit: str = "stretch", out: str = "out", score: object = SCORE) -> tuple[int, Path]:
        options = ("--out", tmp_path / out, "--model", models / f"{fit}.h5", "--min-score", score)
        return main(list(map(str, ("predict", *options, *words)))), tmp_path / out

    return run


def draw_photo(seed: int, height: int = 1080, width: int = 1920) -> np.ndarray:
    """Returns a photo of a scene in which the network sees something."""
    scene, _ = tiny.draw_scene(seed)
    return cv2.resize(scene, (width, height), interpolation=cv2.INTER_CUBIC)


def write_photo(path: Path, seed: int, height: int = 1080, width: int = 1920) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), draw_photo(seed, height, width)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    return path


def read_entries(out: Path) -> list[Entry]:
    entries: list[Entry] = json.loads((out / "results.json").read_text())
    return entries


def read_mask(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def check_against_detect(network: Any, image: np.ndarray, fit: str, entries: list[Entry], content: Any) -> None:
    """Compares results in the pixels of an image with what `detect` finds in the fitted image.

    Args:
        content: Height and width of the image inside the fitted one.
    """
    found = detect(network, fit_image(image, tiny.SHAPE, fit), min_confidence=float(SCORE))
    factor = np.divide(image.shape[:2], content)
    boxes = np.clip(found.boxes_px * np.tile(factor, 2), 0, np.tile(image.shape[:2], 2))
    inside = (boxes[:, 2:] - boxes[:, :2] > factor).all(axis=1)  # others may be lost or gained by rounding
    assert inside.sum() >= 3
    assert abs(len(entries) - len(found)) <= (~inside).sum()
    ours, large = {round(entry["score"], 5): entry for entry in entries}, 0
    for index in np.flatnonzero(inside):
        entry = ours[round(float(found.scores[index]), 5)]
        x, y, width, height = entry["bbox"]
        assert entry["category_id"] == found.class_ids[index]
        # Half a pixel of the network, by which its boxes were rounded, and one of the image.
        np.testing.assert_array_less(np.abs(boxes[index] - [y, x, y + height, x + width]), np.tile(factor / 2 + 1, 2))
        mask = decode_mask(entry["segmentation"]["counts"], image.shape[:2])
        content_mask = found.masks[index, : content[0], : content[1]].astype(np.uint8)
        theirs = cv2.resize(content_mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
        # They differ at their edges only, by one pixel of the network.
        reach = np.ones([2 * int(np.ceil(side)) + 1 for side in factor], np.uint8)
        assert not mask[cv2.dilate(theirs.astype(np.uint8), reach) == 0].any()
        core = cv2.erode(theirs.astype(np.uint8), reach, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
        assert mask[core].all()
        large += bool(core.any())
    assert large


def test_a_photo_in_its_own_pixels(predict: Any, network: Any, tmp_path: Path) -> None:
    path = write_photo(tmp_path / "photo.jpg", seed=3)
    code, out = predict(path)
    assert code == 0
    entries, image = read_entries(out), cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    check_against_detect(network, image, "stretch", entries, tiny.SHAPE)
    assert {entry["file_name"] for entry in entries} == {"photo.jpg"}
    assert {entry["image_id"] for entry in entries} == {0}
    assert [entry["id"] for entry in entries] == list(range(1, len(entries) + 1))
    assert all(entry["category"] == NAMES[entry["category_id"] - 1] for entry in entries)
    picture = cv2.imread(str(out / "pictures/photo.jpg"))
    assert picture.shape == image.shape and (picture != image[:, :, ::-1]).mean() > 0.1
    numbers = read_mask(out / "masks/photo.png")
    assert numbers.shape == (1080, 1920) and numbers.dtype == np.uint8
    top = decode_mask(entries[0]["segmentation"]["counts"], (1080, 1920))
    np.testing.assert_array_equal(numbers == entries[0]["mask_value"], top)  # the best one is hidden by none
    everywhere = np.any([decode_mask(entry["segmentation"]["counts"], (1080, 1920)) for entry in entries], axis=0)
    np.testing.assert_array_equal(numbers > 0, everywhere)


def test_a_letterboxed_photo_in_its_own_pixels(predict: Any, network: Any, tmp_path: Path) -> None:
    path = write_photo(tmp_path / "tall.jpg", seed=4, height=600, width=450)  # 64 x 48 of the 64 x 64
    code, out = predict(path, fit="letterbox")
    assert code == 0
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    check_against_detect(network, image, "letterbox", read_entries(out), (64, 48))


def test_a_folder_with_a_broken_and_a_rotated_file(
    predict: Any, network: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    for index in range(18):
        write_photo(folder / f"{index:02d}.jpg", seed=index, height=90 + index, width=160)
    upright = draw_photo(30, height=160, width=90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(np.rot90(upright)).save(folder / "rotated.jpg", exif=exif, quality=95)
    broken = write_photo(folder / "broken.jpg", seed=40)
    broken.write_bytes(broken.read_bytes()[:5000])
    code, out = predict(folder)
    assert code == 1
    said = capsys.readouterr()
    assert "broken.jpg` is left out: the file ends early" in said.err.replace("\n", "")
    assert said.out.startswith("19 images, ") and "1 input could not be read" in said.out
    kept = {f"{index:02d}" for index in range(18)} | {"rotated"}
    assert {path.stem for path in (out / "pictures").iterdir()} == kept
    assert {path.stem for path in (out / "masks").iterdir()} == kept
    entries = [entry for entry in read_entries(out) if entry["file_name"] == "rotated.jpg"]
    assert cv2.imread(str(out / "pictures/rotated.jpg")).shape[0] > 1500  # enlarged, as high as wide would be 900
    assert read_mask(out / "masks/rotated.png").shape == (160, 90)
    image = cv2.imread(str(folder / "rotated.jpg"), cv2.IMREAD_COLOR_RGB)
    assert np.abs(image.astype(int) - upright).mean() < 10
    check_against_detect(network, image, "stretch", entries, tiny.SHAPE)


def test_the_order_of_the_results_is_that_of_the_inputs(predict: Any, tmp_path: Path) -> None:
    for seed in range(7):  # two batches
        write_photo(tmp_path / f"{seed}.jpg", seed, 90, 160)
    (tmp_path / "note.txt").write_text("")
    _, out = predict(tmp_path / "[1-9].jpg")
    entries = read_entries(out)
    order = [(entry["image_id"], entry["file_name"]) for entry in entries]
    assert order == sorted(order) and set(order) == {(seed - 1, f"{seed}.jpg") for seed in range(1, 7)}


def write_video(path: Path, frames: int, rate: float) -> Path:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (320, 180))
    for frame in range(frames):
        video.write(draw_photo(frame % 5, 180, 320)[:, :, ::-1])
    video.release()
    return path


def test_a_video_of_three_seconds(predict: Any, network: Any, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", frames=30, rate=10)
    code, out = predict(path)
    assert code == 0
    video = cv2.VideoCapture(str(out / "pictures/clip.mp4"))
    assert [video.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT)] == [10, 30]
    assert len(list((out / "masks/clip").iterdir())) == 30
    entries = read_entries(out)
    assert {entry["frame"] for entry in entries} == set(range(30))
    assert {entry["file_name"] for entry in entries} == {"clip.avi"}
    source = cv2.VideoCapture(str(path))
    images = [cv2.cvtColor(source.read()[1], cv2.COLOR_BGR2RGB) for _ in range(30)]
    for frame in (0, 7, 29):
        own = [entry for entry in entries if entry["frame"] == frame]
        check_against_detect(network, images[frame], "stretch", own, tiny.SHAPE)
    assert not list(out.rglob("*unfinished*"))


def test_an_interrupt_finishes_what_was_read(predict: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_video = photos.read_video

    def interrupted(source: photos.Source) -> Iterator[photos.Photo | photos.Broken]:
        for photo in read_video(source):
            if isinstance(photo, photos.Photo) and photo.frame == 5:
                os.kill(os.getpid(), signal.SIGINT)
            yield photo

    monkeypatch.setattr(photos, "read_video", interrupted)
    before = signal.getsignal(signal.SIGINT)
    code, out = predict(write_video(tmp_path / "clip.avi", frames=30, rate=10))
    assert code == 0
    assert 4 <= max(entry["frame"] for entry in read_entries(out)) <= 6
    assert cv2.VideoCapture(str(out / "pictures/clip.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) in (5, 6, 7)
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_is_overwritten_unasked(predict: Any, tmp_path: Path) -> None:
    path = write_photo(tmp_path / "photo.jpg", 3, 90, 160)
    _, out = predict(path)
    for file in out.rglob("*.*"):
        file.write_text("mine")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(SystemExit, match=r"`--out` must be a new or an empty folder; got .*out, which holds .*--overw"):
        predict(path)
    assert {file.read_text() for file in out.rglob("*.*")} == {"mine"}
    code, _ = predict(path, "--overwrite")
    assert code == 0 and read_entries(out)
    assert {file.name for file in out.rglob("*.*") if file.read_bytes() == b"mine"} == {"notes.txt"}
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit, match=r"`--out` must be a folder; got the file .*file"):
        predict(path, "--overwrite", out="file")


def test_some_classes(predict: Any, tmp_path: Path) -> None:
    path = write_photo(tmp_path / "photo.jpg", 3)
    _, everything = predict(path, out="everything")
    counts = [sum(entry["category"] == name for entry in read_entries(everything)) for name in NAMES]
    kept = [name for name, count in zip(NAMES, counts, strict=True) if count][:1]
    assert sum(counts) > 0 and max(counts) < sum(counts)
    _, some = predict(path, "--classes", ",".join(kept), out="some")
    assert {entry["category"] for entry in read_entries(some)} == set(kept)
    assert read_mask(some / "masks/photo.png").max() == len(read_entries(some))
    with pytest.raises(SystemExit, match=r"`--classes` must be classes of the model; got 'cart', near to car\."):
        predict(path, "--classes", "cart", out="none")
    with pytest.raises(SystemExit, match=r"`--classes` must name some of car, .*; got none\."):
        predict(path, "--classes", " ,", out="none")


def test_what_is_written_is_chosen(predict: Any, tmp_path: Path) -> None:
    path = write_photo(tmp_path / "munster_000000_000019_leftImg8bit.png", 3, 128, 256)
    _, out = predict(path, "--write", "cityscapes")
    assert [file.name for file in out.iterdir()] == ["cityscapes"]
    lines = (out / "cityscapes/munster_000000_000019.txt").read_text().splitlines()
    assert {line.split()[1] for line in lines} <= {"26", "24"} and lines  # car and person; there is no scooter
    mask = read_mask(out / "cityscapes" / lines[0].split()[0])
    assert mask.shape == (128, 256) and set(np.unique(mask)) == {0, 255}
    with pytest.raises(SystemExit, match="`--write` must be some of pictures, masks, coco, cityscapes; got drawings"):
        predict(path, "--write", "drawings", out="none")
    with pytest.raises(SystemExit, match="must have images of different names; got munster_000000_000019 2 times"):
        write_photo(tmp_path / "b/munster_000000_000019.png", 3, 128, 256)
        predict(path, tmp_path / "b", "--write", "cityscapes", out="none")


def test_colours_of_instances_or_classes(models: Path) -> None:
    found = mock.Mock(
        class_ids=np.array([1, 1, 2]), scores=np.ones(3), boxes_px=np.zeros((3, 4), int), parts=[[]] * 3, __len__=3
    )
    found.__len__ = lambda _: 3
    colors = facts("stretch").class_colors
    drawn = [output.Style(NAMES, colors, by).describe(found) for by in (False, True)]
    assert [one.color for one in drawn[0]] == [colors[0], colors[0], colors[1]]
    assert len({one.color for one in drawn[1]}) == 3


@pytest.mark.parametrize(("count", "kind"), [(255, np.uint8), (256, np.uint16)])
def test_pixels_are_numbered_in_as_many_bits_as_needed(count: int, kind: type) -> None:
    pixels = np.linspace(0, 1, count + 1)
    boxes = np.stack([0 * pixels[:-1], pixels[:-1], 0 * pixels[1:], pixels[:-1]], axis=1).astype(np.float32)
    none = np.zeros((0, 4), np.float32)
    found = ImageDetections(boxes, np.ones(count, int), pixels[:0:-1], np.ones((count, 2, 2)), none, (1, count + 1))
    numbers = output.number_pixels(found)
    assert numbers.dtype == kind
    np.testing.assert_array_equal(numbers[0], [*range(1, count + 1), 0])


def test_a_photo_without_objects(predict: Any, tmp_path: Path) -> None:
    path = write_photo(tmp_path / "photo.jpg", 3, 90, 160)
    code, out = predict(path, score=1)
    assert code == 0 and read_entries(out) == []
    assert not read_mask(out / "masks/photo.png").any()
    assert (out / "pictures/photo.jpg").is_file()


def test_bad_words_stop_before_the_network_is_loaded(
    predict: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prediction, "load", None)
    path = write_photo(tmp_path / "photo.jpg", 3, 90, 160)
    with pytest.raises(SystemExit, match=r"none\.jpg` must exist: an image, a folder"):
        predict(tmp_path / "none.jpg")
    with pytest.raises(SystemExit, match=r"none\.h5` must exist"):
        predict(path, fit="none")
    for word, value, rule in [
        ("--min-score", "2", "must be a number from 0 to 1; got 2"),
        ("--batch-size", "0", "must be a whole number from 1; got 0"),
        ("--device", "tpu", "must be auto, cpu, gpu, or gpu with a number such as gpu:1; got tpu"),
    ]:
        with pytest.raises(SystemExit, match="2"):
            predict(path, word, value)
        assert rule in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help_answers_at_once_and_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys, maskrcnn.__main__ as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: sys.exit(any(name in sys.modules for name in ('numpy', 'pydantic', 'rich', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
    with pytest.raises(SystemExit, match="0"):
        main(["predict", "--help"])
    assert "maskrcnn predict photo.jpg\n" in capsys.readouterr().out
