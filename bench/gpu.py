"""Measures training and inference on the GPU of this machine, ours beside torchvision's, in one run.

    python bench/gpu.py                          every figure; writes bench/results/<device>.json
    python bench/gpu.py --only 'resnet50.*-b4'   the figures whose names match
    python bench/gpu.py --backend tensorflow     ours on TensorFlow; the default is JAX

Every figure has a process of its own with a time limit. First all of ours compile, several at a time, into a cache;
then each is timed, with what the cache holds; a lock gives one process at a time the GPU. At last `start` measures how
long a second start of a training takes to its first step, with the machine for itself. A step is timed without reading
its losses, as `Trainer` runs it. torchvision is not one of our dependencies: `pip install torchvision` adds its
figures. It runs with `cudnn.benchmark` and without, and the better of both counts. Neither side is held to
deterministic operations, apart from the figure that says so. Without a GPU all runs at a small size and proves only
that it runs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from rich.progress import track

REPOSITORY = Path(__file__).resolve().parents[1]
SIDES = Path(__file__).parent / "sides"
RESULTS = Path(__file__).parent / "results"
OURS, THEIRS = "ours", "torchvision"
BATCHES = (1, 2, 4, 8)
COMPILING = 6  # processes at a time: they share the GPU, where compilation tries kernels
STARTING = 3 if (os.cpu_count() or 1) >= 8 else 1  # processes that load while another one has the GPU for itself
TIME_LIMIT = 400  # seconds for one figure


def list_figures() -> list[str]:
    """Returns the names of all figures, the most telling first: side-work-backbone-precision-bBATCH[-extra]."""
    precisions = ("mixed_bfloat16", "float32")
    figures = [
        f"{side}-training-resnet50-{precision}-b{batch}"
        for batch, precision, side in product((1, 4), precisions, (OURS, THEIRS))
    ]
    figures += [f"{OURS}-training-resnet50-mixed_bfloat16-b4-files"]
    figures += [
        f"{side}-inference-resnet50-{precision}-b{batch}"
        for batch, precision, side in product((1, 8), precisions, (OURS, THEIRS))
    ]
    figures += [f"{OURS}-training-resnet50-mixed_bfloat16-b4-{extra}" for extra in ("deterministic", "remat")]
    figures += [
        f"{side}-training-resnet50-{precision}-b{batch}"
        for batch, precision, side in product((8, 2), precisions, (OURS, THEIRS))
    ]
    figures += [f"{OURS}-start-resnet50-mixed_bfloat16-b{batch}" for batch in (1, 4)]
    return [
        *figures,
        *(f"{OURS}-training-resnet101-{precision}-b{batch}" for batch, precision in product((1, 4), precisions)),
    ]


def list_compiled(figures: Sequence[str]) -> list[str]:
    """Returns the figures whose programs fill the cache; a start and `files` run the program of their training."""
    ours = (name for name in figures if name.startswith(OURS))
    return list(dict.fromkeys(name.replace("-start-", "-training-").removesuffix("-files") for name in ours))


def main(only: str, backend: str, minutes: float) -> int:
    """Measures the figures that match and writes them beside those that the file already holds.

    Returns:
        How many figures failed.
    """
    started = time.monotonic()
    figures = [name for name in list_figures() if re.search(only, name)]
    if find_spec("torchvision") is None:
        figures = [name for name in figures if not name.startswith(THEIRS)]
        print("torchvision is not installed: only our own figures are measured.")
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", f"{folder}/jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "BENCH_LOCK": f"{folder}/gpu.lock",
        }

        def measure(name: str, *flags: str) -> dict:
            left = 60 * minutes - (time.monotonic() - started)
            return run_side(name, flags, environment, min(TIME_LIMIT, left))

        device = measure("ours-ceilings")
        if "error" in device:
            raise SystemExit(device["error"])
        if "cpu" in device["device"].lower():
            print("This machine has no GPU: everything runs at a small size, and no figure means anything.")
            environment["BENCH_SMALL"] = "1"
        folder = folder if "BENCH_SMALL" in environment else RESULTS
        path = Path(folder) / f"{re.sub('[^a-z0-9]+', '_', device['device'].lower())}_{backend}.json"
        alone = [name for name in figures if "-start-" in name]
        timed = [name for name in figures if name not in alone]
        compiled = list_compiled(figures)
        with ThreadPoolExecutor(COMPILING) as pool:
            tried = pool.map(lambda name: measure(name, "--compile"), compiled)
            for name, figure in track(zip(compiled, tried, strict=True), "Compiling", len(compiled)):
                if "error" in figure:  # it compiles when it is timed, while others wait
                    print(f"{name} did not compile: {figure['error']}")
        with ThreadPoolExecutor(STARTING) as pool:
            for name, figure in track(zip(timed, pool.map(measure, timed), strict=True), "Timing", len(timed)):
                write(path, {"backend": backend, **device}, name, figure)
        for name in alone:
            write(path, {"backend": backend, **device}, name, measure(name))
        written = json.loads(path.read_text())["figures"]
    failed = [name for name in figures if "error" in written[name]]
    for name in failed:
        print(f"{name} failed: {written[name]['error']}")
    if "BENCH_SMALL" not in environment:
        print(f"Wrote {path}.")
    return len(failed)


def run_side(name: str, flags: tuple[str, ...], environment: dict[str, str], limit: float) -> dict:
    """Returns the figure that a process of its own prints, or its error."""
    if limit < 10:
        return {"error": "no time left"}
    if "--compile" in flags:
        environment = {**environment, "XLA_PYTHON_CLIENT_ALLOCATOR": "platform"}  # gives back what was tried
    script = SIDES / ("torchvision_gpu.py" if name.startswith(THEIRS) else "ours_gpu.py")
    flag = "--xla_gpu_deterministic_ops=" + ("true" if name.endswith("-deterministic") else "false")
    flags_of_xla = f"{environment.get('XLA_FLAGS', '')} {flag}".strip()
    variables = {**environment, "XLA_FLAGS": flags_of_xla, "BENCH_STARTED": str(time.time())}
    try:
        process = subprocess.run(
            [sys.executable, script, name, *flags],
            env=variables,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took longer than {limit:.0f} s"}
    lines = process.stdout.strip().splitlines()
    if process.returncode or not lines:
        return {"error": process.stderr.strip()[-300:]}
    print(name, *flags, lines[-1], flush=True)
    return json.loads(lines[-1])


def write(path: Path, device: dict, name: str, figure: dict) -> None:
    """Adds a figure to the file of the device; those that were not measured now stay."""
    figures = json.loads(path.read_text())["figures"] if path.exists() else {}
    if "tflop" in figure and "tflops" in device:
        ceiling = device["tflops"]["bfloat16" if "bfloat16" in name else "tf32"]
        figure["share_of_matmul"] = round(1e3 * figure["tflop"] / figure["ms"] / ceiling, 3)
    content = {"date": time.strftime("%Y-%m-%d"), **device, "figures": {**figures, name: figure}}
    path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measures training and inference on the GPU of this machine.")
    parser.add_argument("--only", default="", help="regular expression of the names of the figures")
    parser.add_argument("--backend", default="jax", choices=("jax", "tensorflow"))
    parser.add_argument("--minutes", default=60.0, type=float, help="time for all; what does not fit is left out")
    options = parser.parse_args()
    sys.exit(main(options.only, options.backend, options.minutes) > 0)
