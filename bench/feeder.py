"""Measures what serving one training sample costs beyond decoding its PNG, and what each augmentation adds.

    python bench/feeder.py data/cityscapes training    a preprocessed split
    python bench/feeder.py                             a made-up image of 1024x2048 with 50 instances

Matterport's `load_image_gt` takes 3.1 CPU seconds for such a sample and its `build_rpn_targets` 1.5.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from maskrcnn.data.augmentation import make_augmenter
from maskrcnn.data.batches import Batches
from maskrcnn.data.records import Record, Records, read_records, write_records
from maskrcnn.readers.cityscapes import CITYSCAPES

REPEATS = 30
AUGMENTED = 100  # images; crops and flips leave every second one as it is
STRENGTHS = {"flip": 0.5, "crop": 0.2, "scale": 0.2, "color": 0.1, "blur": 1.0}
SHAPE, MINI_MASK_SHAPE = (1024, 2048), (56, 56)
INSTANCES, INSTANCE_CAP = 50, 128


def main(root: Path, records: Records) -> dict[str, float]:
    """Returns all costs of one image in milliseconds of CPU time of this process.

    Medians of `REPEATS` calls; of augmentations, means of `AUGMENTED` draws.
    """
    cv2.setNumThreads(1)
    batches = Batches(records, root, batch_size=1, instance_cap=INSTANCE_CAP)
    image, record = records.read_image(0, root), records[0]
    paths = [root / records[index].image_path for index in range(len(records))]
    decode = statistics.median(cpu_milliseconds(lambda i: cv2.imread(str(paths[i % len(paths)])), REPEATS))
    serve = statistics.median(cpu_milliseconds(lambda i: batches[i % len(batches)], REPEATS))
    costs = {"decode": decode, "serve": serve, "beyond_decoding": serve - decode}
    chosen = [[name] for name in STRENGTHS] + [["flip", "crop"], list(STRENGTHS)]
    for names in chosen:
        augment = make_augmenter({name: STRENGTHS[name] for name in names})
        times = cpu_milliseconds(lambda i, call=augment: call(image, record, np.random.default_rng(i)), AUGMENTED)
        costs["_".join(names)] = statistics.mean(times)
    return {f"{name}_ms": round(cost, 2) for name, cost in costs.items()}


def cpu_milliseconds(work: Callable[[int], object], repeats: int) -> list[float]:
    """Returns the CPU time of every call; the work is given the number of the call."""
    times = []
    for i in range(repeats):
        start = time.process_time()
        work(i)
        times.append(1e3 * (time.process_time() - start))
    return times


def make_split(root: Path) -> Records:
    """Writes one noisy image and a record of it, and returns the split."""
    dice = np.random.default_rng(1)
    smooth = cv2.resize(dice.integers(0, 255, (64, 128, 3), np.uint8), SHAPE[::-1])
    cv2.imwrite(str(root / "street.png"), smooth + dice.integers(0, 8, smooth.shape, np.uint8))
    corners = dice.integers(0, (900, 1800), (INSTANCES, 2), np.int32)
    sizes = dice.integers(10, 100, (INSTANCES, 2), np.int32)
    record = Record(
        name="street",
        image_path="street.png",
        boxes=np.concatenate([corners, corners + sizes], axis=1),
        class_ids=dice.integers(1, 11, INSTANCES).astype(np.int32),
        is_crowd=np.zeros(INSTANCES, bool),
        areas=dice.integers(50, 5000, INSTANCES).astype(np.int32),
        mini_masks=dice.random((INSTANCES, *MINI_MASK_SHAPE)) > 0.5,
        instance_ids=(26000 + np.arange(INSTANCES)).astype(np.int32),
        dropped=0,
        instance_png=np.empty(0, np.uint8),
    )
    write_records(root / "street.npz", [record], SHAPE, MINI_MASK_SHAPE, "stretch", CITYSCAPES)
    return read_records(root / "street.npz")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measures what serving one training sample costs.")
    parser.add_argument("root", nargs="?", type=Path, help="folder of the raw images")
    parser.add_argument("split", nargs="?", default="training", help="name of the preprocessed split")
    arguments = parser.parse_args()
    if arguments.root:
        result = main(arguments.root, read_records(Path(f"data/processed/{arguments.split}.npz")))
    else:
        with tempfile.TemporaryDirectory() as folder:
            result = main(Path(folder), make_split(Path(folder)))
    print(json.dumps(result, indent=2))
