"""What a stage took: its time and its memory, for whoever plans a run."""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maskrcnn.project.files import write_text

FOLDER = "live/stages"


@contextmanager
def record_costs(stage: str, root: Path = Path()) -> Iterator[None]:
    """Writes the time and the peak memory of what runs within to `live/stages/<stage>.json`, if it ends well.

    They differ from run to run, so they are no output of the stage: git and DVC ignore the folder.

    Args:
        stage: Name of the file.
        root: Folder of the repository.
    """
    start = time.monotonic()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    costs = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seconds": round(time.monotonic() - start, 1),
        "peak_memory_mb": round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)),  # bytes there, KiB on Linux
    }
    write_text(root / FOLDER / f"{stage}.json", json.dumps(costs, indent=2, allow_nan=False) + "\n")
