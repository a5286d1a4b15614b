"""Labels: none hides another or, where there is room, an object; and they can be read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.pictures.labels import (
    SMALLEST_FONT,
    Rectangle,
    add_labels,
    choose_font_size,
    draw_plate,
    fade,
    place_labels,
)
from maskrcnn.project.palette import PALETTE

SHAPE = (300, 400)
SIZE = (15, 60)


def place(boxes: list[tuple[int, int, int, int]], sizes: list[tuple[int, int]] | None = None) -> list[Rectangle | None]:
    """Places labels of objects that fill their boxes."""
    parts = [np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes]
    return place_labels(sizes or [SIZE] * len(boxes), np.array(boxes, int).reshape(-1, 4), parts, SHAPE)


def shared(one: Rectangle, other: Rectangle) -> int:
    """Returns the pixels that two rectangles share."""
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    return max(height, 0) * max(width, 0)


boxes_of = st.tuples(st.integers(0, 280), st.integers(0, 380), st.integers(4, 150), st.integers(4, 200)).map(
    lambda box: (box[0], box[1], min(box[0] + box[2], SHAPE[0]), min(box[1] + box[3], SHAPE[1]))
)


@settings(max_examples=60)
@given(st.lists(boxes_of, max_size=14))
def test_no_label_hides_another_or_leaves_the_picture(boxes: list[tuple[int, int, int, int]]) -> None:
    places = [rectangle for rectangle in place(boxes) if rectangle]
    assert len(places) == len(boxes)  # 14 labels fill a tenth of the picture
    for index, one in enumerate(places):
        assert one[0] >= 0 and one[1] >= 0 and one[2] <= SHAPE[0] and one[3] <= SHAPE[1]
        assert (one[2] - one[0], one[3] - one[1]) == SIZE
        assert not any(shared(one, other) for other in places[:index])


def test_a_lone_label_stands_above_the_left_corner() -> None:
    (label,) = place([(100, 200, 150, 300)])
    assert label is not None
    assert 95 <= label[2] <= 100 and abs(label[1] - 200) <= 5


def test_at_the_upper_edge_it_stands_beside_or_below() -> None:
    (label,) = place([(0, 200, 50, 300)])
    assert label is not None and not shared(label, (0, 200, 50, 300))


def test_no_object_is_hidden_where_there_is_room() -> None:
    boxes = [(100, 100, 140, 140), (60, 100, 98, 140), (100, 20, 140, 98), (142, 100, 180, 140)]
    for label in place(boxes):
        assert label is not None and not any(shared(label, box) for box in boxes)


def test_a_small_object_is_not_hidden_even_inside_a_large_one() -> None:
    large, small = (0, 0, 300, 400), (150, 200, 160, 210)
    for label in place([small, large]):
        assert label is not None and not shared(label, small)


def test_two_objects_at_one_place_have_two_labels_beside_it() -> None:
    one, other = place([(100, 100, 150, 150)] * 2)
    assert one is not None and other is not None and not shared(one, other)
    assert max(abs(label[0] - 90) for label in (one, other)) < 80


def test_a_label_without_room_is_left_out_and_others_stay() -> None:
    one, huge, other = place([(10, 10, 20, 20)] * 3, [SIZE, (400, 10), SIZE])
    assert huge is None and one is not None and other is not None
    assert place([]) == []
    crowded = place([(0, 0, 300, 400)] * 400)
    placed = [label for label in crowded if label]
    assert 100 < len(placed) < 400
    assert not any(shared(one, other) for index, one in enumerate(placed) for other in placed[:index])


def test_a_label_that_stands_apart_has_a_line_to_its_object_and_a_near_one_has_none() -> None:
    color, plate, count = PALETTE[0], np.full((60, 60, 3), 200, np.uint8), 9
    boxes, parts = np.array([[140, 5, 150, 8]] * count), [np.ones((10, 3), bool)] * count
    for labels, has_line in ((1, False), (count, True)):  # nine of them do not fit around so small an object
        picture = np.zeros((*SHAPE, 3), np.uint8)
        add_labels(picture, [plate] * labels, boxes, parts, [color] * count)
        assert (picture == 200).all(axis=2).sum() == labels * 60 * 60
        assert (picture == color).all(axis=2).any() == has_line


@pytest.mark.parametrize("shape", [(1024, 2048), (1080, 1920), (1920, 1080), (2048, 2048)])
def test_letters_are_legible_in_a_column_of_700_pixels(shape: tuple[int, int]) -> None:
    assert choose_font_size(shape) * 700 / max(shape) >= 9
    assert choose_font_size((64, 64)) == SMALLEST_FONT


@pytest.mark.parametrize("color", [*PALETTE, (0, 0, 0), (255, 255, 255)])
def test_text_is_told_apart_from_its_plate(color: tuple[int, int, int]) -> None:
    plate = draw_plate("person 0.99", color, 20)
    assert tuple(plate[0, 0]) == color

    def luminance(rgb: tuple[int, ...]) -> float:  # of IEC 61966-2-1
        return float((np.array(rgb) / 255) ** 2.2 @ [0.2126, 0.7152, 0.0722])

    ink = (0, 0, 0) if (plate == 0).all(axis=2).sum() > 50 and color != (0, 0, 0) else (255, 255, 255)
    assert (plate == ink).all(axis=2).sum() > 50
    bright, dark = sorted((luminance(color), luminance(ink)), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) > 3  # WCAG 2, for large text


def test_values_fade_from_one_colour_to_another() -> None:
    pixels = np.array([[[0, 0, 0], [255, 255, 255], [51, 102, 204]]], np.uint8)
    faded = fade(pixels, (10, 20, 200), (20, 20.4, 100))  # a fifth, two fifths and four fifths of the way
    assert faded.tolist() == [[[10, 20, 200], [20, 20, 100], [12, 20, 120]]]


def test_a_longer_text_has_a_wider_plate_of_the_same_height() -> None:
    short, long = (
        draw_plate("car 1.00", PALETTE[0], 20),
        draw_plate("motorcycle, found as bicycle 0.51", PALETTE[0], 20),
    )
    assert short.shape[0] == long.shape[0] and 3 * short.shape[1] < long.shape[1]
