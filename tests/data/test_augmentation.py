"""Augmentation: what it draws, what it does to the pixels, and that the truth is moved as they are."""

import re

import cv2
import numpy as np
import pytest
from imgaug import augmenters as iaa

from maskrcnn.data import augmentation
from maskrcnn.data.augmentation import AUGMENTATIONS, Augmentation, build_chain, check_strengths, look, make_augmenter
from maskrcnn.data.records import Record
from maskrcnn.data.views import flip_truth, stretch_boxes
from maskrcnn.project.errors import InputError
from tests.data.scenes import HEIGHT, SHAPE, WIDTH, crop, draw_map, make_record, overlaps, paint, rebuild, same

# imgaug makes whole numbers of arrays of one number.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0:DeprecationWarning:imgaug")

WHOLE = np.array([0, 0, HEIGHT, WIDTH])
EVERYTHING = {"flip": 0.5, "crop": 0.3, "scale": 0.4, "color": 0.2, "blur": 1.0}


@pytest.mark.parametrize(
    ("strengths", "least"),
    [
        ({"flip": 0.5}, 0.99),
        ({"crop": 0.2}, 0.9),
        ({"scale": 0.4}, 0.85),
        ({"flip": 0.5, "crop": 0.2}, 0.85),
        # A scale after a crop cuts within pixels of the original, which thin pieces feel most.
        ({"crop": 0.4, "scale": 0.5}, 0.8),
        (EVERYTHING, 0.7),
    ],
    ids=str,
)
def test_truth_lies_where_the_pixels_went(strengths: dict[str, float], least: float) -> None:
    found = np.array(overlaps_with_pixels(strengths))
    assert found.min() > least
    assert found.mean() > 0.93
    assert len(found) > 30


def overlaps_with_pixels(strengths: dict[str, float]) -> list[float]:
    """Returns the IoU of the moved mask and the moved pixels, of each instance that stays large enough."""
    augment, found = make_augmenter(strengths), []
    for seed in range(12):
        instance_map = draw_map(seed)
        for number in range(1, instance_map.max() + 1):  # an image of one instance, for colours mix at borders
            single = np.where(instance_map == number, instance_map, 0)
            white = np.repeat((single > 0)[..., None] * np.uint8(255), 3, axis=2)
            image, record = augment(white, make_record(single), np.random.default_rng(seed))
            if (shown := image[..., 0] > 127).sum() > 100:
                found += overlaps(rebuild(record), shown[None]).tolist()
    return found


@pytest.mark.parametrize("name", ["color", "blur"])
def test_color_and_blur_change_the_pixels_alone(name: str) -> None:
    instance_map = draw_map(3)
    image, record = paint(instance_map), make_record(instance_map)
    augment = make_augmenter({name: 1.0})
    changed = 0
    for seed in range(12):
        moved, truth = augment(image, record, np.random.default_rng(seed))
        changed += not np.array_equal(moved, image)
        assert same(truth, record)
    assert changed >= 6  # a small sigma does nothing


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_strength_0_changes_nothing(name: str) -> None:
    image, record = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8), make_record(draw_map(3))
    for seed in range(8):
        moved, truth = make_augmenter({name: 0.0})(image, record, np.random.default_rng(seed))
        np.testing.assert_array_equal(moved, image)
        assert same(truth, record)


def test_the_view_of_a_known_crop_and_flip() -> None:
    image = paint(draw_map(0))
    chain = iaa.Sequential([iaa.Crop(px=(3, 5, 7, 9)), iaa.Fliplr(1.0)])  # top, right, bottom, left
    moved, view = look(chain, image)
    assert view.window.tolist() == view.shown.tolist() == [3, 9, HEIGHT - 7, WIDTH - 5]
    assert view.mirrored
    assert moved.shape == image.shape


def test_of_a_flip_before_the_crop_the_window_is_that_of_the_image() -> None:
    chain = iaa.Sequential([iaa.Fliplr(1.0), iaa.Crop(px=(3, 5, 7, 9))])
    assert look(chain, paint(draw_map(0)))[1].window.tolist() == [3, 5, HEIGHT - 7, WIDTH - 9]


def test_what_a_crop_took_does_not_come_back_when_the_image_shrinks() -> None:
    # The crop leaves half of the columns, stretched to 96; 24 black ones beside them are 12 of the original.
    chain = [iaa.Crop(px=(0, 0, 0, 48)), iaa.Pad(px=(0, 0, 0, 24))]
    moved, view = look(chain, np.full((*SHAPE, 3), 255, np.uint8))
    assert view.window.tolist() == [0, 36, HEIGHT, WIDTH]
    assert view.shown.tolist() == [0, 48, HEIGHT, WIDTH]
    assert moved[0, :15].max() == 0


def test_the_second_window_may_begin_within_a_pixel_of_the_original() -> None:
    # The first crop leaves 64 of 96 columns, 1.5 times as wide; one of the new columns is 2/3 of an old one.
    chain = [iaa.Crop(px=(0, 0, 0, 32)), iaa.Crop(px=(0, 0, 0, 1))]
    view = look(chain, paint(draw_map(0)))[1]
    assert view.window.tolist() == [0, 32.67, HEIGHT, WIDTH]
    assert view.shown.tolist() == [0, 33, HEIGHT, WIDTH]  # the centre of column 32 is cut off


def test_flip_and_crop_draw_what_they_drew_in_2021() -> None:
    """The numbers were recorded before strengths became hyperparameters: window and mirror of 12 images."""
    recorded = {
        ("flip",): [(0, 0, 64, 96, seed in {3, 4, 5, 8, 9, 11}) for seed in range(12)],
        ("crop",): [
            *[(0, 0, 64, 96, False)] * 3,
            (3, 10, 53, 89, False),
            (10, 7, 56, 79, False),
            (2, 5, 59, 87, False),
            *[(0, 0, 64, 96, False)] * 2,
            (6, 4, 62, 83, False),
            (6, 11, 62, 78, False),
            (0, 0, 64, 96, False),
            (10, 7, 63, 81, False),
        ],
        ("flip", "crop"): [
            (6, 15, 59, 90, False),
            (0, 0, 64, 96, False),
            (8, 9, 58, 83, False),
            (0, 0, 64, 96, True),
            (10, 17, 56, 79, True),
            (0, 0, 64, 96, True),
            (2, 6, 60, 93, False),
            (0, 0, 64, 96, False),
            (0, 7, 60, 91, True),
            (3, 1, 64, 83, True),
            (0, 0, 64, 96, False),
            (5, 3, 58, 95, True),
        ],
    }
    image, record = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8), make_record(draw_map(3))
    for names, views in recorded.items():
        augment = make_augmenter({name: {"flip": 0.5, "crop": 0.2}[name] for name in names})
        for seed, (y1, x1, y2, x2, mirrored) in enumerate(views):
            moved, truth = augment(image, record, np.random.default_rng(seed))
            direction = -1 if mirrored else 1
            # Mirrored before it was cropped: the window is counted in the original.
            window = np.ascontiguousarray(image[y1:y2, x1:x2][:, ::direction])
            np.testing.assert_array_equal(moved, cv2.resize(window, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
            expected = crop(record, np.array([y1, x1, y2, x2]))
            assert same(truth, flip_truth(expected, WIDTH) if mirrored else expected)


def test_augmentations_happen_as_often_as_they_should() -> None:
    # 400 draws: half is 200 +- 10, so five deviations are 50; a fifth is 80 +- 8
    image, record = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8), make_record(draw_map(0))

    def count(strengths: dict[str, float]) -> int:
        dice, augment = np.random.default_rng(1), make_augmenter(strengths)
        return sum(not np.array_equal(augment(image, record, dice)[0], image) for _ in range(400))

    assert 150 < count({"flip": 0.5}) < 250
    assert 40 < count({"flip": 0.2}) < 120
    assert 150 < count({"crop": 0.2}) < 250
    assert count({"flip": 1.0}) == 400


def draw_windows(strengths: dict[str, float], count: int) -> np.ndarray:
    """Returns the windows of many images, as shares of the sides: 0 and 1 are the borders of the image."""
    chain, windows = build_chain(strengths), []
    for seed in range(count):
        chain.seed_(seed)
        windows.append(look(chain, paint(draw_map(0)))[1].window)
    return np.array(windows) / np.tile(SHAPE, 2)


def test_sides_are_cropped_each_by_its_own_share() -> None:
    off = np.abs(draw_windows({"crop": 0.2}, 300) - (0, 0, 1, 1))
    off = off[off.any(axis=1)]
    assert off.max() <= 0.2 + 0.5 / HEIGHT  # whole pixels
    assert off.max(axis=0).min() > 0.18
    assert np.abs(np.corrcoef(off.T) - np.eye(4)).max() < 0.4


def test_the_zoom_keeps_the_centre_and_its_range() -> None:
    windows = draw_windows({"scale": 0.25}, 200)
    np.testing.assert_allclose(windows[:, :2] + windows[:, 2:], 1, atol=1e-9)
    high, wide = (1 / (windows[:, 2:] - windows[:, :2])).T
    # Half a pixel on each side changes a zoom z by z**2 / side.
    np.testing.assert_allclose(high, wide, atol=1.25**2 * (1 / HEIGHT + 1 / WIDTH))
    # 64 / 1.25 = 51.2 and 64 / 0.75 = 85.3 rows: from 6 rows less to 11 rows more on each side, nothing left out
    assert sorted(set(np.rint(HEIGHT / high).astype(int))) == list(range(HEIGHT - 12, HEIGHT + 23, 2))


def test_what_lies_outside_the_image_is_black() -> None:
    chain = build_chain({"scale": 0.5})
    chain.seed_(4)
    moved, view = look(chain, np.full((*SHAPE, 3), 200, np.uint8))
    y1, x1, y2, x2 = stretch_boxes(WHOLE[None], view.window, SHAPE)[0]
    assert 0 < y1 < y2 < HEIGHT and 0 < x1 < x2 < WIDTH
    assert (moved[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] == 200).all()
    assert moved[: y1 - 1].max() == moved[y2 + 1 :].max() == moved[:, : x1 - 1].max() == moved[:, x2 + 1 :].max() == 0


def test_channels_are_multiplied_each_by_its_own_factor() -> None:
    grey, record = np.full((*SHAPE, 3), 100, np.uint8), make_record(draw_map(0))
    augment = make_augmenter({"color": 0.1})
    factors = np.array([augment(grey, record, np.random.default_rng(seed))[0][0, 0] for seed in range(100)]) / 100
    assert 0.9 <= factors.min() < 0.92
    assert 1.08 < factors.max() <= 1.1
    assert np.abs(np.corrcoef(factors.T) - np.eye(3)).max() < 0.5


def test_the_blur_is_a_gaussian_of_at_most_its_sigma() -> None:
    point = np.zeros((*SHAPE, 3), np.uint8)
    point[32, 48] = 255
    augment, record = make_augmenter({"blur": 1.0}), make_record(draw_map(0))
    peaks = [augment(point, record, np.random.default_rng(seed))[0].max() for seed in range(60)]
    # 1 / (2 pi sigma**2) of the light stays in the middle: 255 * 0.159 = 41 at sigma 1
    assert 36 < min(peaks) < 60
    assert max(peaks) == 255


def test_the_generator_decides_everything() -> None:
    instance_map = draw_map(3)
    image, record = paint(instance_map), make_record(instance_map)
    augment = make_augmenter(EVERYTHING)

    def draw(seed: int) -> tuple[np.ndarray, Record]:
        return augment(image, record, np.random.default_rng(seed))

    first = [draw(seed) for seed in range(8)]
    for seed in (5, 2, 7):  # in another order, with other draws between
        again = draw(seed)
        np.testing.assert_array_equal(again[0], first[seed][0])
        assert same(again[1], first[seed][1])
    assert len({moved.tobytes() for moved, _ in first}) > 4
    np.testing.assert_array_equal(image, paint(instance_map))
    assert same(record, make_record(instance_map))


def test_the_order_of_the_mapping_changes_nothing() -> None:
    image, record = paint(draw_map(3)), make_record(draw_map(3))
    forward, backward = (make_augmenter(dict(order)) for order in (EVERYTHING.items(), [*EVERYTHING.items()][::-1]))
    for seed in range(4):
        moved, again = (augment(image, record, np.random.default_rng(seed)) for augment in (forward, backward))
        np.testing.assert_array_equal(moved[0], again[0])
        assert same(moved[1], again[1])


def test_another_augmentation_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shift = Augmentation(lambda iaa, pixels: iaa.TranslateX(px=(-int(pixels), int(pixels))), 50.0)
    monkeypatch.setattr(augmentation, "AUGMENTATIONS", {"shift": shift, **AUGMENTATIONS})
    assert min(overlaps_with_pixels({"shift": 20.0})) > 0.99
    assert np.mean(overlaps_with_pixels({"shift": 20.0, "flip": 0.5, "scale": 0.3})) > 0.93
    with pytest.raises(InputError, match=r"`augment\.shift` must lie within \[0, 50\]; got 51\."):
        make_augmenter({"shift": 51.0})


@pytest.mark.parametrize(
    "augmenter",
    [
        iaa.Rotate(10),
        iaa.Rotate(180),
        iaa.ShearX(10),
        iaa.Flipud(1.0),
        iaa.PerspectiveTransform(0.1, seed=1),
        iaa.Crop(px=4, keep_size=False),
    ],
    ids=lambda augmenter: type(augmenter).__name__,
)
def test_refuses_what_the_truth_cannot_follow(augmenter: iaa.Augmenter) -> None:
    name = type(augmenter).__name__
    with pytest.raises(InputError, match=rf"`augment` must keep the image's size, rows and columns.*; got .*{name}"):
        look([augmenter], paint(draw_map(0)))


@pytest.mark.parametrize("unknown", [["zoom"], ["flip", "zoom", "gray"]])
def test_refuses_unknown_names(unknown: list[str]) -> None:
    got = ", ".join(sorted({*unknown} - {"flip"}))
    with pytest.raises(InputError, match=f"`augment` must name some of flip, crop, scale, color, blur; got {got}"):
        make_augmenter(dict.fromkeys(unknown, 0.1))


@pytest.mark.parametrize(
    ("name", "strength", "rule"),
    [
        ("flip", 1.1, "[0, 1]; got 1.1."),
        ("flip", -0.1, "[0, 1]; got -0.1."),
        ("crop", 0.5, "[0, 0.5); got 0.5."),
        ("scale", 0.51, "[0, 0.5]; got 0.51."),
        ("color", 2.0, "[0, 1]; got 2."),
        ("blur", 10.5, "[0, 10]; got 10.5."),
        ("blur", float("nan"), "[0, 10]; got nan."),
    ],
)
def test_refuses_strengths_out_of_range(name: str, strength: float, rule: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(f'`augment.{name}` must lie within {rule}')}$"):
        make_augmenter({"flip": 0.5, name: strength})
    with pytest.raises(InputError, match=re.escape(f"`variants.mine.augment.{name}` must lie within {rule}")):
        check_strengths({name: strength}, "variants.mine.augment")


@pytest.mark.parametrize(("name", "strength"), [("flip", 1.0), ("crop", 0.49), ("scale", 0.5), ("color", 1.0)])
def test_the_ends_of_the_ranges_work(name: str, strength: float) -> None:
    augment, record = make_augmenter({name: strength}), make_record(draw_map(3))
    for seed in range(20):
        moved, truth = augment(paint(draw_map(3)), record, np.random.default_rng(seed))
        assert moved.shape == (*SHAPE, 3)
        assert len(truth.boxes) + truth.dropped - record.dropped >= len(record.boxes) - record.is_crowd.sum()
