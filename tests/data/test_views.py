"""Views: the truth of a part of an image, stretched and mirrored."""

from dataclasses import fields, replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn.data.mini_masks import extract_boxes
from maskrcnn.data.records import Record
from maskrcnn.data.views import View, cut_truth, flip_truth, move_truth, stretch_boxes, stretch_truth
from tests.data.scenes import HEIGHT, SHAPE, WIDTH, crop, draw_map, make_record, overlaps, rebuild, same

WHOLE = np.array([0, 0, HEIGHT, WIDTH])

scenes = st.integers(0, 2**32 - 1).map(draw_map)
sides = st.tuples(*[st.integers(0, length // 3) for length in (*SHAPE, *SHAPE)])
windows = sides.map(lambda off: np.array([off[0], off[1], HEIGHT - off[2], WIDTH - off[3]]))
spans = [st.tuples(st.integers(0, n - 1), st.integers(1, n)).map(sorted).filter(lambda p: p[0] < p[1]) for n in SHAPE]
boxes_in_image = st.tuples(*spans).map(lambda pair: (pair[0][0], pair[1][0], pair[0][1], pair[1][1]))
frames = sides.map(lambda off: np.array([-off[0], -off[1], HEIGHT + off[2], WIDTH + off[3]]))  # zoomed out


def stretch_map(instance_map: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Shows a window of a map; every new pixel shows what lies at its centre, 0 outside the map."""
    y1, x1, y2, x2 = window
    rows = y1 + (2 * np.arange(HEIGHT) + 1) * (y2 - y1) // (2 * HEIGHT)
    columns = x1 + (2 * np.arange(WIDTH) + 1) * (x2 - x1) // (2 * WIDTH)
    padded = np.pad(instance_map, WIDTH)
    return padded[rows + WIDTH][:, columns + WIDTH]


def test_a_flipped_box_by_hand() -> None:
    # columns 3 to 9 of 96: what was 3 pixels from the left is now 3 from the right; 96 - 9 = 87, 96 - 3 = 93
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[10:20, 3:9] = 7
    instance_map[10:15, 3:6] = 0
    record = flip_truth(make_record(instance_map), WIDTH)
    assert record.boxes.tolist() == [[10, 87, 20, 93]]
    np.testing.assert_array_equal(rebuild(record)[0], instance_map[:, ::-1] == 7)


@given(scenes)
def test_flipping_twice_changes_nothing(instance_map: np.ndarray) -> None:
    record = make_record(instance_map)
    assert same(flip_truth(flip_truth(record, WIDTH), WIDTH), record)


@given(scenes)
def test_flipped_truth_is_the_truth_of_the_flipped_image(instance_map: np.ndarray) -> None:
    record, expected = (make_record(one) for one in (instance_map, np.ascontiguousarray(instance_map[:, ::-1])))
    flipped = flip_truth(record, WIDTH)
    np.testing.assert_array_equal(flipped.boxes, expected.boxes)
    # Where a resized mask is 0.5 up to its last bit, a mirrored sum may round to the other side.
    assert (flipped.mini_masks != expected.mini_masks).mean(axis=(1, 2)).max(initial=0) < 0.02
    assert overlaps(rebuild(flipped), rebuild(record)[:, :, ::-1]).min(initial=1) > 0.98


@given(scenes)
def test_showing_everything_changes_nothing(instance_map: np.ndarray) -> None:
    record = make_record(instance_map)
    assert same(cut_truth(record, WHOLE), record)
    assert same(stretch_truth(record, WHOLE.astype(float), SHAPE), record)


def test_a_cropped_box_by_hand() -> None:
    # Window rows 16 to 48, columns 0 to 48: half of each side, so all is twice as large.
    # A rectangle of rows 10 to 20 loses 6: 4 rows from 0, times 2: 0 to 8. Columns 30 to 40 become 60 to 80.
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[10:20, 30:40] = 1
    record = crop(make_record(instance_map), np.array([16, 0, 48, 48]))
    assert record.boxes.tolist() == [[0, 60, 8, 80]]
    assert record.areas.tolist() == [8 * 20]
    assert record.mini_masks.all()


def test_a_shrunken_box_by_hand() -> None:
    # Window 128 x 192 around the image, 32 rows and 48 columns more on each side: half the size.
    # Rows (10 + 32) / 2 = 21 to (20 + 32) / 2 = 26, columns (30 + 48) / 2 = 39 to (40 + 48) / 2 = 44.
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[10:20, 30:40] = 1
    record = crop(make_record(instance_map), np.array([-32, -48, 96, 144]))
    assert record.boxes.tolist() == [[21, 39, 26, 44]]
    assert record.areas.tolist() == [5 * 5]


@given(scenes, windows)
def test_whole_instances_have_the_boxes_of_the_stretched_map(instance_map: np.ndarray, window: np.ndarray) -> None:
    record, stretched = make_record(instance_map), stretch_map(instance_map, window)
    inside = (record.boxes[:, :2] >= window[:2]).all(axis=1) & (record.boxes[:, 2:] <= window[2:]).all(axis=1)
    cropped = crop(record, window)
    kept = np.isin(cropped.class_ids, record.class_ids[inside])
    np.testing.assert_array_equal(cropped.class_ids[kept], record.class_ids[inside])
    np.testing.assert_array_equal(cropped.boxes[kept], extract_boxes(stretched, record.class_ids[inside]))
    np.testing.assert_array_equal(cropped.mini_masks[kept], record.mini_masks[inside])


@given(scenes, frames)
def test_shrunken_instances_keep_their_masks_in_boxes_of_the_shrunken_map(
    instance_map: np.ndarray, window: np.ndarray
) -> None:
    record, shrunken = make_record(instance_map), stretch_map(instance_map, window)
    shown = crop(record, window)
    kept = np.isin(record.class_ids, shown.class_ids)
    np.testing.assert_array_equal(shown.mini_masks, record.mini_masks[kept])
    assert set(np.unique(shrunken[shrunken > 0])) <= set(shown.class_ids)
    # A tip of one pixel may fall between two centres of the shrunken map, so its own box can be tighter.
    tight = extract_boxes(shrunken, shown.class_ids)
    large = tight[:, 2] > 0
    slack = (tight - shown.boxes)[large] * (1, 1, -1, -1)
    assert (slack >= 0).all()


@given(boxes_in_image, frames)
def test_shrunken_boxes_are_tight_around_rectangles(box: tuple[int, int, int, int], window: np.ndarray) -> None:
    y1, x1, y2, x2 = box
    rectangle = np.zeros(SHAPE, np.uint16)
    rectangle[y1:y2, x1:x2] = 1
    tight = extract_boxes(stretch_map(rectangle, window), np.array([1]))
    np.testing.assert_array_equal(crop(make_record(rectangle), window).boxes, tight[tight[:, 2] > 0])


@given(scenes, windows)
def test_cropped_truth_is_the_truth_of_the_cropped_image(instance_map: np.ndarray, window: np.ndarray) -> None:
    # Mini-masks are smooth and stretched maps have steps: 99 % of these pairs exceed 0.9, thin ones reach 0.8.
    stretched = stretch_map(instance_map, window)
    cropped = crop(make_record(instance_map), window)
    numbers, areas = np.unique(stretched[stretched > 0], return_counts=True)
    assert set(numbers[areas > 50]) <= set(cropped.class_ids) <= set(instance_map.flat)
    shown = stretched == cropped.class_ids[:, None, None]
    large = shown.sum(axis=(1, 2)) > 200
    assert overlaps(rebuild(cropped)[large], shown[large]).min(initial=1) > 0.7


@given(scenes, windows | frames, st.booleans())
def test_moved_truth_is_well_formed(instance_map: np.ndarray, window: np.ndarray, mirrored: bool) -> None:
    record = make_record(instance_map)
    view = View(window.astype(float), np.clip(window, 0, [*SHAPE, *SHAPE]), mirrored)
    moved = move_truth(record, view, SHAPE)
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


@given(scenes, windows | frames)
def test_areas_agree_with_the_masks(instance_map: np.ndarray, window: np.ndarray) -> None:
    moved = crop(make_record(instance_map), window)
    for mask, area, (y1, x1, y2, x2) in zip(rebuild(moved), moved.areas, moved.boxes, strict=True):
        assert abs(int(mask.sum()) - int(area)) <= (y2 - y1) + (x2 - x1)  # half a pixel along the outline


@given(scenes, windows)
def test_boxes_are_tight_around_what_the_window_cuts(instance_map: np.ndarray, window: np.ndarray) -> None:
    record = make_record(instance_map)
    y1, x1, y2, x2 = window.tolist()
    cut = cut_truth(record, window)
    for box, class_id, area in zip(cut.boxes, cut.class_ids, cut.areas, strict=True):
        (index,) = np.flatnonzero(record.class_ids == class_id)
        if (box != record.boxes[index]).any():
            seen = np.zeros(SHAPE, np.uint16)
            seen[y1:y2, x1:x2] = rebuild(record)[index, y1:y2, x1:x2]
            np.testing.assert_array_equal([box], extract_boxes(seen, np.array([1])))
            assert area == seen.sum()


def test_what_leaves_the_window_is_dropped() -> None:
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[:, :10], instance_map[:, 10:20], instance_map[:, 50:60] = 2, 3, 4
    record = make_record(instance_map)
    cut = cut_truth(record, np.array([0, 20, HEIGHT, WIDTH]))
    assert cut.class_ids.tolist() == [4]
    assert cut.dropped == record.dropped + 1  # the other is a crowd, and no instance


def test_what_shrinks_to_nothing_is_dropped() -> None:
    # Half the size: the centre of new column i lies at 2 i + 1 - 48, where an odd column begins. Even ones vanish.
    instance_map = np.zeros(SHAPE, np.uint16)
    for number, column in enumerate([30, 51, 70, 80], start=1):
        instance_map[10:20, column] = number
    record = make_record(instance_map)
    shrunken = crop(record, np.array([-32, -48, 96, 144]))
    assert shrunken.class_ids.tolist() == [2]
    assert shrunken.dropped == record.dropped + 2  # 1 and 4; 3 is a crowd, and no instance


def test_a_pixel_that_is_still_seen_has_an_area() -> None:
    # Half the size: a quarter of a pixel is left, but the centre of new row 21 and column 49 lies on it.
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[11, 51] = 1
    shrunken = crop(make_record(instance_map), np.array([-32, -48, 96, 144]))
    assert shrunken.boxes.tolist() == [[21, 49, 22, 50]]
    assert shrunken.areas.tolist() == [1]


def test_a_hollow_instance_whose_pixels_leave_is_dropped() -> None:
    # An L of column 10 and row 50: the window starts right of the one and ends above the other.
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[8:56, 8:14] = instance_map[50:56, 8:80] = 5
    assert not len(cut_truth(make_record(instance_map), np.array([0, 20, 44, WIDTH])).boxes)


def test_an_image_without_instances_stays_without() -> None:
    record = make_record(np.zeros(SHAPE, np.uint16))
    moved = move_truth(record, View(np.array([5.0, 5.0, 40.0, 60.0]), np.array([5, 5, 40, 60]), True), SHAPE)
    assert moved.boxes.shape == (0, 4)
    assert moved.mini_masks.shape == record.mini_masks.shape


def test_the_map_is_removed_because_it_is_not_moved() -> None:
    record = replace(make_record(draw_map(1)), instance_png=np.ones(3, np.uint8))
    assert not len(flip_truth(record, WIDTH).instance_png)
    assert not len(cut_truth(record, WHOLE).instance_png)
    assert not len(stretch_truth(record, WHOLE.astype(float), SHAPE).instance_png)


@given(st.data())
def test_stretched_boxes_hold_the_pixels_whose_centres_they_hold(data: st.DataObject) -> None:
    length = 200
    side = data.draw(st.integers(1, 2 * length))
    start = data.draw(st.integers(0, side - 1))
    stop = data.draw(st.integers(start + 1, side))
    stretched = stretch_boxes(np.array([[start, 3, stop, 4]]), np.array([0.0, 0.0, side, 10.0]), (length, 10))
    shown = [i for i in range(length) if start * length <= (i + 0.5) * side < stop * length]
    if shown:
        assert stretched.tolist() == [[shown[0], 3, shown[-1] + 1, 4]]
    else:
        assert stretched[0, 0] == stretched[0, 2]


def test_a_centre_on_the_border_belongs_to_what_begins_there() -> None:
    # 2 pixels become 3. The centre of the middle one, 1.5 * 2/3 = 1, lies where the second of the 2 begins.
    boxes = np.array([[0, 0, 1, 1], [1, 0, 2, 1]])
    stretched = stretch_boxes(boxes, np.array([0.0, 0.0, 2.0, 1.0]), (3, 1))
    assert stretched.tolist() == [[0, 0, 1, 1], [1, 0, 3, 1]]


def test_a_window_may_begin_within_a_pixel() -> None:
    # Columns 10.25 to 58.25, twice as large: column 10 covers -0.5 to 1.5, so the new columns 0 and 1 less half,
    # whose centres are 0.5 and 1.5; the second is where column 11 begins.
    boxes = np.array([[0, 10, 1, 11], [0, 11, 1, 12]])
    stretched = stretch_boxes(boxes, np.array([0.0, 10.25, 1.0, 58.25]), (1, 96))
    assert stretched.tolist() == [[0, 0, 1, 1], [0, 1, 1, 3]]
