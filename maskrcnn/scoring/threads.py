"""Work on many images in threads, with a progress bar."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.progress import track

Result = TypeVar("Result")


def map_in_threads(function: Callable[[int], Result], count: int, title: str) -> list[Result]:
    """Calls a function with each index in threads, for work that NumPy or OpenCV does outside Python's lock.

    Args:
        function: Takes an index.
        count: Indices run from 0 to `count - 1`.
        title: Stands beside the progress bar.

    Returns:
        The results in the order of the indices.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(track(pool.map(function, range(count)), title, total=count))
