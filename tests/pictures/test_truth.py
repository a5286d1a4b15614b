"""Pictures of the truth: the numbers behind the colours, and what the panels show."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from maskrcnn.data.images import read_image
from maskrcnn.data.records import Record, build_record
from maskrcnn.pictures.truth import GAINED, LOST, draw_truth, number_masks, number_mini_masks
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
    np.testing.assert_array_equal(boxes.images[0].get_array(), image)
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


def test_boxes_are_drawn_large_to_small_with_dashed_crowds(truth: Truth) -> None:
    image, instance_map, record = truth
    panel = draw_truth(image, instance_map, record, CLASS_NAMES).axes[0]
    drawn = [patch for patch in panel.patches if isinstance(patch, Rectangle)]
    corners = [
        [
            int(v)
            for v in (
                patch.get_y(),
                patch.get_x(),
                patch.get_y() + patch.get_height(),
                patch.get_x() + patch.get_width(),
            )
        ]
        for patch in drawn
    ]
    by_area = np.argsort(-record.areas)
    assert corners == record.boxes[by_area].tolist()
    assert [patch.get_linestyle() for patch in drawn] == ["--" if record.is_crowd[i] else "-" for i in by_area]
    np.testing.assert_allclose(
        [to_rgb(patch.get_edgecolor()) for patch in drawn], np.array(spread_colors(4)[1:])[by_area] / 255
    )
    assert {text.get_text() for text in panel.texts} == {"person", "car", "bus"}


def test_narrow_boxes_have_no_label(truth: Truth) -> None:
    image, instance_map, record = truth
    record.boxes[1, 3] = record.boxes[1, 1] + 3  # 3 of 128 pixels are less than a 32nd
    panel = draw_truth(image, instance_map, record, CLASS_NAMES).axes[0]
    assert {text.get_text() for text in panel.texts} == {"person", "bus"}


def test_an_image_without_truth_is_drawn(tmp_path: Path) -> None:
    frame = write_frame(tmp_path)
    record = build_record(frame, SHAPE, (8, 8), "stretch", instance_map=False)
    figure = draw_truth(read_image(frame.image_path, SHAPE, "stretch"), np.zeros(SHAPE, np.uint16), record, CLASS_NAMES)
    assert "instances: 0, crowds: 0" in figure.get_suptitle()
    figure.savefig(tmp_path / "picture.png")
