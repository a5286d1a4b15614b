"""Reads damaged files of each format and counts how that ends; run by hand.

    python bench/fuzz.py                    100,000 files of all formats; writes bench/results/fuzz.json
    python bench/fuzz.py 500 png records    500 of each that is named

Prints a table: how many were read and refused, whether all errors were ours, the slowest one in seconds of this
process, the memory that was used beyond that of the start in MB; then the seeds of what failed: other errors than ours,
more than 2 s, or more than 1 GB. The exit status is 0 if nothing failed. `tests/fuzz/formats.py` lists the formats, and
`try_mutant` repeats a seed.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is no installed package

from bench.feeder import describe_machine
from maskrcnn.project.files import write_text
from tests.fuzz.formats import FORMATS, make_format, try_mutant

SECONDS, MEGABYTES = 2, 1000
FILES, FILES_OF_PARAMS = 7_500, 2_500  # 13 and 1 formats: 100,000 in all; reading params takes longest
RESULT = Path(__file__).with_name("results") / "fuzz.json"
COLUMNS = ("files", "refused", "only_ours", "slowest_s", "memory_mb")


def main(counts: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Prints the figures of some formats, and returns them; one process reads at a time.

    Args:
        counts: Files to read of each.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["bench.fuzz"])  # imported once, and not in the memory that is measured
    print(f"{'':12}", *(f"{name:>9}" for name in COLUMNS))
    figures = {}
    for name, count in counts.items():
        # A process for each, for memory is measured at its peak; one that crashes raises `BrokenProcessPool` here.
        with ProcessPoolExecutor(1, context) as pool:
            figures[name] = pool.submit(fuzz, name, count).result()
        print_row(name, figures[name])
    figures["all"] = sum_up([*figures.values()])
    print_row("all", figures["all"])
    return figures


def fuzz(name: str, count: int) -> dict[str, Any]:
    """Returns the figures of one format."""
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)  # of pycocotools
    with tempfile.TemporaryDirectory() as folder:
        example = make_format(name, Path(folder))
        valid = example.path.read_bytes()
        before, refused, slowest, failed, foreign = _peak(), 0, (0.0, -1), {}, 0
        for seed in range(count):
            start = time.process_time()
            try:
                refused += bool(try_mutant(example, valid, seed))
            except Exception as fault:
                failed[seed] = repr(fault)[:200]
                foreign += 1
            seconds = time.process_time() - start
            slowest = max(slowest, (round(seconds, 3), seed))
            if seconds > SECONDS or _peak() - before > MEGABYTES:
                failed[seed] = f"{seconds:.1f} s, {_peak() - before:.0f} MB"
    return {
        "files": count,
        "refused": refused,
        "only_ours": not foreign,
        "slowest_s": slowest[0],
        "slowest_seed": slowest[1],
        "memory_mb": round(_peak() - before),
        "failed": failed,
    }


def sum_up(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the figures of all formats together."""
    return {
        "files": sum(row["files"] for row in figures),
        "refused": sum(row["refused"] for row in figures),
        "only_ours": all(row["only_ours"] for row in figures),
        "slowest_s": max(row["slowest_s"] for row in figures),
        "memory_mb": max(row["memory_mb"] for row in figures),
    }


def print_row(name: str, row: dict[str, Any]) -> None:
    """Prints one line of the table, and the first seeds that failed."""
    print(f"{name:12}", *(f"{row[column]!s:>9}" for column in COLUMNS), flush=True)
    for seed, words in [*row.get("failed", {}).items()][:5]:
        print(f"    seed {seed}: {words}", flush=True)


def _peak() -> float:
    """Returns the most memory that this process has used, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Reads damaged files of each format and counts how that ends.")
    parser.add_argument("count", nargs="?", type=int, help="files of each format")
    parser.add_argument("names", nargs="*", help="formats; all if none is named")
    options = parser.parse_args()
    usual = {name: FILES_OF_PARAMS if name == "params" else FILES for name in FORMATS}
    found = main({name: options.count or usual[name] for name in options.names or FORMATS})
    if options.count is None:
        result = {"date": f"{date.today()}", "device": describe_machine(), "note": "CPU seconds", "fuzz.py": found}
        write_text(RESULT, json.dumps(result, indent=2, allow_nan=False) + "\n")
    sys.exit(not all(not row.get("failed") for row in found.values()))
