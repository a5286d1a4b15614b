"""Threads that read ahead."""

import os
import time
from threading import Barrier, Event

import cv2
import pytest

from maskrcnn.data.read_ahead import MOST_WORKERS, ReadAhead, count_cores
from maskrcnn.project.errors import InputError

SECONDS = 20  # longest wait for another thread


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_samples_are_returned_in_the_order_asked_for(workers: int) -> None:
    read_ahead = ReadAhead(lambda position: 10 * position, workers)
    assert read_ahead.take([3, 1, 2], range(4, 9)) == [30, 10, 20]
    assert read_ahead.take(range(4, 7), range(7, 12)) == [40, 50, 60]
    assert read_ahead.take([3], []) == [30]


def test_what_comes_next_is_read_before_it_is_asked_for() -> None:
    is_read = {position: Event() for position in range(6)}
    read_ahead = ReadAhead(lambda position: is_read[position].set(), 1)
    read_ahead.take([0], [1, 2])
    assert is_read[1].wait(SECONDS) and is_read[2].wait(SECONDS)
    read_ahead.take([1], [2, 3])
    assert is_read[3].wait(SECONDS)
    assert not is_read[4].is_set()


def test_no_sample_is_read_twice_where_the_stream_is_followed() -> None:
    asked: list[int] = []
    read_ahead = ReadAhead(asked.append, 4)
    for position in range(0, 40, 2):
        read_ahead.take(range(position, position + 2), range(position + 2, position + 8))
    assert sorted(asked)[:40] == list(range(40))


def test_workers_read_at_the_same_time() -> None:
    barrier = Barrier(3)  # every reader waits until three have come
    read_ahead = ReadAhead(lambda position: barrier.wait(SECONDS) >= 0, 3)
    assert read_ahead.take([0], [1, 2]) == [True]


def test_no_more_than_the_upcoming_samples_are_kept() -> None:
    read_ahead = ReadAhead(lambda position: position, 2)
    for position in (0, 50, 7, 8):
        upcoming = range(position + 1, position + 5)
        assert read_ahead.take([position], upcoming) == [position]
        assert read_ahead._samples.keys() == set(upcoming)


def test_the_error_of_a_sample_is_raised_when_it_is_taken_and_only_then() -> None:
    broken = {2}

    def read(position: int) -> int:
        if position in broken:
            raise InputError(f"sample {position}")
        return position

    read_ahead = ReadAhead(read, 2)
    assert read_ahead.take([0], [1, 2, 3]) == [0]
    assert read_ahead.take([1], [2, 3]) == [1]
    with pytest.raises(InputError, match="sample 2"):
        read_ahead.take([2], [3])
    assert read_ahead.take([3], []) == [3]
    broken.clear()
    assert read_ahead.take([2], []) == [2]


def test_what_failed_ahead_is_read_again_when_it_is_taken() -> None:
    asked: list[int] = []

    def read(position: int) -> int:
        asked.append(position)
        if asked.count(position) == 1 and position > 0:
            raise InputError(f"sample {position}")
        return position

    read_ahead = ReadAhead(read, 1)
    read_ahead.take([0], [1, 2])
    with pytest.raises(InputError, match="sample 3"):  # the only thread has read 1 and 2 before
        read_ahead.take([3], [1, 2])
    assert read_ahead.take([1, 2], []) == [1, 2]


def test_opencv_uses_no_threads_of_its_own() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        assert ReadAhead(lambda position: cv2.getNumThreads(), 2).take([0], []) == [1]
    finally:
        cv2.setNumThreads(before)


def test_closing_waits_for_what_is_being_read_and_reads_nothing_more() -> None:
    began, ended = [], []

    def read(position: int) -> None:
        began.append(position)
        time.sleep(0.05)
        ended.append(position)

    read_ahead = ReadAhead(read, 2)
    read_ahead.take([0], range(1, 50))
    read_ahead.close()
    assert sorted(began) == sorted(ended)
    assert len(ended) < 10


@pytest.mark.parametrize(("cores", "workers"), [(3, 3), (40, MOST_WORKERS)])
def test_there_is_a_thread_for_each_core_that_may_be_used(
    cores: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    assert count_cores() == cores
    assert ReadAhead(lambda position: position, None).workers == workers
    assert ReadAhead(lambda position: position, 20).workers == 20


def test_cores_are_counted_where_their_affinity_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert count_cores() == 5


def test_there_must_be_a_thread() -> None:
    with pytest.raises(InputError, match=r"`workers` must be at least 1, or None for one for each core; got 0\."):
        ReadAhead(lambda position: position, 0)
