"""Measures what serving one training sample costs beyond decoding its PNG, and how fast several threads serve.

    python bench/feeder.py data/cityscapes training    costs of a preprocessed split
    python bench/feeder.py                             costs of a made-up image of 1024x2048 with 50 instances
    python bench/feeder.py --threads 8                 images/s of 1, 2, 4 and 8 threads, from made-up PNG files

Matterport's `load_image_gt` takes 3.1 CPU seconds for such a sample and its `build_rpn_targets` 1.5.
The last one also writes `bench/results/feeder.json`.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from maskrcnn.data.augmentation import make_augmenter
from maskrcnn.data.batches import Batches
from maskrcnn.data.image_cache import open_cache
from maskrcnn.data.read_ahead import count_cores
from maskrcnn.data.records import Record, Records, read_records, write_records
from maskrcnn.project.files import write_text
from maskrcnn.readers.cityscapes import CITYSCAPES

REPEATS = 30
AUGMENTED = 100  # images; crops and flips leave every second one as it is
STRENGTHS = {"flip": 0.5, "crop": 0.2, "scale": 0.2, "color": 0.1, "blur": 1.0}
SHAPE, MINI_MASK_SHAPE = (1024, 2048), (56, 56)
INSTANCES, INSTANCE_CAP = 50, 128

RESULT = Path(__file__).parent / "results/feeder.json"
PHOTOS = 8  # different files
SERVED = 24  # images for each figure of a round
ROUNDS = 6  # the first is not counted
AUGMENTS: dict[str, dict[str, float]] = {"plain": {}, "flip": {"flip": 0.5}, "all": STRENGTHS}
NOTE = "medians of rounds in which all feeders are measured by turns; times_one_thread compares within a round"
WANTED = 90  # images/s, what one H200 trains on at this size (bfloat16, batch 4)


def main(root: Path, records: Records) -> dict[str, float]:
    """Returns all costs of one image in milliseconds of CPU time of this process.

    Medians of `REPEATS` calls; of augmentations, means of `AUGMENTED` draws.
    """
    cv2.setNumThreads(1)
    batches = Batches(records, root, batch_size=1, instance_cap=INSTANCE_CAP, workers=1)
    image, record = records.read_image(0, root), records[0]
    chosen = [[name] for name in STRENGTHS] + [["flip", "crop"], list(STRENGTHS)]
    augmenters = {"_".join(names): make_augmenter({name: STRENGTHS[name] for name in names}) for names in chosen}
    for augment in augmenters.values():
        augment(image, record, np.random.default_rng(0))  # imports imgaug
    paths = [root / records[index].image_path for index in range(len(records))]
    decode = statistics.median(cpu_milliseconds(lambda i: cv2.imread(str(paths[i % len(paths)])), REPEATS))
    serve = statistics.median(cpu_milliseconds(lambda i: batches[i % len(batches)], REPEATS))
    costs = {"decode": decode, "serve": serve, "beyond_decoding": serve - decode}
    for names, augment in augmenters.items():
        times = cpu_milliseconds(lambda i, call=augment: call(image, record, np.random.default_rng(i)), AUGMENTED)
        costs[names] = statistics.mean(times)
    return {f"{name}_ms": round(cost, 2) for name, cost in costs.items()}


def cpu_milliseconds(work: Callable[[int], object], repeats: int) -> list[float]:
    """Returns the CPU time of every call; the work is given the number of the call."""
    times = []
    for i in range(repeats):
        start = time.process_time()
        work(i)
        times.append(1e3 * (time.process_time() - start))
    return times


def measure_threads(most: int, folder: Path) -> dict[str, object]:
    """Returns what 1, 2, 4, ... threads serve, each with and without augmentation and cache.

    All of them are measured by turns, so that other work on the machine slows all of them alike.

    Args:
        most: Threads to try at most.
        folder: Empty; images and cache are written there.
    """
    records = make_photos(folder)
    threads = [count for count in (1, 2, 4, 8, 16) if count <= most]
    cache = open_cache(folder / "cache", folder, [records])
    feeders = {
        (count, name, is_cached): partial(
            Batches,
            records,
            folder,
            batch_size=1,
            instance_cap=INSTANCE_CAP,
            steps=10**6,
            seed=1,
            augment=AUGMENTS[name],
            workers=count,
            cache=cache if is_cached else None,
        )
        for count, name, is_cached in product(threads, AUGMENTS, (False, True))
    }
    rounds = [{key: serve(make()) for key, make in feeders.items()} for _ in range(ROUNDS)][1:]
    return {
        f"{name}{'_cached' if is_cached else ''}": {
            f"{count}_threads": summarize(
                [row[count, name, is_cached] for row in rounds], [row[1, name, is_cached] for row in rounds]
            )
            for count in threads
        }
        for name, is_cached in product(AUGMENTS, (False, True))
    }


def serve(batches: Batches) -> tuple[float, float]:
    """Returns images per second and CPU seconds per image of a feeder whose consumer never waits for anything else."""
    batches[0]  # starts the threads
    wall, cpu = time.perf_counter(), time.process_time()
    for index in range(1, SERVED + 1):
        batches[index]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    batches.close()  # what is still being read would slow the next feeder
    return SERVED / wall, cpu / SERVED


def summarize(served: list[tuple[float, float]], by_one: list[tuple[float, float]]) -> dict[str, object]:
    """Returns medians, quartiles, and how many cores would serve `WANTED` images per second.

    Args:
        served: Images per second and CPU seconds per image, of every round.
        by_one: The same of one thread.
    """
    rates, costs = zip(*served, strict=True)
    ratios = [rate / one for rate, (one, _) in zip(rates, by_one, strict=True)]
    cost = statistics.median(costs)
    return {
        "images_per_s": round(statistics.median(rates), 1),
        "quartiles": [round(rate, 1) for rate in np.quantile(rates, (0.25, 0.75))],
        "times_one_thread": round(statistics.median(ratios), 2),
        "times_one_thread_quartiles": [round(ratio, 2) for ratio in np.quantile(ratios, (0.25, 0.75))],
        "cpu_ms_per_image": round(1e3 * cost, 2),
        f"cores_for_{WANTED}_images_per_s": math.ceil(WANTED * cost),
    }


def make_photos(root: Path, shape: tuple[int, int] = SHAPE) -> Records:
    """Writes noisy PNG files, of about 2.3 MB at 1024x2048, and their records, and returns the split."""
    records = []
    for number in range(PHOTOS):
        dice = np.random.default_rng(number)
        smooth = cv2.resize(dice.integers(0, 128, (32, 64), np.uint8), shape[::-1])[..., None]
        cv2.imwrite(str(root / f"street_{number}.png"), smooth + dice.integers(0, 3, (*shape, 3), np.uint8))
        records.append(make_record(f"street_{number}", dice, shape))
    return write_split(root, records, shape)


def make_split(root: Path) -> Records:
    """Writes one noisy image and a record of it, and returns the split."""
    dice = np.random.default_rng(1)
    smooth = cv2.resize(dice.integers(0, 255, (64, 128, 3), np.uint8), SHAPE[::-1])
    cv2.imwrite(str(root / "street.png"), smooth + dice.integers(0, 8, smooth.shape, np.uint8))
    return write_split(root, [make_record("street", dice)])


def make_record(name: str, dice: np.random.Generator, shape: tuple[int, int] = SHAPE) -> Record:
    """Returns a record of instances at random places, of a hundredth to a tenth of the image's height."""
    sizes = dice.integers(shape[0] // 100, shape[0] // 10, (INSTANCES, 2), np.int32)
    corners = dice.integers(0, np.array(shape) - sizes, dtype=np.int32)
    return Record(
        name=name,
        image_path=f"{name}.png",
        boxes=np.concatenate([corners, corners + sizes], axis=1),
        class_ids=dice.integers(1, 11, INSTANCES).astype(np.int32),
        is_crowd=np.zeros(INSTANCES, bool),
        areas=sizes.prod(axis=1),
        mini_masks=dice.random((INSTANCES, *MINI_MASK_SHAPE)) > 0.5,
        instance_ids=(26000 + np.arange(INSTANCES)).astype(np.int32),
        dropped=0,
        instance_png=np.empty(0, np.uint8),
    )


def write_split(root: Path, records: list[Record], shape: tuple[int, int] = SHAPE) -> Records:
    """Writes records and reads them again."""
    write_records(root / "split.npz", records, shape, MINI_MASK_SHAPE, "stretch", CITYSCAPES)
    return read_records(root / "split.npz")


def describe_machine() -> str:
    """Returns the processor's name and how many of its cores this process may use."""
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{lines[0].partition(':')[2].strip() if lines else 'unknown processor'}, {count_cores()} cores"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measures what serving one training sample costs.")
    parser.add_argument("root", nargs="?", type=Path, help="folder of the raw images")
    parser.add_argument("split", nargs="?", default="training", help="name of the preprocessed split")
    parser.add_argument("--threads", type=int, help="measure images/s of up to that many threads instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.threads:
            figures = measure_threads(min(arguments.threads, count_cores()), Path(folder))
            result = {"date": f"{date.today()}", "device": describe_machine(), "note": NOTE, "feeder.py": figures}
            write_text(RESULT, json.dumps(result, indent=2) + "\n")
        elif arguments.root:
            result = main(arguments.root, read_records(Path(f"data/processed/{arguments.split}.npz")))
        else:
            result = main(Path(folder), make_split(Path(folder)))
    print(json.dumps(result, indent=2))
