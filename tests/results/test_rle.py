"""Run-length masks: worked examples, and equality with pycocotools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from maskrcnn.results.predictions import decode_mask, decode_runs, encode_mask, encode_part, encode_runs, find_runs

masks = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda shape: arrays(bool, shape))


def test_runs_worked_example() -> None:
    # Column 0 is 0 1 1, column 1 is 1 1 0, column 2 is empty: pixels 1, 2 and 3, 4 join across the columns.
    mask = np.array([[0, 1, 0], [1, 1, 0], [1, 0, 0]], bool)
    runs = find_runs(mask, (0, 0), (3, 3))
    assert runs.starts.tolist() == [1] and runs.stops.tolist() == [5]


def test_part_is_placed_at_its_corner() -> None:
    # The one pixel of the part lies at y=2, x=3 of an image of 5 rows: index 3 * 5 + 2 = 17.
    runs = find_runs(np.array([[True]]), (2, 3), (5, 7))
    assert runs.starts.tolist() == [17] and runs.stops.tolist() == [18]


@settings(max_examples=60)
@given(masks, st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_a_part_has_the_code_of_the_whole(part, y: int, x: int, column_by_column: bool) -> None:
    whole = np.zeros((12, 12), bool)
    whole[y : y + part.shape[0], x : x + part.shape[1]] = part
    laid = np.asfortranarray(part) if column_by_column else part
    assert encode_part(laid, (y, x), whole.shape) == encode_mask(whole)


@settings(max_examples=60)
@given(masks)
def test_code_equals_pycocotools(mask) -> None:
    expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert encode_mask(mask) == expected


@settings(max_examples=60)
@given(masks)
def test_decoding_inverts_encoding(mask) -> None:
    runs = decode_runs(encode_mask(mask), mask.shape)
    flat = np.zeros(mask.size, bool)
    for start, stop in zip(*runs, strict=True):
        flat[start:stop] = True
    assert np.array_equal(flat.reshape(mask.shape[::-1]).T, mask)
    assert np.array_equal(decode_mask(encode_mask(mask), mask.shape), mask)
    assert encode_runs(runs, mask.shape) == encode_mask(mask)


def test_empty_runs_are_left_out() -> None:
    # Background first: the mask is pixel 0, then pixels 1 and 2, then nothing before and nothing after pixel 3.
    counts = coco_mask.frPyObjects({"size": [2, 2], "counts": [0, 1, 0, 2, 0, 0, 1, 0]}, 2, 2)["counts"].decode()
    starts, stops = decode_runs(counts, (2, 2))
    assert starts.tolist() == [0, 1] and stops.tolist() == [1, 3]


def test_long_runs_and_shrinking_runs_survive() -> None:
    # Runs above 2**14 pixels take four digits; a shorter run after a longer one is a negative difference.
    mask = np.zeros((1024, 2048), bool)
    mask[:, 100:300] = mask[5:9, 400:900] = mask[-1, -1] = True
    runs = decode_runs(encode_mask(mask), mask.shape)
    assert (runs.stops - runs.starts).sum() == mask.sum()
    assert coco_mask.area({"size": [1024, 2048], "counts": encode_mask(mask)}) == mask.sum()


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param("", id="no digit"),
        pytest.param("~~", id="no digits of the code"),
        pytest.param("é", id="not ASCII"),
        pytest.param("4\ud800", id="not Unicode"),
        pytest.param("o", id="number without end"),
        pytest.param("o" * 30 + "0", id="number of more than 64 bits"),
        pytest.param("3", id="too few pixels"),
        pytest.param("41", id="too many pixels"),
        # "O" is the digit 31: one number, 31 - 32 = -1. With 5 ("5") before it the sum is 4, as it should be.
        pytest.param("5O", id="negative run"),
    ],
)
def test_what_is_not_the_code_of_such_a_mask_is_refused(counts) -> None:
    with pytest.raises(ValueError, match=r"`counts` must be the COCO run lengths of the 4 pixels .* shape \(2, 2\)"):
        decode_runs(counts, (2, 2))
