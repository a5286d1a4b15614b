"""Detections in the pixels of the network's image and of the image before it was fitted."""

import numpy as np
import pytest

from maskrcnn.data.detections import ImageDetections, has_area, round_to_pixels

SHAPE = (64, 64)


def normalise(boxes_px: list[list[int]]) -> np.ndarray:
    return (np.array(boxes_px) - [0, 0, 1, 1]) / 63


def find(boxes_px: list[list[int]], crops: np.ndarray | None = None) -> ImageDetections:
    """Returns objects that fill their boxes, or have these masks."""
    count = len(boxes_px)
    return ImageDetections(
        boxes_norm=normalise(boxes_px).reshape(-1, 4),
        class_ids=np.arange(1, count + 1),
        scores=np.linspace(0.9, 0.5, count),
        mask_crops=np.ones((count, 28, 28)) if crops is None else crops,
        proposals_norm=normalise([[0, 0, 32, 64]]),
        image_shape=SHAPE,
    )


def test_stretched_boxes_are_scaled_along_each_side() -> None:
    found = find([[8, 16, 24, 48]]).unfit((640, 128), "stretch")  # ten times as high and twice as wide
    assert found.boxes_px.tolist() == [[80, 32, 240, 96]]
    assert found.proposals_px.tolist() == [[0, 0, 320, 128]]
    assert found.image_shape == (640, 128)
    assert found.masks.shape == (1, 640, 128) and found.masks.sum() == 160 * 64
    assert found.masks[0, 80:240, 32:96].all()


def test_letterboxed_boxes_are_scaled_by_one_factor() -> None:
    # 1000 x 500 fits into 64 x 64 as 64 x 32: the factor is 15.625, and x from 32 on is padding.
    found = find([[16, 8, 32, 24]]).unfit((1000, 500), "letterbox")
    assert found.boxes_px.tolist() == [[250, 125, 500, 375]]


def test_what_lies_in_the_padding_is_cut_off_not_squeezed() -> None:
    crops = np.zeros((2, 28, 28))
    crops[:, :, :14] = 1.0  # the left half of each box
    found = find([[0, 16, 32, 48], [0, 40, 32, 60]], crops).unfit((1000, 500), "letterbox")
    assert found.class_ids.tolist() == [1]  # the second one lies in the padding alone
    assert found.boxes_px.tolist() == [[0, 250, 500, 500]]
    # The box of x 250 to 750 is cut at 500, so the left half of its mask fills what is left of it.
    assert found.parts[0].shape == (500, 250)
    assert found.parts[0][10:490, 10:240].all()


def test_masks_get_the_resolution_of_the_image_and_not_that_of_the_network() -> None:
    rows, columns = np.mgrid[:28, :28]
    crops = np.where(rows > columns, 1.0, 0.0)[None]
    small = find([[0, 0, 4, 4]], crops)
    large = small.unfit((640, 640), "stretch").masks[0, :40, :40]
    assert small.masks[0, :4, :4].sum() < 10
    y, x = np.mgrid[:40, :40]
    inside = (np.abs(y - x) > 2) & (np.minimum(y, x) > 0) & (np.maximum(y, x) < 39)
    np.testing.assert_array_equal(large[inside], (y > x)[inside])


def test_the_same_size_changes_nothing() -> None:
    found = find([[8, 16, 24, 48]])
    assert found.unfit(SHAPE, "letterbox") is found


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (640, 1)])
def test_an_image_of_one_pixel_height_or_width(shape: tuple[int, int]) -> None:
    found = find([[0, 0, 64, 64]]).unfit(shape, "stretch")
    assert found.boxes_px.tolist() == [[0, 0, *shape]]
    assert found.masks.all()


def test_objects_that_become_empty_are_left_out() -> None:
    found = find([[0, 0, 64, 64], [10, 10, 11, 11]]).unfit((4, 4), "stretch")
    assert found.class_ids.tolist() == [1] and len(found) == 1


def test_some_are_selected_by_index_or_mask() -> None:
    found = find([[0, 0, 4, 4], [0, 0, 8, 8], [0, 0, 16, 16]])
    assert found.select(np.array([2, 0])).boxes_px[:, 2].tolist() == [16, 4]
    assert found.select(np.array([False, True, False])).class_ids.tolist() == [2]
    assert len(found.select(np.array([], int)).parts) == 0


def test_area() -> None:
    assert has_area(np.array([[0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1, 0]])).tolist() == [True, False, False]
    assert round_to_pixels(np.array([[0.0, 0, 1, 1]]), SHAPE).tolist() == [[0, 0, 64, 64]]
