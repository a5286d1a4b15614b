"""Work in threads."""

import time

import pytest

from maskrcnn.scoring.threads import map_in_threads


def test_results_come_in_order_whichever_ends_first() -> None:
    def work(index: int) -> int:
        time.sleep(0.1 * (index == 0))
        return 10 * index

    assert map_in_threads(work, 3, "Work") == [0, 10, 20]


def test_an_error_is_raised_again() -> None:
    def fail(index: int) -> int:
        raise ValueError(f"image {index}")

    with pytest.raises(ValueError, match="image 0"):
        map_in_threads(fail, 2, "Work")


def test_nothing_to_do() -> None:
    assert map_in_threads(str, 0, "Work") == []
