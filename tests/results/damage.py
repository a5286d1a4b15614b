"""Damaged files of predictions, proposals and scores; `python -m tests.results.damage COUNT` tries many by hand.

A file is damaged in its bytes, or one of its values is replaced by one of `BAD`. All follows from a number.
"""

import json
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from maskrcnn.data.records import Records, read_records, write_records
from maskrcnn.project.errors import InputError
from maskrcnn.project.metrics import read_metrics
from maskrcnn.readers.cityscapes import CITYSCAPES
from maskrcnn.results.predictions import decode_mask, encode_predictions, read_predictions, write_predictions
from maskrcnn.results.proposals import read_proposals
from maskrcnn.scoring.overlaps import find_regions, measure_overlaps
from tests.stages.scored import make_record

SHAPE = (40, 60)
NAMES = ("munster_000000_000019", "munster_000001_000019")
# JSON texts that take the place of a value.
BAD = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e308", "-1e308", "1e-999", "-0", "-0.0", "9" * 400, "9" * 5000,
    "-" + "9" * 5000, "0." + "1" * 5000, "18446744073709551616", "9223372036854775807", "-9223372036854775808",
    "2147483648", "4294967296", "-1", "0", "1.0", "2", "null", "true", "false", '""', '"x"', '"\\ud800"', '"\\u0000"',
    '"' + "x" * 100_000 + '"', "[]", "{}", "[[]]", '{"": ""}', "[" * 100_000, "[" * 100_000 + "]" * 100_000,
    '{"a":' * 100_000, "[" * 900 + "]" * 900, "[0,0,0,0]", "[1e308,1e308,1e308,1e308]", "[0,0,1e18,1e18]",
    "[null,0,1,1]", '[40,60]', "[60,40]", "[40.0,60]", "[1000000000,1000000000]", "[-40,-60]", "[0,0]", "[true,60]",
    '{"size":[40,60],"counts":""}', '{"size":[40,60],"counts":"o"}', '{"size":[40,60],"counts":[2400]}',
    '{"size":[40,60],"counts":"PPPPPPPPPPPPPPPPPPPPPPPP"}', '{"size":[40,60],"counts":"ooooo1"}',
    '{"size":[40,60],"counts":"PPP1PPP1"}', '{"size":[1000000000,1000000000],"counts":"0"}', '{"a":1,"a":2}',
    '{"size":[40,60],"counts":"\\ud800"}', '{"size":[40,60],"counts":"' + "0" * 100_000 + '"}',
)  # fmt: skip


def write_files(folder: Path) -> dict[str, bytes]:
    """Writes records and returns whole files of each kind."""
    maps = [np.full(SHAPE, 7, np.uint16) for _ in NAMES]
    maps[0][5:20, 5:25] = 26000
    path = folder / "test.npz"
    records = [make_record(name, image) for name, image in zip(NAMES, maps, strict=True)]
    write_records(path, records, SHAPE, (56, 56), "stretch", CITYSCAPES)
    masks = np.random.default_rng(0).random((4, *SHAPE)) < 0.3
    found = encode_predictions(np.ones((4, 4)), np.array([1, 2, 3, 1]), np.array([0.9, 0.5, 0.25, 0.125]), masks)
    write_predictions(folder / "found.json", [found, found], SHAPE, read_records(path))
    boxes = [[0, 1, 20, 30], [4.5, 5, 6, 7]]
    return {
        "predictions": (folder / "found.json").read_bytes(),
        "proposals": json.dumps(dict.fromkeys(NAMES, boxes)).encode(),
        "scores": json.dumps({"AP50": 0.5, "rAP": 0.25, "images": 60, "test_set": 4166011719}).encode(),
    }


def damage(content: bytes, seed: int) -> bytes:
    """Returns a file with one to three faults."""
    random = np.random.default_rng(seed)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        content = (replace_value if random.random() < 0.6 else change_bytes)(content, random)
    return content


def replace_value(content: bytes, random: np.random.Generator) -> bytes:
    """Replaces a value, or a key and its value, by one of `BAD`, where the text is still JSON."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return change_bytes(content, random)
    mark, bad = "@replaced@", BAD[random.integers(len(BAD))]
    place: Any = value
    while isinstance(place, list | dict) and place:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = keys[random.integers(len(keys))]
        if not isinstance(place[key], list | dict) or not place[key] or random.random() < 0.2:
            place[key] = mark
            break
        place = place[key]
    text = json.dumps(value)
    text = text.replace(f'"{mark}"', bad)
    if random.random() < 0.1:
        text = text.replace('{"', '{"AP50": 1, "AP50": 1, "', 1)
    return text.encode("utf-8", "surrogatepass")


def change_bytes(content: bytes, random: np.random.Generator) -> bytes:
    """Changes, removes, repeats or inserts some bytes."""
    start = int(random.integers(len(content) + 1))
    stop = min(len(content), start + int(random.integers(1, 40)))
    part = content[start:stop]
    ways: list[Callable[[], bytes]] = [
        lambda: content[:start],
        lambda: content[:start] + content[stop:],
        lambda: content[:stop] + part * 3 + content[stop:],
        lambda: content[:start] + random.bytes(stop - start) + content[stop:],
        lambda: content[:start] + bytes(len(part)) + content[stop:],
        lambda: content[:start] + BAD[random.integers(len(BAD))].encode() + content[start:],
        lambda: content[:start] + bytes(random.permutation(list(part)).tolist()) + content[stop:],
    ]
    return ways[random.integers(len(ways))]()


def use(kind: str, path: Path, records: Records) -> None:
    """Reads a file and uses what it holds as the stages do."""
    if kind == "proposals":
        read_proposals(path)
    elif kind == "scores":
        read_metrics(path, "evaluate@base")
    else:
        for index, found in enumerate(read_predictions(path, len(NAMES), SHAPE, 11, records)):
            overlaps = measure_overlaps(find_regions(records.instance_map(index), CITYSCAPES), found)
            assert np.isfinite(overlaps.ious).all() and np.isfinite(overlaps.boxes_px).all()
            for counts in found.rles:
                decode_mask(counts, SHAPE)


def try_files(folder: Path, seeds: range) -> Iterator[tuple[str, str | None, float]]:
    """Yields the kind of each file, what it is refused with, and the seconds that this took.

    Raises:
        Exception: other than an `InputError` that names the file, with the number of the damage.
    """
    whole = write_files(folder)
    records = read_records(folder / "test.npz")
    path = folder / "damaged.json"
    for seed in seeds:
        kind = list(whole)[seed % len(whole)]
        path.write_bytes(damage(whole[kind], seed))
        start = time.perf_counter()
        refusal = None
        try:
            use(kind, path, records)
        except InputError as fault:
            refusal = str(fault)
            assert path.name in refusal and len(refusal) < 800, f"seed {seed}: {refusal[:800]}"
        except Exception as fault:
            raise RuntimeError(f"seed {seed}, {kind}") from fault
        yield kind, refusal, time.perf_counter() - start


def main(count: int) -> None:
    """Tries many files and prints how many were refused, the slowest, and the peak of memory."""
    warnings.simplefilter("error")
    tried: Counter[str] = Counter()
    slowest = 0.0
    with TemporaryDirectory() as folder:
        for kind, refusal, seconds in try_files(Path(folder), range(count)):
            tried[f"{kind} {'read' if refusal is None else 'refused'}"] += 1
            slowest = max(slowest, seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{sum(tried.values())} files, slowest {slowest:.3f} s, peak {peak:.2f} GB:", dict(sorted(tried.items())))


if __name__ == "__main__":
    main(int(sys.argv[1]))
