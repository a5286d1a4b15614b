"""`bench/gpu.py` runs at a small size where there is no GPU, and writes no figure then."""

import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_what_a_second_start_needs_is_compiled_before() -> None:
    spec = spec_from_file_location("gpu", ROOT / "bench/gpu.py")
    assert spec is not None and spec.loader is not None
    gpu = module_from_spec(spec)
    spec.loader.exec_module(gpu)
    training, start = (f"ours-{work}-resnet50-mixed_bfloat16-b4" for work in ("training", "start"))
    assert {training, start, f"{training}-files"} < set(gpu.list_figures())
    assert gpu.list_compiled([start]) == gpu.list_compiled([f"{training}-files"]) == [training]
    assert gpu.list_compiled([training, f"{training}-files", start]) == [training]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_kind_of_figure_of_the_gpu_bench_runs(tmp_path: Path):
    names = "training-resnet50-mixed_bfloat16-b4-files|ours-start.*-b4|ours-inference-resnet50-float32-b8"
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
    assert re.search(r'start.* \{"first_step_after_s": [0-9.]+', run.stdout)
    assert re.search(r'inference.* \{"ms": .*"detect_ms": .*"objects": \d+', run.stdout)
    assert sorted((ROOT / "bench/results").iterdir()) == before
