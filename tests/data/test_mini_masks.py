"""Mini-masks: Matterport's recorded results, a slow oracle, and that paste undoes crop."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskrcnn.data.mini_masks import crop_masks, cut_masks, expand_masks, extract_boxes, paste_masks, resize_mask

RECORDED = Path(__file__).parents[1] / "parity" / "data" / "masks.npz"

maps = arrays(np.uint16, st.tuples(st.integers(1, 12), st.integers(1, 14)), elements=st.integers(0, 4))
values = arrays(np.float64, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.floats(0, 1))
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(RECORDED, allow_pickle=False) as file:
        return {name: unpack(file, name) if f"{name}_shape" in file else file[name] for name in file}


def unpack(file: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    shape = file[f"{name}_shape"]
    return np.unpackbits(file[name])[: np.prod(shape)].reshape(shape).astype(bool)


@pytest.mark.parametrize("image", range(3))
def test_equals_the_recorded_boxes_mini_masks_and_expansions(recorded: dict, image: int) -> None:
    masks, boxes, mini_masks, expanded = (
        recorded[f"{part}{image}"] for part in ("masks", "boxes", "mini_masks", "expanded")
    )
    one = np.array([1])
    for mask, box, mini_mask in zip(masks.astype(np.uint16), boxes, mini_masks, strict=True):
        np.testing.assert_array_equal(extract_boxes(mask, one)[0], box)
        np.testing.assert_array_equal(crop_masks(mask, one, box[None], (56, 56))[0], mini_mask)
    np.testing.assert_array_equal(paste_masks(mini_masks, boxes, masks.shape[1:]), expanded)


def test_equals_the_recorded_unmolded_predictions(recorded: dict) -> None:
    pasted = paste_masks(recorded["small_masks"], recorded["small_boxes"], recorded["unmolded"].shape[1:])
    np.testing.assert_array_equal(pasted, recorded["unmolded"])


def resize_slowly(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """One new pixel at a time: the four old centres around its own, zeros beyond the border."""
    height, width = mask.shape
    resized = np.zeros(shape)
    for row, column in np.ndindex(*shape):
        y, x = (row + 0.5) * height / shape[0] - 0.5, (column + 0.5) * width / shape[1] - 0.5
        for old_row in range(height):
            for old_column in range(width):
                weight = max(0, 1 - abs(y - old_row)) * max(0, 1 - abs(x - old_column))
                resized[row, column] += weight * mask[old_row, old_column]
    return np.clip(resized, mask.min(), mask.max())


@given(values, shapes)
def test_resize_equals_the_slow_oracle(mask: np.ndarray, shape: tuple[int, int]) -> None:
    np.testing.assert_allclose(resize_mask(mask, shape), resize_slowly(mask, shape), atol=1e-12)


@given(values, shapes)
def test_resize_rounds_as_rows_first(mask: np.ndarray, shape: tuple[int, int]) -> None:
    """Recorded masks depend on the last bit where a pixel is near the threshold."""
    padded = np.pad(mask, 1)
    (y, down), (x, across) = (
        (np.floor(centre).astype(int) + 1, centre - np.floor(centre))
        for old, new in zip(mask.shape, shape, strict=True)
        for centre in [(np.arange(new) + 0.5) * (old / new) - 0.5]
    )
    rows = padded[y] * (1 - down)[:, None] + padded[y + 1] * down[:, None]
    resized = rows[:, x] * (1 - across) + rows[:, x + 1] * across
    np.testing.assert_array_equal(resize_mask(mask, shape), np.clip(resized, mask.min(), mask.max()))


@given(values)
def test_resize_to_the_same_shape_changes_nothing(mask: np.ndarray) -> None:
    np.testing.assert_allclose(resize_mask(mask, mask.shape), mask, atol=1e-12)


def test_resize_worked_example() -> None:
    # New centres at -0.25, 0.25, 0.75, 1.25 between a 1 at 0, a 0 at 1 and zeros beyond: 1 - |x| of each.
    assert resize_mask(np.array([[True, False]]), (1, 4)).tolist() == [[0.75, 0.75, 0.25, 0.0]]


def test_a_mask_that_fills_its_box_fills_the_mini_mask() -> None:
    # Without keeping to the mask's range, the corners would be 0.75 * 0.75.
    assert resize_mask(np.ones((2, 2), bool), (4, 4)).min() == 1.0


@given(maps)
def test_boxes_are_tight(instance_map: np.ndarray) -> None:
    boxes = extract_boxes(instance_map, np.arange(5))
    for number, box in enumerate(boxes.tolist()):
        rows, columns = np.nonzero(instance_map == number)
        tight = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1] if len(rows) else [0, 0, 0, 0]
        assert box == tight


def test_boxes_come_in_the_order_of_the_numbers() -> None:
    instance_map = np.array([[7, 7, 0], [0, 9, 9]], np.uint16)
    assert extract_boxes(instance_map, np.array([9, 3, 7])).tolist() == [
        [1, 1, 2, 3],
        [0, 0, 0, 0],
        [0, 0, 1, 2],
    ]
    assert extract_boxes(instance_map, np.array([], np.int64)).shape == (0, 4)


@given(maps)
def test_paste_undoes_crop_where_the_shape_is_that_of_the_box(instance_map: np.ndarray) -> None:
    for number in np.unique(instance_map):
        numbers = np.array([number])
        boxes = extract_boxes(instance_map, numbers)
        height, width = (boxes[0, 2:] - boxes[0, :2]).tolist()
        mini_masks = crop_masks(instance_map, numbers, boxes, (height, width))
        pasted = paste_masks(mini_masks, boxes, instance_map.shape)
        np.testing.assert_array_equal(pasted[0], instance_map == number)


def test_large_masks_come_back_nearly_whole() -> None:
    rows, columns = np.indices((200, 400))
    disc = ((rows - 90) ** 2 + (columns - 210) ** 2 < 80**2).astype(np.uint16)
    boxes = extract_boxes(disc, np.array([1]))
    pasted = paste_masks(crop_masks(disc, np.array([1]), boxes, (56, 56)), boxes, disc.shape)[0]
    assert np.sum(pasted & (disc == 1)) / np.sum(pasted | (disc == 1)) > 0.98


def test_cuts_show_the_instance_alone() -> None:
    instance_map = np.array([[1, 2], [2, 2]], np.uint16)
    (cut,) = cut_masks(instance_map, np.array([2]), np.array([[0, 0, 2, 2]]))
    assert cut.tolist() == [[False, True], [True, True]]


def test_paste_sets_what_exceeds_the_threshold() -> None:
    probabilities = np.array([[[0.2, 0.5, 0.9]]])
    boxes = np.array([[1, 0, 2, 3]])
    assert paste_masks(probabilities, boxes, (2, 4)).tolist() == [[[False] * 4, [False, False, True, False]]]
    assert paste_masks(probabilities, boxes, (2, 4), threshold=0.1)[0, 1].tolist() == [
        True,
        True,
        True,
        False,
    ]


def test_expansion_gives_what_is_pasted_into_each_box() -> None:
    # The second box is smaller than the first, so that memory used again must not show.
    rng = np.random.default_rng(0)
    probabilities = rng.random((4, 5, 6)).astype(np.float32)
    boxes = np.array([[0, 0, 20, 30], [3, 4, 7, 11], [5, 5, 5, 9], [19, 0, 20, 30]], np.int32)
    pasted = paste_masks(probabilities, boxes, (20, 30))
    parts = expand_masks(probabilities, boxes, (20, 30))
    for mask, part, probability, (y1, x1, y2, x2) in zip(pasted, parts, probabilities, boxes.tolist(), strict=True):
        assert part.shape == (y2 - y1, x2 - x1)
        expected = resize_mask(probability, part.shape) > 0.5 if part.size else part
        np.testing.assert_array_equal(part, expected)
        np.testing.assert_array_equal(mask[y1:y2, x1:x2], expected)
        assert mask.sum() == expected.sum()


def test_a_box_without_area_gives_an_empty_mask() -> None:
    boxes = np.array([[1, 1, 1, 3], [0, 2, 2, 2]])
    assert not paste_masks(np.ones((2, 4, 4), bool), boxes, (3, 4)).any()


@pytest.mark.parametrize("box", [[-1, 0, 2, 2], [0, -1, 2, 2], [0, 0, 4, 2], [0, 0, 2, 5]])
def test_paste_refuses_a_box_that_leaves_the_image(box: list[int]) -> None:
    with pytest.raises(ValueError, match=r"`boxes` must lie inside \(3, 4\) pixels; got \["):
        paste_masks(np.ones((1, 2, 2), bool), np.array([box]), (3, 4))
