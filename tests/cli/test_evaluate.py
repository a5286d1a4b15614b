"""`maskrcnn evaluate`: scores of files that other programs may have written, against other programs' scores."""

import contextlib
import copy
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from maskrcnn.__main__ import main
from maskrcnn.results.predictions import encode_mask

SHAPE = (120, 160)
CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}, {"id": 9, "name": "owl"}]
Json = Any


def make_truth(images: int = 4) -> Json:
    """Returns annotations of random ellipses, polygons of eight corners, in images in two folders."""
    dice = np.random.default_rng(8)
    annotations = []
    for image_id in range(images):
        for _ in range(5):
            center, axes = dice.uniform(25, 95, 2), dice.uniform(6, 24, 2)
            turns = np.arange(8) * np.pi / 4
            corners = np.stack([center[0] + axes[0] * np.cos(turns), center[1] + axes[1] * np.sin(turns)], axis=1)
            annotations.append({
                "id": len(annotations) + 100, "image_id": image_id, "iscrowd": 0, "area": float(2.83 * axes.prod()),
                "category_id": int(dice.choice([7, 3])), "segmentation": [corners.ravel().tolist()],
                "bbox": [*corners.min(axis=0).tolist(), *np.ptp(corners, axis=0).tolist()],
            })  # fmt: skip
    files = [f"{'ab'[image_id % 2]}/{image_id}.jpg" for image_id in range(images)]
    listed = [
        {"id": image_id, "file_name": file, "height": SHAPE[0], "width": SHAPE[1]}
        for image_id, file in enumerate(files)
    ]
    return {"images": listed, "annotations": annotations, "categories": CATEGORIES}


def make_results(truth: Json) -> list[Json]:
    """Returns predictions that are moved, some of them of another class or left out."""
    dice = np.random.default_rng(9)
    results = []
    for entry in truth["annotations"]:
        corners = np.array(entry["segmentation"][0]).reshape(-1, 2) + dice.normal(0, 3, 2)
        mask = np.zeros(SHAPE, np.uint8)
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
        if dice.random() < 0.85 and mask.any():
            x, y, width, height = cv2.boundingRect(mask)
            results.append({
                "image_id": entry["image_id"], "score": float(dice.uniform(0.3, 1)), "bbox": [x, y, width, height],
                "category_id": entry["category_id"] if dice.random() < 0.8 else 7,
                "segmentation": {"size": list(SHAPE), "counts": encode_mask(mask > 0)},
            })  # fmt: skip
    return results


def write(path: Path, content: Json) -> Path:
    path.write_text(json.dumps(content))
    return path


def evaluate(folder: Path, results: Json, truth: Json) -> dict[str, float]:
    """Returns the scores that the command writes."""
    files = write(folder / "results.json", results), write(folder / "truth.json", truth)
    assert main(["evaluate", *map(str, files), "--json", str(folder / "scores.json")]) == 0
    scores: dict[str, float] = json.loads((folder / "scores.json").read_text())
    return scores


def evaluate_by_pycocotools(truth: Json, results: Json, kind: str) -> dict[str, float]:
    """Returns the same scores by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        annotations = COCO()
        annotations.dataset = copy.deepcopy(truth)
        annotations.createIndex()
        found = annotations.loadRes(copy.deepcopy(results))
        evaluation = COCOeval(annotations, found, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = {name: evaluation.stats[i] for i, name in enumerate(("AP", "AP50", "AP75", "AP_small", "AP_medium"))}
    precisions = evaluation.eval["precision"][:, :, :, 0, 2]  # classes by ascending id: dog, cat, owl
    values |= {"AR100": evaluation.stats[8], "AP_dog": precisions[:, :, 0].mean(), "AP_cat": precisions[:, :, 1].mean()}
    return {f"{kind}_{name}": float(value) for name, value in values.items()}


def test_coco_scores_are_those_of_pycocotools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = make_truth()
    truth["annotations"][3]["iscrowd"] = 1
    results = make_results(truth)
    scores = evaluate(tmp_path, results, truth)
    expected = evaluate_by_pycocotools(truth, results, "segm") | evaluate_by_pycocotools(truth, results, "bbox")
    assert 0.2 < expected["segm_AP"] < 0.9
    assert scores == pytest.approx(expected | {"images": 4, "predictions": len(results)}, abs=1e-6)
    said = capsys.readouterr().out
    assert f"{expected['segm_AP']:.3f}" in said and "owl" in said  # which has no truth, and so no score


def test_images_and_classes_are_matched_by_name(tmp_path: Path) -> None:
    truth = make_truth()
    results = make_results(truth)
    by_id = evaluate(tmp_path, results, truth)
    names = {category["id"]: category["name"] for category in CATEGORIES}
    for wanted in ("{folder}/{stem}.jpg", "{stem}.jpg", "{stem}.png", "{folder}_{stem}"):
        key = "image" if "_" in wanted else "file_name"
        named = [
            entry
            | {key: wanted.format(folder="ab"[entry["image_id"] % 2], stem=entry["image_id"])}
            | {"image_id": 99 - entry["image_id"], "category_id": 1, "category": names[entry["category_id"]]}
            for entry in results
        ]
        if wanted == "{stem}.png":  # another ending is another name
            with pytest.raises(SystemExit, match=r"Entry 0 of .*its image must be one of .*truth\.json; got '0\.png'"):
                evaluate(tmp_path, named, truth)
        else:
            assert evaluate(tmp_path, named, truth) == by_id


def test_classes_that_the_truth_lacks_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = make_truth()
    results = make_results(truth)
    before = evaluate(tmp_path, results, truth)
    strangers = [results[0] | {"category": "bus", "score": 1.0}] * 2
    capsys.readouterr()
    assert evaluate(tmp_path, results + strangers, truth) == before
    assert "has no such class: 2 bus." in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"must have classes of .*truth\.json; got only bus"):
        evaluate(tmp_path, strangers, truth)


def test_without_predictions_all_is_missed(tmp_path: Path) -> None:
    scores = evaluate(tmp_path, [], make_truth())
    assert scores["segm_AP"] == scores["bbox_AR100"] == 0 and scores["predictions"] == 0


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"score": 2}, r"Entry 0 of .*results\.json: `score` must lie within \[0, 1\]; got 2"),
        ({"bbox": [1, 2, 3]}, r"`bbox` must be x, y, width, height in pixels; got \[1, 2, 3\]"),
        ({"segmentation": [[1, 2]]}, "`segmentation` must have `size` and compressed `counts`"),
        ({"segmentation": {"size": [1, 2], "counts": "0"}}, r"`segmentation.size` must be \[120, 160\], as its truth"),
        ({"segmentation": {"size": list(SHAPE), "counts": "11"}}, "Entry 0 of .*`counts` must be the COCO run lengths"),
        ({"image_id": 50}, r"its image must be one of .*truth\.json; got 50"),
    ],
)
def test_results_are_checked(tmp_path: Path, change: Json, rule: str) -> None:
    truth = make_truth()
    results = make_results(truth)
    with pytest.raises(SystemExit, match=rule):
        evaluate(tmp_path, [results[0] | change, *results[1:]], truth)


@pytest.mark.parametrize(
    ("part", "change", "rule"),
    [
        ("images", {"height": None}, None),
        ("annotations", {"image_id": 50}, "entry 0 of annotations, must have the image_id of an image"),
        ("annotations", {"category_id": 50}, "entry 0 of annotations, must have the category_id of a category"),
        ("annotations", {"segmentation": []}, "entry 0 of annotations, must have polygons or run lengths"),
        ("annotations", {"bbox": "wide"}, "entry 0 of annotations, must have a bbox of x, y, width, height"),
    ],
)
def test_the_truth_is_checked(tmp_path: Path, part: str, change: Json, rule: str | None) -> None:
    truth = make_truth()
    results = make_results(truth)
    truth[part][0] |= change
    if rule is None:
        del truth[part][0]["height"]
        rule = "entry 0 of images, must have id, file_name, height, width"
    with pytest.raises(SystemExit, match=rule):
        evaluate(tmp_path, results, truth)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.json", make_truth())
    for words, rule in [
        ((tmp_path / "none.json", truth), r"none\.json` must exist; `maskrcnn evaluate --help`"),
        ((tmp_path, truth), "`PREDICTIONS` must be a JSON file where the truth is one; got the folder"),
        ((tmp_path / "found", truth), r"got \S*/found, take \S*/found/results\.json\."),
        ((tmp_path / "found", tmp_path / "empty"), r"got \S*/found, take \S*/found/results\.json\."),
        ((truth, truth), "must hold a list of COCO results; got dict"),
        ((write(tmp_path / "r.json", []), write(tmp_path / "t.json", [])), "must be COCO annotations with the lists"),
        ((truth, tmp_path / "empty"), r"empty` must hold files \*_gtFine_polygons\.json"),
    ]:
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "found").mkdir(exist_ok=True)
        write(tmp_path / "found/results.json", [])
        with pytest.raises(SystemExit, match=rule):
            main(["evaluate", *map(str, words)])


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", "--help"])
    assert "maskrcnn evaluate val/cityscapes gtFine/val\n" in capsys.readouterr().out
