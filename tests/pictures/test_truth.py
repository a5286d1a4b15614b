"""Pictures of the truth: the numbers behind the colours, and what the panels show."""

from pathlib import Path

import numpy as np
import pytest

from maskrcnn.data.images import read_image
from maskrcnn.data.records import Record, build_record
from maskrcnn.pictures import truth as module
from maskrcnn.pictures.truth import GAINED, LOST, draw_boxes, draw_truth, number_masks, number_mini_masks
from maskrcnn.project.palette import spread_colors
from maskrcnn.readers.cityscapes import CLASS_NAMES, paint_instances, read_annotation
from tests.readers.frames import rectangle, write_frame

SHAPE = (64, 128)

Truth = tuple[np.ndarray, np.ndarray, Record]


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    """Image, instance map and record of a car before a crowd, and a bus that the mini-mask cannot hold."""
    bus = [(60, 4), (110, 4), (85, 60)]
    objects = [("persongroup", rectangle(8, 8, 40, 40)), ("car", rectangle(20, 20, 29, 30)), ("bus", bus)]
    frame = write_frame(tmp_path, objects)
    instance_map = paint_instances(read_annotation(frame.polygons_path, SHAPE))
    record = build_record(frame, SHAPE, (8, 8), "stretch", instance_map=False)
    return read_image(frame.image_path, SHAPE, "stretch"), instance_map, record


def test_masks_are_numbered_in_the_order_of_the_record(truth: Truth) -> None:
    _, instance_map, record = truth
    numbered = number_masks(instance_map, record)
    assert record.instance_ids.tolist() == [24, 26000, 28000]
    np.testing.assert_array_equal(numbered == 2, instance_map == 26000)
    np.testing.assert_array_equal(numbered == 3, instance_map == 28000)
    assert not (numbered == 1).any()  # the crowd


def test_mini_masks_are_numbered_alike_where_they_hold_the_mask(truth: Truth) -> None:
    _, instance_map, record = truth
    original, rebuilt = number_masks(instance_map, record), number_mini_masks(record, SHAPE)
    np.testing.assert_array_equal(rebuilt == 2, original == 2)  # a rectangle fits any mini-mask
    assert not (rebuilt == 1).any()  # the crowd
    bus, rebuilt_bus = original == 3, rebuilt == 3
    assert 0.8 < np.sum(bus & rebuilt_bus) / np.sum(bus | rebuilt_bus) < 1


def test_the_smaller_of_two_mini_masks_lies_on_top(truth: Truth) -> None:
    record = truth[2]
    record.boxes[2] = record.boxes[1]  # the bus where the car is
    assert (number_mini_masks(record, SHAPE) == 2).sum() == record.areas[1]


def test_four_panels_show_boxes_difference_masks_and_mini_masks(truth: Truth) -> None:
    image, instance_map, record = truth
    figure = draw_truth(image, instance_map, record, CLASS_NAMES)
    boxes, difference, masks, mini_masks = figure.axes
    assert "instances: 2, crowds: 1" in figure.get_suptitle()
    np.testing.assert_array_equal(boxes.images[0].get_array(), draw_boxes(image, record, CLASS_NAMES))
    assert mini_masks.get_title() == "Masks rebuilt from mini-masks of 8 x 8"

    original, rebuilt = number_masks(instance_map, record), number_mini_masks(record, SHAPE)
    compared = np.asarray(difference.images[0].get_array())
    np.testing.assert_array_equal((compared == LOST).all(axis=2), (original > 0) & (original != rebuilt))
    np.testing.assert_array_equal((compared == GAINED).all(axis=2), (original == 0) & (rebuilt > 0))
    lost = np.sum((original > 0) & (original != rebuilt)) / np.sum(original > 0)
    assert f"lose (red, {lost:.1%})" in difference.get_title()

    is_grey = np.ptp(np.asarray(masks.images[0].get_array()), axis=2) < 1e-9
    np.testing.assert_array_equal(is_grey, original == 0)
    is_grey = np.ptp(np.asarray(mini_masks.images[0].get_array()), axis=2) < 1e-9
    np.testing.assert_array_equal(is_grey, rebuilt == 0)


def test_small_boxes_are_drawn_over_large_ones_each_with_its_label(truth: Truth) -> None:
    image, _, record = truth
    picture = draw_boxes(image, record, CLASS_NAMES)
    factor = picture.shape[1] // image.shape[1]
    assert factor == 8
    colors = np.array(spread_colors(4)[1:])
    for index, (y1, x1, y2, x2) in enumerate((factor * record.boxes).tolist()):
        for y, x in (((y1 + y2) // 2, x1), ((y1 + y2) // 2, x2 - 1), (y2 - 1, (x1 + x2) // 2)):
            assert np.abs(picture[y, x].astype(int) - colors[index]).max() < 30, (index, y, x)
        plate = (picture == colors[index]).all(axis=2)
        plate[y1 - 2 : y2 + 2, x1 - 2 : x2 + 2] = False
        assert plate.sum() > 100  # the label, outside of the box
    record.boxes[2] = record.boxes[1]  # the bus, of a larger area, where the car is
    y1, x1, y2, _ = (factor * record.boxes[1]).tolist()
    over = draw_boxes(image, record, CLASS_NAMES)[(y1 + y2) // 2, x1]
    assert np.abs(over.astype(int) - colors[1]).max() < 30


def test_crowds_are_named_as_such(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    image, _, record = truth
    named = []
    monkeypatch.setattr(module, "draw_overlay", lambda image, objects, **_: named.extend(objects) or image)
    draw_boxes(image, record, CLASS_NAMES)
    assert [drawn.label for drawn in named] == ["car", "person, crowd", "bus"]


def test_an_image_without_truth_is_drawn(tmp_path: Path) -> None:
    frame = write_frame(tmp_path)
    record = build_record(frame, SHAPE, (8, 8), "stretch", instance_map=False)
    figure = draw_truth(read_image(frame.image_path, SHAPE, "stretch"), np.zeros(SHAPE, np.uint16), record, CLASS_NAMES)
    assert "instances: 0, crowds: 0" in figure.get_suptitle()
    figure.savefig(tmp_path / "picture.png")
