"""Measures a training step and an inference beside Matterport's TF2 port and torchvision, on one core.

    python bench/peers.py setup FOLDER            makes the environments of both; needs git, pip and Python 3.11
    python bench/peers.py setup FOLDER --source SOURCE   takes the port from a copy of its repository instead
    python bench/peers.py FOLDER                  measures; a side that is not set up is left out

ResNet50, 256x512, one image, a drawn street. Training with Matterport's defaults: all layers, 200 ROIs of 2000
proposals, 256 anchors, SGD with momentum, weight decay 1e-4. Inference with 1000 proposals and 100 slots, pasted masks
included. Matterport's port and ours start from the same weights, drawn at random. The sides take turns, step by step,
each in a process of its own; after the warm-up every step is measured in CPU seconds of all threads. Feeding is not
part of it: image and truth are ready in memory, and so are Matterport's targets of the RPN, which ours finds in the
step. Prints JSON. The exit status is 0 if our step takes at most 0.6 of Matterport's, and our inference at most
0.7 where not all slots are filled.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

import keras
import numpy as np

from maskrcnn.data.batches import pad_truth
from maskrcnn.data.images import read_image
from maskrcnn.data.mini_masks import paste_masks
from maskrcnn.data.records import build_record
from maskrcnn.inference import detect
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.weights import write_weights
from maskrcnn.readers.cityscapes import read_frames
from maskrcnn.street.synthetic import write_city

REPOSITORY = Path(__file__).parents[1]
SIDES = Path(__file__).parent / "sides"
SOURCE = "https://github.com/z-mahmud22/Mask-RCNN_TF2.14.0"
COMMIT = "fec97db55dac257ac7f5335e9532424f2d5c76ea"
PORT = (
    "tensorflow-cpu==2.14.0",
    "numpy==1.23.5",
    "scikit-image==0.20.0",
    "scipy==1.10.1",
    "h5py==3.9.0",
    "matplotlib==3.7.1",
    "ipython",
)
TORCHVISION = ("torch==2.13.0", "torchvision==0.28.0", "numpy==1.26.4")

SHAPE, MINI_MASK_SHAPE, TRUTH_SLOTS, SEED = (256, 512), (56, 56), 100, 6
WARM_UPS, STEPS = 2, 5
OBJECTS = 16  # of the inference in which not all slots are filled
AIMS = {"training": 0.6, "inference": 0.7}


def setup(folder: Path, source: str) -> None:
    """Makes the environments of both peers and brings the port's source."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", source, folder / "source"], check=True)
    subprocess.run(["git", "-C", folder / "source", "checkout", "--quiet", COMMIT, "--", "mrcnn"], check=True)
    for name, packages in {"matterport": PORT, "torchvision": TORCHVISION}.items():
        subprocess.run([sys.executable, "-m", "venv", folder / name], check=True)
        subprocess.run([folder / name / "bin/python", "-m", "pip", "install", "--quiet", *packages], check=True)
    check = subprocess.run([folder / "torchvision/bin/python", "-c", "import torchvision"])
    if check.returncode:  # its wheels need the CUDA libraries that some indexes leave out
        print("torchvision does not import here; it is left out.")
        shutil.rmtree(folder / "torchvision")


def compare(folder: Path) -> dict[str, dict]:
    """Returns the figures of every work, by side.

    `inference` finds some objects in its 100 slots, `inference_full` fills them all.
    """
    with tempfile.TemporaryDirectory() as name:
        inputs = Path(name)
        scene = draw_scene(inputs)
        confidence = write_weights_of_both(inputs / "weights.h5", scene["image"])
        works = {
            "training": ("training", 0.0),
            "inference": ("inference", confidence),
            "inference_full": ("inference", 0.0),
        }
        return {work: measure(folder, inputs, scene, *of_work) for work, of_work in works.items()}


def list_sides(folder: Path) -> Iterator[tuple[str, tuple[Path, str, Path]]]:
    """Yields the sides that can be run: interpreter, script and what it imports from."""
    yield "ours", (Path(sys.executable), "ours.py", REPOSITORY)
    for side, script in (("matterport", "matterport.py"), ("torchvision", "pytorch.py")):
        python = folder.absolute() / side / "bin/python"
        if python.is_file():
            yield side, (python, script, folder / "source")


@contextmanager
def start(python: Path, script: str, path: Path, work: str, inputs: Path) -> Iterator[subprocess.Popen]:
    """Runs one side, which serves until the context ends."""
    environment = os.environ | {"PYTHONPATH": str(path), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [python, SIDES / script, work, inputs]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        yield process
        process.stdin.close()


def measure(folder: Path, inputs: Path, scene: dict[str, np.ndarray], work: str, confidence: float) -> dict[str, dict]:
    """Starts the sides, lets them take turns and returns what each step cost."""
    np.savez(inputs / "scene.npz", confidence=confidence, **scene)
    answers: dict[str, list[dict]] = {}
    with ExitStack() as stack:
        sides = {side: stack.enter_context(start(*call, work, inputs)) for side, call in list_sides(folder)}
        for _ in range(WARM_UPS + STEPS):
            for side, process in sides.items():
                process.stdin.write(work + "\n")
                process.stdin.flush()
                answers.setdefault(side, []).append(json.loads(process.stdout.readline()))
    figures = {side: summarize(of_side[WARM_UPS:]) for side, of_side in answers.items()}
    return {
        side: of_side | {"ours_per_theirs": round(figures["ours"]["cpu_s"] / of_side["cpu_s"], 3)}
        for side, of_side in figures.items()
    }


def summarize(answers: list[dict]) -> dict[str, object]:
    """Returns the median, the least and the most of the steps, the peak memory and the last result."""
    costs = [answer["cpu_s"] for answer in answers]
    return {
        "cpu_s": round(statistics.median(costs), 3),
        "least_cpu_s": round(min(costs), 3),
        "most_cpu_s": round(max(costs), 3),
        "peak_mb": round(answers[-1]["peak_mb"]),
        "result": answers[-1]["result"],
    }


def draw_scene(folder: Path) -> dict[str, np.ndarray]:
    """Returns a drawn street: image, padded truth and whole masks."""
    write_city(folder, "train", "aachen", 1, SHAPE, "city", SEED)
    (frame,), _ = read_frames(folder, "leftImg8bit/train", "gtFine/train", image_shape=SHAPE)
    truth = pad_truth(build_record(frame, SHAPE, MINI_MASK_SHAPE, "stretch", False), TRUTH_SLOTS)
    assert not truth.pop("is_crowd").any()  # the port knows crowds by another sign
    masks = paste_masks(truth["mini_masks"].astype(bool), truth["boxes"].astype(int), SHAPE)
    return {"image": read_image(frame.image_path, SHAPE, "stretch"), "masks": masks, **truth}


def write_weights_of_both(path: Path, image: np.ndarray) -> float:
    """Writes random weights in Matterport's layout; returns the score above which `OBJECTS` are found with them.

    The last scale of every residual block is small, as it is after training; activations would grow with depth.
    """
    keras.utils.set_random_seed(SEED)
    network = build_mask_rcnn(backbone="resnet50", image_shape=SHAPE, class_count=11)
    for block in chain.from_iterable(network.backbone.stages):
        block.expand.norm.gamma.assign(0.3 * block.expand.norm.gamma)
    write_weights(network, path)
    scores = detect(network, image, min_confidence=0.0).scores
    return float(scores[OBJECTS - 1 : OBJECTS + 1].mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measures our network beside its peers on one core.")
    parser.add_argument("command", nargs="?", choices=["setup"], help="make the environments instead of measuring")
    parser.add_argument("folder", type=Path, help="where the peers' environments lie")
    parser.add_argument("--source", default=SOURCE, help="repository of the TF2 port")
    arguments = parser.parse_args()
    if arguments.command == "setup":
        setup(arguments.folder, arguments.source)
        sys.exit()
    os.sched_setaffinity(0, {0})
    figures = compare(arguments.folder)
    print(json.dumps(figures, indent=2))
    sys.exit(not all(figures[work]["matterport"]["ours_per_theirs"] <= aim for work, aim in AIMS.items()))
