"""The random minibatch, and taking its rows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.learning.sampling import sample_labels, take_rows
from tests.backends import run

POSITIVE_SLOTS, NEGATIVE_SLOTS = 3, 6


def make_seeds(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**31, (count, 2), dtype=np.int32)


def sample(labels, negative_counts=None, slots=(POSITIVE_SLOTS, NEGATIVE_SLOTS)):
    labels = np.array(labels, np.int32)

    def draw(labels, seeds):
        return sample_labels(labels, *slots, negative_counts, seeds, draw=0)

    return run(draw, labels, make_seeds(len(labels)))


def test_positives_come_first_and_negatives_fill_the_rest() -> None:
    # 3 of 4 positives and 6 - 3 negatives
    indices, filled = sample([[1, -1, 0, -1, 1, -1, 1, 0, -1, 1]])
    assert indices.shape == (1, 9)
    assert filled.tolist() == [[True] * 6 + [False] * 3]
    assert len({*indices[0, :3].tolist()} & {0, 4, 6, 9}) == 3
    assert len({*indices[0, 3:6].tolist()} & {1, 3, 5, 8}) == 3


def test_slots_stay_empty_when_there_is_not_enough() -> None:
    # one positive leaves 5 of 6 slots; there are two negatives
    indices, filled = sample([[0, 0, 1, 0, -1, -1, 0, 0, 0, 0]])
    assert filled.tolist() == [[True, False, False, True, True, False, False, False, False]]
    assert indices[0, 0] == 2
    assert {*indices[0, 3:5].tolist()} == {4, 5}


def test_an_image_without_positives_is_filled_with_negatives() -> None:
    _, filled = sample([[-1] * 10])
    assert filled.tolist() == [[False] * 3 + [True] * 6]


def test_the_wanted_negatives_are_counted_image_by_image() -> None:
    _, filled = sample([[-1] * 10, [-1] * 10, [-1, *[0] * 9]], np.array([4, 0, 4], np.int32))
    assert filled[:, 3:].sum(axis=1).tolist() == [4, 0, 1]


batch = st.lists(st.lists(st.integers(-1, 1), min_size=10, max_size=10), min_size=2, max_size=2)


def draw(labels, seeds):
    return sample_labels(labels, POSITIVE_SLOTS, NEGATIVE_SLOTS, None, seeds, draw=0)


@settings(max_examples=40)
@given(labels=batch)
def test_a_draw_is_without_replacement_from_what_is_allowed(labels) -> None:
    labels = np.array(labels, np.int32)
    for row, indices, filled in zip(labels, *run(draw, labels, make_seeds(2)), strict=True):
        positives, negatives = indices[:POSITIVE_SLOTS], indices[POSITIVE_SLOTS:]
        positives, negatives = positives[filled[:POSITIVE_SLOTS]], negatives[filled[POSITIVE_SLOTS:]]
        assert (row[positives] == 1).all()
        assert (row[negatives] == -1).all()
        assert len({*positives}) == len(positives) == min(POSITIVE_SLOTS, (row == 1).sum())
        assert len({*negatives}) == len(negatives) == min(NEGATIVE_SLOTS - len(positives), (row == -1).sum())


def test_all_are_drawn_equally_often() -> None:
    # one slot, four candidates, 2000 images: 500 each, standard deviation sqrt(2000 * 3/16) = 19
    indices, _ = sample(np.tile([1, 0, 1, 1, 0, 1], (2000, 1)), slots=(1, 1))
    counts = np.bincount(indices[:, 0], minlength=6)
    assert counts[[1, 4]].sum() == 0
    assert np.abs(counts[[0, 2, 3, 5]] - 500).max() < 5 * 19


def test_what_is_drawn_follows_from_the_seeds_of_the_image_alone() -> None:
    seeds = np.array([[1, 2], [1, 3], [2, 2], [1, 2], [2**31 - 1, 0]], np.int32)

    def indices(seeds: np.ndarray, draw: int = 0) -> np.ndarray:
        labels = np.ones((len(seeds), 50), np.int32)
        return run(lambda labels, seeds: sample_labels(labels, 20, 1, None, seeds, draw=draw)[0], labels, seeds)

    drawn = indices(seeds)
    assert [(drawn[0] == row).all() for row in drawn] == [True, False, False, True, False]
    np.testing.assert_array_equal(np.concatenate([indices(seeds[:1]), indices(seeds[1:3]), indices(seeds[3:])]), drawn)
    assert not (indices(seeds, draw=1) == drawn).all(axis=1).any()


def test_slots_beyond_the_labels_stay_empty() -> None:
    indices, filled = sample([[1, -1, 0]], slots=(4, 5))
    assert indices.shape == filled.shape == (1, 9)
    assert filled[0].tolist() == [True, False, False, False, True, False, False, False, False]
    assert indices[filled].tolist() == [0, 1]


def test_rows_are_taken_image_by_image() -> None:
    values = np.arange(12).reshape(2, 3, 2)
    np.testing.assert_array_equal(
        run(take_rows, values, np.array([[2, 0], [1, 1]])), [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]
    )
