"""Measures a training step of this tree beside that of other commits, on one core.

    python bench/training_step.py                 this tree, with TensorFlow's own kernels and with `keras.ops` alone
    python bench/training_step.py COMMIT ...      also those commits

ResNet50, 256x512, one image, all layers, as `bench/peers.py` trains them; every commit runs its own
`bench/sides/ours.py`. The sides take turns, step by step, each in a process of its own; after the warm-up every step
is measured in CPU seconds of all threads. `as_on_gpu` runs on the CPU what a GPU would run. Prints JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from peers import REPOSITORY, SIDES, WARM_UPS, draw_scene, start, summarize, write_weights_of_both

STEPS = 7


def measure(commits: list[str]) -> dict[str, dict]:
    """Returns the figures of this tree and of every commit; `ratio` is their cost divided by that of this tree."""
    answers: dict[str, list[dict]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        scene = draw_scene(folder)
        write_weights_of_both(folder / "weights.h5", scene["image"])
        np.savez(folder / "scene.npz", **scene)
        scripts = {"this_tree": SIDES / "ours.py", "as_on_gpu": SIDES / "as_on_gpu.py"}
        scripts |= {commit: unpack(commit, folder / commit) / "bench/sides/ours.py" for commit in commits}
        sides = {}
        for side, script in scripts.items():
            call = (Path(sys.executable), script, script.parents[2], "training", folder)
            sides[side] = stack.enter_context(start(*call))
        for _ in range(WARM_UPS + STEPS):
            for side, process in sides.items():
                process.stdin.write("training\n")
                process.stdin.flush()
                answers.setdefault(side, []).append(json.loads(process.stdout.readline()))
    figures = {side: summarize(of_side[WARM_UPS:]) for side, of_side in answers.items()}
    return {
        side: of_side | {"ratio": round(of_side["cpu_s"] / figures["this_tree"]["cpu_s"], 3)}
        for side, of_side in figures.items()
    }


def unpack(commit: str, folder: Path) -> Path:
    """Writes the files of a commit into a folder and returns it."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=REPOSITORY, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measures a training step beside that of other commits.")
    parser.add_argument("commits", nargs="*", help="revisions of this repository")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {0})
    print(json.dumps(measure(arguments.commits), indent=2))
