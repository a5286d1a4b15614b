"""Runs the official Cityscapes evaluator on folders; prints one line of JSON for each.

Standard input names a folder on each line: `gt/NAME_gtFine_instanceIds.png` and `predictions/NAME.txt`.
The answer holds `class_ap[threshold][label]`, null where the evaluator has none, and its own averages.
Runs in the environment of requirements/oracle.txt and imports nothing of this repository.
"""

import contextlib
import io
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as official
from cityscapesscripts.evaluation.instances2dict import instances2dict


def evaluate(folder, labels):
    """Returns the AP at every threshold and label, and the averages."""
    args = official.args
    args.quiet, args.instLabels, args.predictionPath = True, labels, str(folder / "predictions")
    truths = sorted(str(path) for path in (folder / "gt").glob("*.png"))
    texts = [str(folder / "predictions" / (Path(path).name.split("_gtFine")[0] + ".txt")) for path in truths]
    instances = instances2dict(truths)
    start = time.process_time()
    matches = official.matchGtWithPreds(texts, truths, instances, args)
    seconds = time.process_time() - start
    class_ap = np.array([[evaluate_one(matches, label, overlap) for label in labels] for overlap in OVERLAPS])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mean of nothing
        averages = official.computeAverages(class_ap.T[None], args)
    scores = {"AP": averages["allAp"], "AP50": averages["allAp50%"], "matching_seconds": seconds}
    return {"class_ap": class_ap.tolist(), **scores}


def evaluate_one(matches, label, overlap):
    """Returns the AP of one label at one threshold; 0 where the evaluator stops, see `cityscapes_ap.py`."""
    args = official.args
    args.instLabels, args.overlaps = [label], np.array([overlap])
    try:
        return official.evaluateMatches(matches, args)[0, 0, 0]
    except IndexError:
        return 0.0
    finally:
        args.instLabels, args.overlaps = ALL_LABELS, OVERLAPS


OVERLAPS = official.args.overlaps
ALL_LABELS = sys.argv[1:]

for line in sys.stdin:
    with contextlib.redirect_stdout(io.StringIO()):
        answer = evaluate(Path(line.rstrip("\n")), ALL_LABELS)
    print(json.dumps(answer), flush=True)
