"""Times the report on a synthetic city of 1024 x 2048 with five variants of made-up predictions.

    python bench/report.py                 174 images, as many as the real test split
    python bench/report.py --images 24     fewer

Distinct frames are drawn once and repeated, each under a name of its own: drawing is not what is timed. Prints JSON and
writes it to `bench/results/report.json`: seconds of the stage and of its processors, the size of the page, and where
Chromium and its driver are installed the milliseconds until the browser first painted the page. The exit status is 0 if
174 images take under three minutes, or fewer images their share of it, and the paint under a second.
"""

import json
import shutil
import sys
import tempfile
import time
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # stages/ is no installed package

from maskrcnn.data.records import Record, build_record, write_records
from maskrcnn.project.files import write_text
from maskrcnn.readers.cityscapes import CITYSCAPES, read_frames
from maskrcnn.results.predictions import Predictions, encode_parts, write_predictions
from maskrcnn.results.proposals import write_proposals
from maskrcnn.street.synthetic import write_city
from stages import ceilings, evaluate, report

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results/report.json"
SHAPE = (1024, 2048)
VARIANTS = ("base", "flip", "flip_crop", "unfreeze_backbone", "freeze_rpn_fpn")
REAL_COUNT, MAX_SECONDS, MAX_PAINT_MS = 174, 180, 1000
DISTINCT = 12
GUESSES = 4  # predictions for each truth, so that an image has about as many as one of Cityscapes
HISTORY = "epoch,loss,val_loss\n" + "".join(f"{epoch},{3 / epoch},{4 / epoch}\n" for epoch in range(1, 101))


def main(count: int) -> bool:
    """Prints the times; returns whether they meet the aims."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found = write_study(root, count)
        start, busy = time.perf_counter(), time.process_time()
        report.main(root)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        size = sum(path.stat().st_size for path in (root / "report").rglob("*") if path.is_file())
        figures = {
            "images": count,
            "predictions": found,
            "seconds": round(seconds, 1),
            "processor_seconds": round(busy, 1),
            "megabytes": round(size / 1e6, 1),
            "paint_ms": time_paint(root / "report/index.html"),
        }
    print(json.dumps(figures, indent=2))
    write_text(RESULT, json.dumps(figures, indent=2) + "\n")
    return seconds < MAX_SECONDS * count / REAL_COUNT and (figures["paint_ms"] or 0) < MAX_PAINT_MS


def write_study(root: Path, count: int) -> int:
    """Writes a study that was scored; returns the number of its predictions."""
    records = draw_records(root, count)
    write_records(root / "data/processed/test.npz", records, SHAPE, (56, 56), "stretch", CITYSCAPES)
    params = YAML().load(ROOT / "params.yaml")
    params["data"] |= {"root": "data/city", "image_shape": list(SHAPE)}
    params["synthesize"] = {}
    YAML().dump(params, root / "params.yaml")
    total = 0
    for seed, name in enumerate(VARIANTS):
        rng = np.random.default_rng(seed)
        predictions = [guess(rng, record) for record in records]
        total += sum(map(len, predictions))
        write_predictions(root / f"predictions/{name}.json", predictions, SHAPE)
        boxes = {record.name: np.tile(record.boxes, (10, 1)) for record in records}
        write_proposals(root / f"predictions/proposals/{name}.json", boxes)
        evaluate.main(name, root)
    ceilings.main(root)
    write_findings(root, params, records)
    return total


def draw_records(root: Path, count: int) -> list[Record]:
    """Draws the distinct frames; returns as many records as asked for."""
    write_city(root / "data/city", "val", "munster", min(DISTINCT, count), SHAPE, "city", 2021)
    frames, _ = read_frames(root / "data/city", "leftImg8bit/val", "gtFine/val", image_shape=SHAPE)
    distinct = [build_record(frame, SHAPE, (56, 56), "stretch", instance_map=True) for frame in frames]
    return [replace(distinct[index % len(distinct)], name=f"munster_{index:06}_000019") for index in range(count)]


def guess(rng: np.random.Generator, record: Record) -> Predictions:
    """Returns made-up predictions: the truths' masks moved by some pixels, some far off, some of another class."""
    instance_map = cv2.imdecode(record.instance_png, cv2.IMREAD_UNCHANGED)
    boxes, class_ids, parts = [], [], []
    for box, class_id, instance_id in zip(record.boxes, record.class_ids, record.instance_ids, strict=True):
        y1, x1, y2, x2 = box.tolist()
        for spread in np.linspace(0, 60, GUESSES):
            shift = np.rint(rng.normal(0, spread, 2)).astype(int)
            top, left = np.clip(np.array((y1, x1)) + shift, 0, np.array(SHAPE) - (y2 - y1, x2 - x1)).tolist()
            boxes.append((top, left, top + y2 - y1, left + x2 - x1))
            class_ids.append(class_id if rng.random() < 0.9 else 1 + class_id % 8)
            parts.append(instance_map[y1:y2, x1:x2] == instance_id)
    array = np.array(boxes, int).reshape(-1, 4)
    return encode_parts(array, np.array(class_ids, int), rng.uniform(0.3, 1, len(parts)), parts, SHAPE)


def write_findings(root: Path, params: dict[str, object], records: list[Record]) -> None:
    """Writes made-up figures of tuning and training, and the published ones."""
    shutil.copytree(ROOT / "metrics/published_2021", root / "metrics/published_2021")
    counts = {"images": len(records), "images_without": 0, "crowds": 0, "dropped": 0}
    counts["instances"] = sum(len(record.boxes) for record in records)
    for split in params["splits"]:  # type: ignore[attr-defined]
        write_text(root / f"metrics/data/{split}.json", json.dumps(counts))
    head, *rows = HISTORY.splitlines()
    losses = "\n".join([f"variant,{head}", *(f"{name},{row}" for name in VARIANTS for row in rows)])
    write_text(root / "plots/tables/losses.csv", losses + "\n")
    curves = [(root / f"plots/curves/{name}.csv").read_text().splitlines() for name in VARIANTS]
    joined = [f"variant,{curves[0][0]}"]
    joined += [f"{name},{line}" for name, lines in zip(VARIANTS, curves, strict=True) for line in lines[1:]]
    write_text(root / "plots/tables/precision_recall.csv", "\n".join(joined) + "\n")
    write_text(root / "plots/tables/learning_rates.csv", "candidate,learning_rate,val_loss\nreference,0.01,1.5\n")
    trials = "search,trial,epoch,learning_rate,momentum,weight_decay,val_loss\nsgd,0,1,0.001,0.9,0.0001,1.5\n"
    write_text(root / "plots/tables/trials.csv", trials)
    reached = "search,trial,learning_rate,momentum,weight_decay,val_loss\nsgd,0,0.001,0.9,0.0001,1.5\n"
    write_text(root / "plots/tables/searches.csv", reached)
    write_text(root / "plots/tables/classes.csv", "split,class,instances\ntest,car,900\n")
    write_text(root / "tuning/coarse_best.yaml", "comparisons: {}\nintervals: {}\n")
    write_text(root / "tuning/selected.yaml", "optimizer: sgd\n")
    write_text(root / "tuning/selected_why.yaml", "found: made up\noverruled: {}\n")


def time_paint(page: Path) -> float | None:
    """Returns the milliseconds until the browser first painted the page; None without Chromium."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return None
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1440,900"):
        options.add_argument(f"--{argument}")
    driver = Chrome(options, Service(shutil.which("chromedriver")))
    try:
        driver.get(page.as_uri())
        time.sleep(1)
        entries = "return performance.getEntriesByName('first-contentful-paint').map((one) => one.startTime)"
        return round(driver.execute_script(entries)[0], 1)
    finally:
        driver.quit()


if __name__ == "__main__":
    parser = ArgumentParser(description="Times the report of a split at full size.")
    parser.add_argument("--images", type=int, default=REAL_COUNT)
    sys.exit(not main(parser.parse_args().images))
