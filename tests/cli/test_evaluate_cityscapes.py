"""`maskrcnn evaluate` against a folder gtFine: submissions and results, and what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from maskrcnn.__main__ import main
from maskrcnn.readers.cityscapes import CLASS_IDS, LABEL_IDS
from maskrcnn.results.predictions import encode_mask, encode_predictions
from maskrcnn.results.submission import write_submission

SHAPE = (256, 512)
NAMES = ("munster_000000_000019", "munster_000001_000019")
CARS = ((20, 20, 60, 100), (20, 120, 60, 200), (80, 20, 120, 100))
RIDER = (150, 300, 200, 330)


def outline(box: tuple[int, int, int, int]) -> list[list[int]]:
    """Returns the corners of a polygon that is painted as this box, outer edge excluded."""
    y1, x1, y2, x2 = box
    return [[x1, y1], [x2 - 1, y1], [x2 - 1, y2 - 1], [x1, y2 - 1]]


def paint(box: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """Two images with three cars and a rider each."""
    folder = tmp_path / "gtFine/val/munster"
    folder.mkdir(parents=True)
    objects = [{"label": "road", "polygon": outline((0, 0, *SHAPE))}]  # false alarms on nothing would be ignored
    objects += [{"label": "car", "polygon": outline(box)} for box in CARS]
    objects.append({"label": "rider", "polygon": outline(RIDER)})
    content = {"imgHeight": SHAPE[0], "imgWidth": SHAPE[1], "objects": objects}
    for name in NAMES:
        (folder / f"{name}_gtFine_polygons.json").write_text(json.dumps(content))
    return tmp_path


# In both images the first two cars are found, and a car where none is, with a score between theirs.
FOUND = [(CARS[0], 0.9), ((200, 20, 240, 100), 0.8), (CARS[1], 0.7)]


def write_both(root: Path) -> tuple[Path, Path]:
    """Writes a submission and a results file of the same objects."""
    masks = np.stack([paint(box) for box, _ in FOUND])
    scores = np.array([score for _, score in FOUND])
    found = encode_predictions(np.zeros((3, 4)), np.full(3, CLASS_IDS["car"]), scores, masks)
    labels = {CLASS_IDS["car"]: LABEL_IDS["car"]}
    write_submission(root / "submission", NAMES, [found] * 2, labels, SHAPE, SHAPE)
    entries = [
        {
            "file_name": f"munster/{name}_leftImg8bit.png", "category": "car", "score": score, "bbox": [0, 0, 1, 1],
            "segmentation": {"size": list(SHAPE), "counts": encode_mask(mask)},
        }
        for name in NAMES
        for mask, score in zip(masks, scores.tolist(), strict=True)
    ]  # fmt: skip
    (root / "results.json").write_text(json.dumps(entries))
    return root / "submission", root / "results.json"


def evaluate(predictions: Path, root: Path) -> dict[str, float]:
    assert main(["evaluate", str(predictions), str(root / "gtFine"), "--json", str(root / "scores.json")]) == 0
    scores: dict[str, float] = json.loads((root / "scores.json").read_text())
    return scores


# The official curve has a point for each score: at 0.9 precision 2 / 2 and recall 2 / 6, at 0.8 2 / 4 and 2 / 6, at 0.7
# 4 / 6 and 4 / 6; and one of precision 1 at recall 0. The width of a point is half the distance of its neighbours.
CAR_AP = 1 * (1 / 3) / 2 + 1 * (1 / 3) / 2 + 0.5 * (1 / 3) / 2 + (2 / 3) * (1 / 3) / 2


def test_a_submission_and_results_have_the_official_score(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submission, results = write_both(city)
    scores = evaluate(submission, city)
    expected = {"cityscapes_AP_car": CAR_AP, "cityscapes_AP_rider": 0, "cityscapes_AP": CAR_AP / 2}
    expected |= {"cityscapes_AP50": CAR_AP / 2, "images": 2, "instances": 8}
    assert scores == pytest.approx(expected, abs=1e-6)
    said = capsys.readouterr().out
    assert f"{CAR_AP:.3f}" in said and "rAP" not in said
    # In each image, classes pooled: the first and the third of 3 predictions hit 2 of 4 truths: (1 + 2 / 3) / 4.
    per_image = {"AP50": (1 + 2 / 3) / 4, "rAP": (1 + 2 / 3) / 4}
    assert evaluate(results, city) == pytest.approx(expected | per_image, abs=1e-6)


def test_published_instance_maps_come_before_polygons(city: Path) -> None:
    submission, _ = write_both(city)
    instance_map = np.zeros(SHAPE, np.uint16)
    for number, (box, _) in enumerate(FOUND):
        instance_map[paint(box)] = 26000 + number
    for name in NAMES:
        cv2.imwrite(str(city / f"gtFine/val/munster/{name}_gtFine_instanceIds.png"), instance_map)
    assert evaluate(submission, city)["cityscapes_AP_car"] == pytest.approx(1)
    (city / f"gtFine/val/munster/{NAMES[0]}_gtFine_instanceIds.png").write_bytes(b"damaged")
    with pytest.raises(SystemExit, match=rf"{NAMES[0]}_gtFine_instanceIds\.png` must be a PNG of 16 bits"):
        evaluate(submission, city)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("mask.png 26", r"Line 1 of .*munster_000000_000019\.txt: it must be a mask's file, a label id and a score"),
        ("mask.png 26 nan", "the score must be finite; got nan"),
        ("none.png 26 0.5", r"none\.png` must exist"),
        ("munster_000000_000019.txt 26 0.5", r"must be an image of height and width \(256, 512\); got a damaged file"),
        ("small.png 26 0.5", r"must be an image of height and width \(256, 512\); got \(4, 4\)"),
    ],
)
def test_a_submission_is_checked(city: Path, line: str, rule: str) -> None:
    submission, _ = write_both(city)
    cv2.imwrite(str(submission / "small.png"), np.zeros((4, 4), np.uint8))
    (submission / f"{NAMES[0]}.txt").write_text(f"{line}\n")
    with pytest.raises(SystemExit, match=rule):
        evaluate(submission, city)


def test_every_image_must_have_been_predicted(city: Path) -> None:
    submission, _ = write_both(city)
    (submission / f"{NAMES[1]}.txt").unlink()
    with pytest.raises(SystemExit, match=f"must hold a text file for every image; got none of {NAMES[1]}"):
        evaluate(submission, city)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"file_name": "ulm_000000_000019.png"}, "Entry 0 of .*its image must have a truth; got 'ulm_000000"),
        (
            {"segmentation": {"size": [128, 256], "counts": ""}},
            r"`segmentation.size` must be \[256, 512\], as its truth",
        ),
        ({"score": -1}, r"`score` must lie within \[0, 1\]"),
    ],
)
def test_results_are_checked(city: Path, change: Any, rule: str) -> None:
    _, results = write_both(city)
    entries = json.loads(results.read_text())
    results.write_text(json.dumps([entries[0] | change, *entries[1:]]))
    with pytest.raises(SystemExit, match=rule):
        evaluate(results, city)


def test_other_classes_are_left_out(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, results = write_both(city)
    before = evaluate(results, city)
    entries = json.loads(results.read_text())
    results.write_text(json.dumps([*entries, entries[0] | {"category": "scooter"}]))
    assert evaluate(results, city) == before
    assert "has no such class: 1 scooter." in capsys.readouterr().out
