"""`bench/gpu.py` runs at a small size where there is no GPU, and writes no figure then."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_kind_of_figure_of_the_gpu_bench_runs(tmp_path: Path):
    names = "training-resnet50-mixed_bfloat16-b4-files|ours-inference-resnet50-float32-b8"
    before = sorted((ROOT / "bench/results").iterdir())
    run = subprocess.run(
        [sys.executable, ROOT / "bench/gpu.py", "--only", names],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "This machine has no GPU" in run.stdout
    assert re.search(r'files \{"ms": .*"share_of_constant": [0-9.]+, "threads": \d+', run.stdout)
    assert re.search(r'inference.* \{"ms": .*"detect_ms": .*"objects": \d+', run.stdout)
    assert sorted((ROOT / "bench/results").iterdir()) == before
