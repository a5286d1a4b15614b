"""Compares the scores of float32 and bfloat16: trains and tests one variant of the demo with several seeds of each.

    python bench/precision.py                     base, seeds 1 to 3, the backend of params.yaml
    python bench/precision.py --backend jax flip  another backend and variant

`make demo` must have run before. Every training has a folder of its own with links to the demo's data, so it changes
nothing in the repository. Writes bench/results/precision_<backend>.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[1]
PRECISIONS = ("float32", "mixed_bfloat16")
LINKED = ("data", "models", "pins", "tuning")
SCORES = ("AP50", "rAP")


def main(variant: str, backend: str | None, seeds: int) -> None:
    """Trains and scores every precision with every seed, seed by seed."""
    params = YAML().load(REPOSITORY / "params.yaml")
    params["backend"] = backend or params["backend"]
    runs: dict[str, list[dict]] = {precision: [] for precision in PRECISIONS}
    for seed in range(1, seeds + 1):
        for precision in PRECISIONS:
            params["precision"], params["train"]["schedule"]["seed"] = precision, seed
            runs[precision].append({"seed": seed, **run(variant, params)})
            print(precision, runs[precision][-1], flush=True)
    result = {precision: summarize(of_precision) for precision, of_precision in runs.items()}
    content = {"date": time.strftime("%Y-%m-%d"), "backend": params["backend"], "variant": variant, **result}
    path = REPOSITORY / f"bench/results/precision_{params['backend']}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")


def run(
    variant: str,
    params: dict,
    script: str = "stages/train.py",
    measures: Mapping[str, Callable[[Path, str], float]] | None = None,
) -> dict[str, float]:
    """Returns the scores of a variant that is trained with these params, and the minutes of its training.

    Args:
        variant: The variant.
        params: The whole params.
        script: What trains it.
        measures: More figures by name, of the folder of the run and the variant.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        YAML().dump(params, root / "params.yaml")
        for folder in LINKED:
            (root / folder).mkdir()
            for path in (REPOSITORY / folder).iterdir():
                if path.name != f"{variant}.h5":
                    (root / folder / path.name).symlink_to(path)
        variables = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(REPOSITORY / ".jax_cache")}
        start = time.monotonic()
        for step in (script, "stages/predict.py", "stages/evaluate.py"):
            command = [sys.executable, REPOSITORY / step, variant]
            subprocess.run(command, cwd=root, env=variables, check=True, capture_output=True)
            minutes = (time.monotonic() - start) / 60 if step == script else minutes
        scores = json.loads((root / f"metrics/test/{variant}.json").read_text())
        measured = {name: measure(root, variant) for name, measure in (measures or {}).items()}
        return {**{score: scores[score] for score in SCORES}, **measured, "minutes": round(minutes, 1)}


def summarize(runs: list[dict], names: Sequence[str] = SCORES) -> dict:
    """Returns the runs with the mean and the standard deviation of each score over the seeds."""
    scores = {score: [found[score] for found in runs] for score in names}
    spread = {score: stdev(values) if len(values) > 1 else 0.0 for score, values in scores.items()}
    return {
        **{f"{score}_mean": round(mean(values), 4) for score, values in scores.items()},
        **{f"{score}_stdev": round(value, 4) for score, value in spread.items()},
        "runs": runs,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compares the scores of float32 and bfloat16 on the demo.")
    parser.add_argument("variant", nargs="?", default="base")
    parser.add_argument("--backend", choices=("tensorflow", "jax"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    main(options.variant, options.backend, options.seeds)
