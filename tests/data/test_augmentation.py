"""Augmentation: the truth goes where the pixels go."""

import re
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imgaug import augmenters as iaa

from maskrcnn.data.augmentation import (
    View,
    build_chain,
    crop_truth,
    flip_truth,
    look,
    make_augmenter,
    move_truth,
    stretch_boxes,
)
from maskrcnn.data.mini_masks import crop_masks, extract_boxes, paste_masks
from maskrcnn.data.records import Record

# imgaug makes whole numbers of arrays of one number.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0:DeprecationWarning:imgaug")

SHAPE = HEIGHT, WIDTH = 64, 96
WHOLE = np.array([0, 0, HEIGHT, WIDTH])


def draw_map(seed: int) -> np.ndarray:
    """Returns a map of up to eight ellipses, later ones before earlier ones, numbered from 1."""
    dice = np.random.default_rng(seed)
    instance_map = np.zeros(SHAPE, np.uint16)
    for number in range(1, dice.integers(0, 9) + 1):
        center, axes = dice.integers(0, (WIDTH, HEIGHT)), dice.integers(2, 25, 2)
        cv2.ellipse(instance_map, center.tolist(), axes.tolist(), dice.integers(180), 0, 360, number, -1)
    return instance_map


def make_record(instance_map: np.ndarray) -> Record:
    """Returns the record of a map; the class of an instance is its number, and every third is a crowd."""
    numbers = np.setdiff1d(instance_map, [0]).astype(np.int32)
    boxes = extract_boxes(instance_map, numbers)
    return Record(
        name="scene",
        image_path="scene.png",
        boxes=boxes,
        class_ids=numbers,
        is_crowd=numbers % 3 == 0,
        areas=np.array([np.count_nonzero(instance_map == number) for number in numbers], np.int32),
        mini_masks=crop_masks(instance_map, numbers, boxes, (56, 56)),
        instance_ids=1000 * numbers,
        dropped=2,
        instance_png=np.empty(0, np.uint8),
    )


def same(record: Record, other: Record) -> bool:
    return all(np.array_equal(getattr(record, part.name), getattr(other, part.name)) for part in fields(Record))


def paint(instance_map: np.ndarray) -> np.ndarray:
    """Returns an image in which every instance has the grey of its number."""
    return np.repeat(instance_map[..., None].astype(np.uint8) * 20, 3, axis=2)


scenes = st.integers(0, 2**32 - 1).map(draw_map)
sides = st.tuples(*[st.integers(0, length // 3) for length in (*SHAPE, *SHAPE)])
windows = sides.map(lambda off: np.array([off[0], off[1], HEIGHT - off[2], WIDTH - off[3]]))


def stretch_map(instance_map: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Crops and stretches a map; every new pixel shows what lies at its centre."""
    y1, x1, y2, x2 = window
    rows = y1 + (2 * np.arange(HEIGHT) + 1) * (y2 - y1) // (2 * HEIGHT)
    columns = x1 + (2 * np.arange(WIDTH) + 1) * (x2 - x1) // (2 * WIDTH)
    return instance_map[rows][:, columns]


def rebuild(record: Record) -> np.ndarray:
    return paste_masks(record.mini_masks, record.boxes, SHAPE)


def overlaps(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the IoU of each pair."""
    return (masks & others).sum(axis=(1, 2)) / (masks | others).sum(axis=(1, 2))


def test_a_flipped_box_by_hand():
    # columns 3 to 9 of 96: what was 3 pixels from the left is now 3 from the right; 96 - 9 = 87, 96 - 3 = 93
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[10:20, 3:9] = 7
    instance_map[10:15, 3:6] = 0
    record = flip_truth(make_record(instance_map), WIDTH)
    assert record.boxes.tolist() == [[10, 87, 20, 93]]
    np.testing.assert_array_equal(rebuild(record)[0], instance_map[:, ::-1] == 7)


@given(scenes)
def test_flipping_twice_changes_nothing(instance_map: np.ndarray):
    record = make_record(instance_map)
    assert same(flip_truth(flip_truth(record, WIDTH), WIDTH), record)


@given(scenes)
def test_flipped_truth_is_the_truth_of_the_flipped_image(instance_map: np.ndarray):
    record, expected = (make_record(one) for one in (instance_map, np.ascontiguousarray(instance_map[:, ::-1])))
    flipped = flip_truth(record, WIDTH)
    np.testing.assert_array_equal(flipped.boxes, expected.boxes)
    # Where a resized mask is 0.5 up to its last bit, a mirrored sum may round to the other side.
    assert (flipped.mini_masks != expected.mini_masks).mean(axis=(1, 2)).max(initial=0) < 0.02
    assert overlaps(rebuild(flipped), rebuild(record)[:, :, ::-1]).min(initial=1) > 0.98


@given(scenes)
def test_cropping_nothing_changes_nothing(instance_map: np.ndarray):
    record = make_record(instance_map)
    assert same(crop_truth(record, WHOLE, SHAPE), record)


def test_a_cropped_box_by_hand():
    # Window rows 16 to 48, columns 0 to 48: half of each side, so all is twice as large.
    # A rectangle of rows 10 to 20 loses 6: 4 rows from 0, times 2: 0 to 8. Columns 30 to 40 become 60 to 80.
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[10:20, 30:40] = 1
    record = crop_truth(make_record(instance_map), np.array([16, 0, 48, 48]), SHAPE)
    assert record.boxes.tolist() == [[0, 60, 8, 80]]
    assert record.areas.tolist() == [8 * 20]
    assert record.mini_masks.all()


@given(scenes, windows)
def test_whole_instances_have_the_boxes_of_the_stretched_map(instance_map: np.ndarray, window: np.ndarray):
    record, stretched = make_record(instance_map), stretch_map(instance_map, window)
    inside = (record.boxes[:, :2] >= window[:2]).all(axis=1) & (record.boxes[:, 2:] <= window[2:]).all(axis=1)
    cropped = crop_truth(record, window, SHAPE)
    kept = np.isin(cropped.class_ids, record.class_ids[inside])
    np.testing.assert_array_equal(cropped.class_ids[kept], record.class_ids[inside])
    np.testing.assert_array_equal(cropped.boxes[kept], extract_boxes(stretched, record.class_ids[inside]))
    np.testing.assert_array_equal(cropped.mini_masks[kept], record.mini_masks[inside])


@given(scenes, windows)
def test_cropped_truth_is_the_truth_of_the_cropped_image(instance_map: np.ndarray, window: np.ndarray):
    # Mini-masks are smooth and stretched maps have steps: 99 % of these pairs exceed 0.9, thin ones reach 0.8.
    stretched = stretch_map(instance_map, window)
    cropped = crop_truth(make_record(instance_map), window, SHAPE)
    numbers, areas = np.unique(stretched[stretched > 0], return_counts=True)
    assert set(numbers[areas > 50]) <= set(cropped.class_ids) <= set(instance_map.flat)
    shown = stretched == cropped.class_ids[:, None, None]
    large = shown.sum(axis=(1, 2)) > 200
    assert overlaps(rebuild(cropped)[large], shown[large]).min(initial=1) > 0.7


@given(scenes, windows, st.booleans())
def test_moved_truth_is_well_formed(instance_map: np.ndarray, window: np.ndarray, mirrored: bool):
    record = make_record(instance_map)
    moved = move_truth(record, View(window, mirrored), SHAPE)
    count = len(moved.boxes)
    kept = np.isin(record.class_ids, moved.class_ids)
    np.testing.assert_array_equal(moved.class_ids, record.class_ids[kept])
    np.testing.assert_array_equal(moved.is_crowd, record.is_crowd[kept])
    np.testing.assert_array_equal(moved.instance_ids, record.instance_ids[kept])
    assert moved.dropped == record.dropped + np.sum(~kept & ~record.is_crowd)
    assert {field.name: getattr(moved, field.name).dtype for field in fields(Record)[2:8]} == {
        field.name: getattr(record, field.name).dtype for field in fields(Record)[2:8]
    }
    assert (moved.boxes[:, :2] >= 0).all() and (moved.boxes[:, 2:] <= SHAPE).all()
    assert (moved.boxes[:, :2] < moved.boxes[:, 2:]).all() and (moved.areas > 0).all()
    assert moved.mini_masks.any(axis=1).any(axis=1).sum() == count


@given(scenes, windows)
def test_boxes_are_tight_around_what_the_window_cuts(instance_map: np.ndarray, window: np.ndarray):
    record = make_record(instance_map)
    y1, x1, y2, x2 = window.tolist()
    cropped = crop_truth(record, window, (y2 - y1, x2 - x1))  # not stretched
    for box, class_id, area in zip(cropped.boxes, cropped.class_ids, cropped.areas, strict=True):
        (index,) = np.flatnonzero(record.class_ids == class_id)
        if (box + window[[0, 1, 0, 1]] != record.boxes[index]).any():
            seen = np.ascontiguousarray(rebuild(record)[index, y1:y2, x1:x2])
            np.testing.assert_array_equal([box], extract_boxes(seen.astype(np.uint16), np.array([1])))
            assert area == seen.sum()


def test_what_leaves_the_window_is_dropped():
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[:, :10], instance_map[:, 10:20], instance_map[:, 50:60] = 2, 3, 4
    record = make_record(instance_map)
    cropped = crop_truth(record, np.array([0, 20, HEIGHT, WIDTH]), SHAPE)
    assert cropped.class_ids.tolist() == [4]
    assert cropped.dropped == record.dropped + 1  # the other is a crowd, and no instance


def test_a_hollow_instance_whose_pixels_leave_is_dropped():
    # An L of column 10 and row 50: the window starts right of the one and ends above the other.
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[8:56, 8:14] = instance_map[50:56, 8:80] = 5
    assert not len(crop_truth(make_record(instance_map), np.array([0, 20, 44, WIDTH]), SHAPE).boxes)


def test_an_image_without_instances_stays_without():
    record = make_record(np.zeros(SHAPE, np.uint16))
    moved = move_truth(record, View(np.array([5, 5, 40, 60]), True), SHAPE)
    assert moved.boxes.shape == (0, 4)
    assert moved.mini_masks.shape == record.mini_masks.shape


def test_a_kept_map_would_be_wrong_and_goes():
    record = replace(make_record(draw_map(1)), instance_png=np.ones(3, np.uint8))
    assert not len(flip_truth(record, WIDTH).instance_png)
    assert not len(crop_truth(record, WHOLE, SHAPE).instance_png)


@given(st.data())
def test_stretched_boxes_hold_the_pixels_whose_centres_they_hold(data: st.DataObject):
    length = 200
    side = data.draw(st.integers(1, length))
    start = data.draw(st.integers(0, side - 1))
    stop = data.draw(st.integers(start + 1, side))
    stretched = stretch_boxes(np.array([[start, 3, stop, 4]]), np.array([0, 0, side, 10]), (length, 10))
    shown = [i for i in range(length) if start * length <= (i + 0.5) * side < stop * length]
    assert stretched.tolist() == [[shown[0], 3, shown[-1] + 1, 4]]


def test_a_centre_on_the_border_belongs_to_what_begins_there():
    # 2 pixels become 3. The centre of the middle one, 1.5 * 2/3 = 1, lies where the second of the 2 begins.
    boxes = np.array([[0, 0, 1, 1], [1, 0, 2, 1]])
    assert stretch_boxes(boxes, np.array([0, 0, 2, 1]), (3, 1)).tolist() == [[0, 0, 1, 1], [1, 0, 3, 1]]


@pytest.mark.parametrize("names", [["flip"], ["crop"], ["flip", "crop"], ["crop", "flip"]])
def test_truth_lies_where_the_pixels_went(names: list[str]):
    augment = make_augmenter(names)
    for seed in range(12):
        instance_map = draw_map(seed)
        for number in range(1, instance_map.max() + 1):  # an image of one instance, for colours mix at borders
            single = np.where(instance_map == number, instance_map, 0)
            white = np.repeat((single > 0)[..., None] * np.uint8(255), 3, axis=2)
            image, record = augment(white, make_record(single), np.random.default_rng(seed))
            if (shown := image[..., 0] > 127).sum() > 100:
                assert overlaps(rebuild(record), shown[None]) > 0.85


def test_the_view_of_a_known_crop_and_flip():
    image = paint(draw_map(0))
    chain = iaa.Sequential([iaa.Crop(px=(3, 5, 7, 9)), iaa.Fliplr(1.0)])  # top, right, bottom, left
    moved, view = look(chain, image)
    assert view.window.tolist() == [3, 9, HEIGHT - 7, WIDTH - 5]
    assert view.mirrored
    assert moved.shape == image.shape


def test_of_a_flip_before_the_crop_the_window_is_that_of_the_image():
    chain = iaa.Sequential([iaa.Fliplr(1.0), iaa.Crop(px=(3, 5, 7, 9))])
    assert look(chain, paint(draw_map(0)))[1].window.tolist() == [3, 5, HEIGHT - 7, WIDTH - 9]


def test_augmentations_happen_half_the_time_and_crop_up_to_a_fifth():
    # 400 draws: half is 200 +- 10, so five deviations are 50; the largest of 400 sides is nearly a fifth of 64 and 96
    image, record = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8), make_record(draw_map(0))
    dice = np.random.default_rng(1)
    flip, crop = make_augmenter(["flip"]), make_augmenter(["crop"])
    flipped = sum(not np.array_equal(flip(image, record, dice)[0], image) for _ in range(400))
    cropped = sum(not np.array_equal(crop(image, record, dice)[0], image) for _ in range(400))
    assert 150 < flipped < 250
    assert 150 < cropped < 250


def test_sides_are_cropped_each_by_its_own_share():
    chain = build_chain(["crop"])
    views = []
    for seed in range(300):
        chain.seed_(seed)
        views.append(look(chain, paint(draw_map(0)))[1].window)
    off = np.abs(np.array(views) - WHOLE) / np.tile(SHAPE, 2)
    off = off[off.any(axis=1)]
    assert off.max() <= 0.2 + 0.5 / HEIGHT  # whole pixels
    assert off.max(axis=0).min() > 0.18
    assert np.abs(np.corrcoef(off.T) - np.eye(4)).max() < 0.4


def test_the_generator_decides_everything():
    instance_map = draw_map(3)
    image, record = paint(instance_map), make_record(instance_map)
    augment = make_augmenter(["flip", "crop"])

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


@pytest.mark.parametrize("names", [["blur"], ["flip", "zoom"], ["flip", "flip"]])
def test_unknown_and_repeated_names_are_told(names: list[str]):
    with pytest.raises(
        ValueError, match=re.escape(f"must name some of flip, crop, each once; got {', '.join(names)}.")
    ):
        make_augmenter(names)
