"""Times the three protocols beside the official Cityscapes evaluator and Matterport's range of APs.

    python bench/evaluation.py      needs the environment of `make .venv-oracle`, or ORACLE_PYTHON

Images of 1024 x 2048 with 50 truths and 60 predictions. Prints JSON. Times are processor time on one
core; memory is the peak of a process that runs the whole stage on 500 images. The exit status is 0 if
an image takes at most a 30th of the official matching and a 100th of Matterport's range, and memory
stays below 500 MB.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from maskrcnn.data.records import Record, write_records
from maskrcnn.readers.cityscapes import CITYSCAPES, CLASS_IDS, LABEL_IDS
from maskrcnn.results.predictions import Predictions, decode_mask, encode_predictions, write_predictions
from maskrcnn.results.submission import write_submission
from maskrcnn.scoring.average_precision import score_per_image
from maskrcnn.scoring.cityscapes_ap import score_cityscapes
from maskrcnn.scoring.matches import match
from maskrcnn.scoring.overlaps import find_regions, measure_overlaps

REPOSITORY = Path(__file__).parents[1]
ORACLE = Path(os.environ.get("ORACLE_PYTHON", REPOSITORY / ".venv-oracle/bin/python"))
SHAPE = (1024, 2048)
TRUTHS, PREDICTIONS, IMAGES = 50, 60, 500
NAMES = ("car", "person", "rider", "bicycle")
CLASSES = {LABEL_IDS[name]: CLASS_IDS[name] for name in NAMES}


def main() -> bool:
    """Prints the figures; returns whether they meet the aims."""
    cv2.setNumThreads(1)
    scenes = [draw_scene(np.random.default_rng(seed)) for seed in range(5)]
    ours = time_ours(scenes)
    official = time_official(scenes[:2])
    matterport = time_matterport(*scenes[0])
    stage = run_stage(scenes)
    figures = {
        "ours_s_per_image": ours,
        "official_matching_s_per_image": official,
        "matterport_range_s_per_image": matterport,
        "times_faster_than_official": official / ours,
        "times_faster_than_matterport": matterport / ours,
        **stage,
    }
    print(json.dumps({key: round(value, 4) for key, value in figures.items()}, indent=2))
    return official / ours >= 30 and matterport / ours >= 100 and stage["stage_peak_mb"] < 500


def draw_scene(rng: np.random.Generator) -> tuple[np.ndarray, Predictions]:
    """Returns an instance map of ellipses, the nearer the larger, and what a fair network finds of them."""
    instance_map = np.full(SHAPE, LABEL_IDS["road"], np.uint16)
    for x in range(0, SHAPE[1], 64):
        instance_map[: rng.integers(200, 600), x : x + 64] = rng.choice([11, 21, 23])
    shapes = [draw_ellipse(rng, rng.integers(350, 700)) for _ in range(PREDICTIONS)]
    class_ids = rng.choice(list(CLASSES.values()), PREDICTIONS)
    labels = {class_id: label for label, class_id in CLASSES.items()}
    for number, (mask, class_id) in enumerate(zip(shapes[:TRUTHS], class_ids, strict=False)):
        instance_map[mask] = labels[class_id] * 1000 + number
    shifts = rng.integers(-4, 5, (PREDICTIONS, 2))
    masks = np.array([np.roll(mask, shift, (0, 1)) for mask, shift in zip(shapes, shifts, strict=True)])
    scores = rng.uniform(0.05, 1, PREDICTIONS)
    return instance_map, encode_predictions(np.zeros((PREDICTIONS, 4)), class_ids, scores, masks)


def draw_ellipse(rng: np.random.Generator, y: int) -> np.ndarray:
    """Returns a mask whose size grows with `y`."""
    mask = np.zeros(SHAPE, np.uint8)
    axes = int(rng.uniform(0.05, 0.2) * (y - 250)), int(rng.uniform(0.1, 0.3) * (y - 250))
    cv2.ellipse(mask, (int(rng.integers(SHAPE[1])), int(y)), axes, 0, 0, 360, 1, -1)
    return mask.astype(bool)


def time_ours(scenes: list[tuple[np.ndarray, Predictions]]) -> float:
    """Returns the seconds an image takes from map and run lengths to per-image and official AP."""
    start = time.process_time()
    overlaps = [measure_overlaps(find_regions(instance_map, CITYSCAPES), found) for instance_map, found in scenes]
    score_per_image([match(image) for image in overlaps], max(CLASSES.values()) + 1)
    score_cityscapes(overlaps, list(CLASSES.values()))
    return (time.process_time() - start) / len(scenes)


def time_official(scenes: list[tuple[np.ndarray, Predictions]]) -> float:
    """Returns the seconds an image takes in the matching of the official evaluator."""
    names = [f"munster_{index:06}_000019" for index in range(len(scenes))]
    label_ids = {class_id: label for label, class_id in CLASSES.items()}
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        (folder / "gt").mkdir()
        for name, (instance_map, _) in zip(names, scenes, strict=True):
            cv2.imwrite(str(folder / f"gt/{name}_gtFine_instanceIds.png"), instance_map)
        write_submission(folder / "predictions", names, [found for _, found in scenes], label_ids, SHAPE, SHAPE)
        command = [ORACLE, REPOSITORY / "tests/oracle/official.py", *NAMES]
        answer = subprocess.run(command, input=f"{folder}\n", capture_output=True, text=True, check=True).stdout
    return json.loads(answer)["matching_seconds"] / len(scenes)


def time_matterport(instance_map: np.ndarray, found: Predictions) -> float:
    """Returns the seconds of Matterport's overlaps, which its range of APs computes for each threshold.

    Full-size masks as float32 columns and their matrix product. Its matching would come on top.
    """
    truths = np.stack([instance_map == number for number in np.unique(instance_map) if number >= 1000], axis=-1)
    masks = np.stack([decode_mask(counts, SHAPE) for counts in found.rles], axis=-1)
    start = time.process_time()
    predicted = masks.reshape(-1, masks.shape[-1]).astype(np.float32)
    true = truths.reshape(-1, truths.shape[-1]).astype(np.float32)
    shared = predicted.T @ true
    _ = shared / (predicted.sum(axis=0)[:, None] + true.sum(axis=0) - shared)
    return 10 * (time.process_time() - start)


def run_stage(scenes: list[tuple[np.ndarray, Predictions]]) -> dict[str, float]:
    """Returns wall time and peak memory of the stage `evaluate` on many images, on one core."""
    with tempfile.TemporaryDirectory() as path:
        root = Path(path)
        records = [make_record(f"{index:03}", scenes[index % len(scenes)][0]) for index in range(IMAGES)]
        write_records(root / "data/processed/test.npz", records, SHAPE, (56, 56), "stretch", CITYSCAPES)
        predictions = [scenes[index % len(scenes)][1] for index in range(IMAGES)]
        write_predictions(root / "predictions/base.json", predictions, SHAPE)
        (root / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
        start = time.perf_counter()
        command = [sys.executable, REPOSITORY / "stages/evaluate.py", "base"]
        first_core = sorted(os.sched_getaffinity(0))[:1]
        with subprocess.Popen(
            command,
            cwd=root,
            preexec_fn=lambda: os.sched_setaffinity(0, first_core),
            stdout=subprocess.DEVNULL,
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"`stages/evaluate.py` must end well; got status {process.returncode}.")
    return {
        "stage_images": IMAGES,
        "stage_wall_s": time.perf_counter() - start,
        "stage_cpu_s": usage.ru_utime + usage.ru_stime,
        "stage_peak_mb": usage.ru_maxrss / 1024,
    }


def make_record(name: str, instance_map: np.ndarray) -> Record:
    """Returns a record of which the stage reads name and map."""
    nothing = np.zeros(1, np.int32)
    return Record(
        name=name,
        image_path=name,
        boxes=np.zeros((1, 4), np.int32),
        class_ids=nothing,
        is_crowd=nothing.astype(bool),
        areas=nothing,
        mini_masks=np.zeros((1, 56, 56), bool),
        instance_ids=nothing,
        dropped=0,
        instance_png=cv2.imencode(".png", instance_map)[1].reshape(-1),
    )


if __name__ == "__main__":
    sys.exit(not main())
