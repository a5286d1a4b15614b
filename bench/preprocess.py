"""Times polygons to records and the check of pixels on one core, beside the drawing of cityscapesScripts.

    python bench/preprocess.py          made-up frames of 1024 x 2048, denser than any of Cityscapes
    python bench/preprocess.py FOLDER   the frames of a folder with leftImg8bit/ and gtFine/

Prints JSON. Times are processor time, which other busy processes hardly change. Where published instance maps
lie beside the polygons, also counts the pixels of instances that differ from them. The exit status is 0
if drawing takes under 100 ms an image, a core makes at least 5 records a second, and no pixel differs.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median

import cv2
import numpy as np
from cityscapesscripts.helpers.annotation import Annotation as TheirAnnotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage

from maskrcnn.data.image_files import check_pixels
from maskrcnn.data.records import build_record
from maskrcnn.readers.cityscapes import (
    CLASS_NAMES,
    Annotation,
    CityscapesFrame,
    make_frame,
    paint_instances,
    read_annotation,
    read_frames,
)

SHAPE = (1024, 2048)
MAX_DRAW_MS, MIN_RECORDS_PER_S = 100, 5
STUFF = ("road", "sidewalk", "building", "vegetation", "sky", "pole", "terrain")


def main(root: Path | None) -> bool:
    """Prints the times; returns whether they meet the aims."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        frames = list_frames(root) if root else make_frames(Path(folder), count=8)
        figures = measure(frames)
    print(json.dumps(figures, indent=2))
    is_fast = figures["draw_ms"] < MAX_DRAW_MS and figures["records_per_s"] >= MIN_RECORDS_PER_S
    return is_fast and not figures["instance_pixels_unlike"]


def list_frames(root: Path) -> list[CityscapesFrame]:
    """Returns all frames of a folder that lies as Cityscapes does."""
    folders = [path.name for path in (root / "leftImg8bit").glob("*") if path.is_dir()]
    found = [read_frames(root, f"leftImg8bit/{name}", f"gtFine/{name}", image_shape=SHAPE)[0] for name in folders]
    return [frame for frames in found for frame in frames]


def measure(frames: list[CityscapesFrame]) -> dict[str, float]:
    """Returns milliseconds of drawing and of whole records, and what the polygons amount to."""
    annotations = [read_annotation(frame.polygons_path, SHAPE) for frame in frames]
    drawing = [time_call(lambda item=item: paint_instances(item)) for item in annotations]
    records = [time_call(lambda frame=frame: build_record(frame, SHAPE, (56, 56), "stretch", True)) for frame in frames]
    checks = [time_call(lambda frame=frame: check_pixels(frame.image_path)) for frame in frames]
    theirs = [time_call(lambda item=item: createInstanceImage(item, "ids")) for item in map(read_their_way, frames)]
    return {
        "images": len(frames),
        "objects_per_image": mean(len(item.objects) for item in annotations),
        "points_per_image": mean(sum(len(thing.polygon) for thing in item.objects) for item in annotations),
        "draw_ms": round(mean(drawing), 1),
        "slowest_draw_ms": round(max(drawing), 1),
        "cityscapesScripts_draw_ms": round(mean(theirs), 1),
        "record_ms": round(mean(records), 1),
        "records_per_s": round(1000 / mean(records), 1),
        "check_pixels_ms": round(mean(checks), 1),
        "checks_per_s": round(1000 / mean(checks), 1),
    } | compare_published(frames, annotations)


def compare_published(frames: list[CityscapesFrame], annotations: list[Annotation]) -> dict[str, int]:
    """Returns how many pixels of instances differ from the published maps, where there are any."""
    compared, unlike = 0, 0
    for frame, annotation in zip(frames, annotations, strict=True):
        path = Path(str(frame.polygons_path).replace("_polygons.json", "_instanceIds.png"))
        if path.is_file():
            published, painted = cv2.imread(str(path), cv2.IMREAD_UNCHANGED), paint_instances(annotation)
            compared += 1
            is_instance = np.maximum(published, painted) >= 1000
            unlike += int(np.count_nonzero(is_instance & (published != painted)))
    return {"compared_with_published": compared, "instance_pixels_unlike": unlike}


def time_call(call: Callable[[], object], repeats: int = 3) -> float:
    """Returns the median processor time of a call in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * median(times)


def read_their_way(frame: CityscapesFrame) -> TheirAnnotation:
    """Returns the annotation as cityscapesScripts reads it."""
    annotation = TheirAnnotation()
    annotation.fromJsonFile(str(frame.polygons_path))
    return annotation


def make_frames(root: Path, count: int) -> list[CityscapesFrame]:
    """Writes made-up frames of 200 objects and about 10,000 points, a fifth of them large."""
    rng = np.random.default_rng(2021)
    # Smooth noise with grain: a PNG of 4 MB; those of Cityscapes have 2.3 MB.
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (*SHAPE, 3), np.uint8), (0, 0), 3).astype(int)
    pixels = np.clip(4 * smooth - 384 + rng.integers(-3, 4, smooth.shape), 0, 255).astype(np.uint8)
    ok, image = cv2.imencode(".png", pixels)
    assert ok
    names = [f"cologne/cologne_{index:06}_000019" for index in range(count)]
    frames = [make_frame(root, "leftImg8bit/train", "gtFine/train", name, SHAPE) for name in names]
    for frame in frames:
        objects = [make_object(rng, rng.choice(STUFF), radius=rng.uniform(200, 700)) for _ in range(40)]
        objects += [make_object(rng, rng.choice(CLASS_NAMES[1:]), radius=rng.uniform(5, 120)) for _ in range(160)]
        frame.image_path.parent.mkdir(parents=True, exist_ok=True)
        frame.polygons_path.parent.mkdir(parents=True, exist_ok=True)
        frame.image_path.write_bytes(image.tobytes())
        frame.polygons_path.write_text(json.dumps({"imgHeight": SHAPE[0], "imgWidth": SHAPE[1], "objects": objects}))
    return frames


def make_object(rng: np.random.Generator, label: str, radius: float) -> dict[str, object]:
    """Returns a ragged star of 50 points around a random centre."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, 50))
    arms = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(0.6, 1.0, (50, 1)) * radius
    points = np.rint(arms + rng.uniform((0, 0), SHAPE[::-1])).astype(int)
    return {"label": str(label), "polygon": points.tolist()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times polygons to records on one core.")
    parser.add_argument("root", nargs="?", type=Path, help="a folder with leftImg8bit/ and gtFine/")
    sys.exit(not main(parser.parse_args().root))
