"""Compares two ways of choosing a truth's best anchor: all that are equally good, or the one nearest to its centre.

    python bench/anchor_ties.py             the variant base of the demo, seeds 1 to 3 of each

`make demo` must have run before. A truth smaller than an anchor has as many equally good anchors as contain it.
Reported are the scores, and the share of the test split's small truths that were found, at IoU 0.5 and with the right
class.
Writes bench/results/anchor_ties.json.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from precision import REPOSITORY, run, summarize
from ruamel.yaml import YAML

sys.path.insert(0, str(REPOSITORY))  # stages/ is no installed package

from maskrcnn.data.records import read_records
from maskrcnn.results.predictions import read_predictions
from stages.evaluate import measure

TRAINED_BY = {"all": "stages/train.py", "nearest": "bench/sides/one_best_anchor.py"}
SMALL = 12**2  # pixels: the area of the smallest anchors of the demo
SEEDS = (1, 2, 3)


def main(variant: str = "base") -> None:
    """Trains and scores both ways with every seed, seed by seed."""
    params = YAML().load(REPOSITORY / "params.yaml")
    runs: dict[str, list[dict]] = {way: [] for way in TRAINED_BY}
    for seed in SEEDS:
        for way, script in TRAINED_BY.items():
            params["train"]["schedule"]["seed"] = seed
            runs[way].append({"seed": seed, **run(variant, params, script, {"small_found": find_small})})
            print(way, runs[way][-1], flush=True)
    result = {way: summarize(of_way, ("AP50", "rAP", "small_found")) for way, of_way in runs.items()}
    content = {"date": time.strftime("%Y-%m-%d"), "variant": variant, "small_px": SMALL, **result}
    (REPOSITORY / "bench/results/anchor_ties.json").write_text(json.dumps(content, indent=2) + "\n")


def find_small(root: Path, variant: str) -> float:
    """Returns the share of the small truths of the test split that the variant found."""
    records = read_records(root / "data/processed/test.npz")
    path = root / f"predictions/{variant}.json"
    predictions = read_predictions(path, len(records), records.image_shape, len(records.catalogue.class_names))
    found: list[bool] = []
    for image in measure(records, predictions)[0]:
        right = (image.ious >= 0.5) & (image.class_ids[:, None] == image.truth_class_ids)
        found += right.any(axis=0)[image.truth_areas < SMALL].tolist()
    return float(np.mean(found))


if __name__ == "__main__":
    main()
