"""One side of a comparison: does a piece of work whenever it is told to and answers what it cost.

Used in environments that hold NumPy and little else, so it imports nothing of the package.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable


def serve(works: dict[str, Callable[[], object]]) -> None:
    """Reads names of works line by line from standard input, until it ends.

    Answers each with a line of JSON: CPU seconds of all threads, the peak memory of the process so far in MB,
    and what the work returned. Whatever else is printed goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        start = time.process_time()
        result = works[line.strip()]()
        cost = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"cpu_s": cost, "peak_mb": peak, "result": result}), file=answers, flush=True)
