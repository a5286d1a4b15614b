"""Reads damaged files of each format and counts how that ends; run by hand.

    python bench/fuzz.py                    20,000 files of each format
    python bench/fuzz.py 500 png records    500 of some

Prints JSON: how many were read and refused, the slowest one in seconds, the memory that was used beyond that of the
start in MB, and seeds of what failed: other errors than ours, more than 2 s, or more than 1 GB. The exit status is 0
if nothing failed. `tests/fuzz/formats.py` lists the formats, and `try_mutant` repeats a seed.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
import warnings
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is no installed package

from tests.fuzz.formats import list_formats, try_mutant

SECONDS, MEGABYTES = 2, 1000


def main(count: int, names: list[str]) -> bool:
    """Prints the figures; returns whether nothing failed."""
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        known = list(list_formats(Path(folder)))
    figures = {}
    for name in names or known:
        with context.Pool(1) as pool:  # a process for each, for memory is measured at its peak
            figures[name] = pool.apply(fuzz, (name, count))
        print(json.dumps({name: figures[name]}, indent=2), flush=True)
    return not any(found["failed"] for found in figures.values())


def fuzz(name: str, count: int) -> dict[str, object]:
    """Returns the figures of one format."""
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)  # of pycocotools
    with tempfile.TemporaryDirectory() as folder:
        example = list_formats(Path(folder))[name]
        valid = example.path.read_bytes()
        example.read()
        before, refused, slowest, failed = _peak(), 0, (0.0, -1), {}
        for seed in range(count):
            start = time.process_time()
            try:
                refused += bool(try_mutant(example, valid, seed))
            except Exception as fault:
                failed[seed] = repr(fault)[:200]
            seconds = time.process_time() - start
            slowest = max(slowest, (round(seconds, 3), seed))
            if seconds > SECONDS or _peak() - before > MEGABYTES:
                failed[seed] = f"{seconds:.1f} s, {_peak() - before:.0f} MB"
    return {
        "files": count,
        "refused": refused,
        "slowest_s": slowest[0],
        "slowest_seed": slowest[1],
        "memory_mb": round(_peak() - before),
        "failed": failed,
    }


def _peak() -> float:
    """Returns the most memory that this process has used, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Reads damaged files of each format and counts how that ends.")
    parser.add_argument("count", nargs="?", type=int, default=20_000, help="files of each format")
    parser.add_argument("names", nargs="*", help="formats; all if none is named")
    options = parser.parse_args()
    sys.exit(not main(options.count, options.names))
