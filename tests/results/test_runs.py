import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from maskrcnn.results.runs import decode_counts, encode_mask, encode_spans, find_spans

masks = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda shape: arrays(bool, shape))


def test_spans_worked_example():
    # Column 0 is 0 1 1, column 1 is 1 1 0, column 2 is empty: pixels 1, 2 and 3, 4 join across the columns.
    mask = np.array([[0, 1, 0], [1, 1, 0], [1, 0, 0]], bool)
    spans = find_spans(mask, (0, 0), (3, 3))
    assert spans.starts.tolist() == [1] and spans.stops.tolist() == [5]


def test_part_is_placed_at_its_corner():
    # The one pixel of the part lies at y=2, x=3 of an image of 5 rows: index 3 * 5 + 2 = 17.
    spans = find_spans(np.array([[True]]), (2, 3), (5, 7))
    assert spans.starts.tolist() == [17] and spans.stops.tolist() == [18]


@settings(max_examples=60)
@given(masks)
def test_code_equals_pycocotools(mask):
    expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert encode_mask(mask) == expected


@settings(max_examples=60)
@given(masks)
def test_decoding_inverts_encoding(mask):
    spans = decode_counts(encode_mask(mask), mask.shape)
    flat = np.zeros(mask.size, bool)
    for start, stop in zip(*spans, strict=True):
        flat[start:stop] = True
    assert np.array_equal(flat.reshape(mask.shape[::-1]).T, mask)
    assert encode_spans(spans, mask.shape) == encode_mask(mask)


def test_long_runs_and_shrinking_runs_survive():
    # Runs above 2**14 pixels take four digits; a shorter run after a longer one is a negative difference.
    mask = np.zeros((1024, 2048), bool)
    mask[:, 100:300] = mask[5:9, 400:900] = mask[-1, -1] = True
    spans = decode_counts(encode_mask(mask), mask.shape)
    assert (spans.stops - spans.starts).sum() == mask.sum()
    assert coco_mask.area({"size": [1024, 2048], "counts": encode_mask(mask)}) == mask.sum()


@pytest.mark.parametrize("counts", ["", "~~", "é", "o", " 4"])
def test_text_that_is_no_code_is_refused(counts):
    with pytest.raises(ValueError, match="must be a compressed COCO run-length code"):
        decode_counts(counts, (2, 2))


def test_endless_number_is_refused():
    with pytest.raises(ValueError, match=r"must hold numbers below 2\*\*34"):
        decode_counts("o" * 30 + "0", (2, 2))


def test_code_of_another_image_is_refused():
    with pytest.raises(ValueError, match=r"must cover the 6 pixels .* shape \(2, 3\); got runs of 4"):
        decode_counts(encode_mask(np.zeros((2, 2), bool)), (2, 3))


def test_negative_runs_are_refused():
    # "O" is the digit 31: one number, 31 - 32 = -1. With 5 ("5") before it the sum is 4, as it should be.
    with pytest.raises(ValueError, match="the shortest -1"):
        decode_counts("5O", (2, 2))
