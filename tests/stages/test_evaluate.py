"""The scores of a small made-up split, computed by hand."""

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskrcnn.data.records import read_records, write_records
from maskrcnn.project.errors import InputError
from maskrcnn.readers.cityscapes import CITYSCAPES, CLASS_NAMES, make_catalogue
from maskrcnn.results.predictions import encode_predictions, write_predictions
from stages.evaluate import main
from tests.stages.drawn import PARAMS, write_params
from tests.stages.scored import make_record

SHAPE = (64, 128)
CAR, PERSON = CLASS_NAMES.index("car"), CLASS_NAMES.index("person")


def predict(masks, class_ids, scores):
    boxes = np.zeros((len(masks), 4))
    return encode_predictions(boxes, np.array(class_ids, int), np.array(scores, float), np.array(masks, bool))


@pytest.fixture
def root(tmp_path):
    """Three images: a car and two persons; a car; nothing. The variant `base` finds some of them."""
    maps = [np.full(SHAPE, 7, np.uint16) for _ in range(3)]
    maps[0][10:20, 10:30] = 26000
    maps[0][10:20, 40:49] = 24000  # 90 pixels: the official minimum area of 100 is that of a larger image
    maps[0][10:20, 60:69] = 24001
    maps[1][30:50, 0:40] = 26000
    (tmp_path / "data" / "processed").mkdir(parents=True)
    records = [make_record(f"munster_00000{index}_000019", image) for index, image in enumerate(maps)]
    write_records(tmp_path / "data" / "processed" / "test.npz", records, SHAPE, (56, 56), "stretch", CITYSCAPES)
    part = np.zeros(SHAPE, bool)
    part[30:50, 0:24] = True  # 480 of the 800 pixels of the second car: IoU 0.6
    found = [
        predict([maps[0] == 26000, maps[0] == 24000], [CAR, PERSON], [0.9, 0.8]),
        predict([part], [CAR], [0.7]),
        predict([part], [CAR], [0.7]),
    ]
    write_predictions(tmp_path / "predictions" / "base.json", found, SHAPE)
    write_params(tmp_path, variants={"base": {}, "blind": {}})
    write_predictions(tmp_path / "predictions" / "blind.json", [predict(np.zeros((0, *SHAPE)), [], [])] * 3, SHAPE)
    return tmp_path


def read(root, folder, variant="base"):
    return json.loads((root / "metrics" / folder / f"{variant}.json").read_text())


def test_scores_of_the_made_city(root) -> None:
    main("base", root)
    row = read(root, "test") | read(root, "classes")
    # First image: 2 of 3 truths, all right: 2/3. Second: 1 at IoU 0.50 to 0.60. Third: no truth, no AP.
    assert row["AP50"] == pytest.approx((2 / 3 + 1) / 2, abs=5e-7)
    assert row["rAP"] == pytest.approx((2 / 3 + 3 / 10) / 2, abs=5e-7)
    assert (row["images"], row["images_without_truth"], row["instances"]) == (3, 1, 4)
    assert row["test_set"] == read_records(root / "data/processed/test.npz").digest
    assert (row["cAP_car"], row["images_car"]) == (1, 2)
    assert (row["cAP_person"], row["images_person"]) == (0.5, 1)
    assert "cAP_train" not in row and row["images_train"] == 0  # no image shows a train: no score


def test_ap_falls_with_iou(root) -> None:
    main("base", root)
    by_iou = read(root, "iou")
    assert list(by_iou) == [f"AP{iou}" for iou in range(50, 100, 5)]
    assert by_iou["AP60"] == pytest.approx(5 / 6, abs=5e-7) and by_iou["AP65"] == pytest.approx(1 / 3, abs=5e-7)


def test_every_variant_has_the_same_keys(root) -> None:
    main("base", root)
    main("blind", root)
    assert list(read(root, "test")) == list(read(root, "test", "blind"))
    assert all(type(value) in (int, float) for value in read(root, "test", "blind").values())
    assert read(root, "test", "blind")["AP50"] == 0


def test_bad_predictions_leave_no_metrics(root) -> None:
    (root / "predictions" / "base.json").write_text("[{}]")
    with pytest.raises(ValueError, match=r"Entry 0 of .*base.json: it must have the keys"):
        main("base", root)
    assert not (root / "metrics").exists()


def rows_of(root, folder, variant="base"):
    with (root / "plots" / folder / f"{variant}.csv").open() as file:
        return list(csv.DictReader(file))


def test_official_scores(root) -> None:
    main("base", root)
    # Cars over both images: 2 of 2 at IoU above 0.50 and 0.55 (0.60 itself is no hit), the alarm of the
    # third image ties with the second hit. Precisions 1, 2/3 at recalls 1/2, 1, after 1 at 0:
    # (1 * 1/2 + 1 * 1 + 2/3 * 1/2) / 2 = 11/12. Persons: 1 of 2, (1 * 1/2 + 1 * 1/2) / 2 = 1/2.
    row = read(root, "classes")
    assert row["cityscapes_AP50"] == pytest.approx((11 / 12 + 1 / 2) / 2, abs=5e-7)
    # From 0.60 on cars are 1 of 2, with two alarms: precisions 1, 1/3 at 1/2, 1/2: 1/2.
    assert read(root, "classes")["cityscapes_AP_car"] == pytest.approx((2 * 11 / 12 + 8 / 2) / 10, abs=5e-7)
    assert {name for name in read(root, "classes") if name.startswith("cityscapes_AP_")} == {
        "cityscapes_AP_car", "cityscapes_AP_person"
    }  # fmt: skip


def test_coco_scores(root) -> None:
    main("base", root)
    # Cars: 2 of 2 up to 0.60, the alarm ties with the second hit and comes after it in the file: AP 1.
    # Persons: 1 of 2, so 51 of the 101 recalls.
    assert read(root, "classes")["coco_AP50"] == pytest.approx((1 + 51 / 101) / 2, abs=5e-7)
    # From 0.65 on cars are 1 of 2 with two alarms behind: 51 of 101 as well.
    assert read(root, "classes")["coco_AP_car"] == pytest.approx((3 + 7 * 51 / 101) / 10, abs=5e-7)
    assert "coco_AP_trailer" not in read(root, "classes")


def test_errors(root) -> None:
    main("base", root)
    assert read(root, "errors") == {
        "class": 0, "localisation": 0, "duplicate": 0, "background": 1, "missed": 1, "background_sure": 0
    }  # fmt: skip
    alarm, miss = rows_of(root, "worst")
    assert (alarm["image"], alarm["kind"], alarm["class"]) == ("munster_000002_000019", "background", "car")
    assert (miss["image"], miss["kind"], miss["class"]) == ("munster_000000_000019", "missed", "person")
    assert [miss[key] for key in ("y1", "x1", "y2", "x2", "area")] == ["10", "60", "20", "69", "90"]


def test_confusion_counts_truths_and_alarms(root) -> None:
    main("base", root)
    pairs = Counter((row["actual"], row["predicted"]) for row in rows_of(root, "confusion"))
    assert pairs == {
        ("car", "car"): 2, ("person", "person"): 1, ("person", "background"): 1, ("background", "car"): 1
    }  # fmt: skip


def test_curves_of_every_class(root) -> None:
    main("base", root)
    rows = rows_of(root, "curves")
    assert {row["class"] for row in rows} == {"car", "person"}  # a class without truth has no curve
    assert len(rows) == 2 * 101
    person = [float(row["precision"]) for row in rows if row["class"] == "person"]
    assert person == [1.0] * 51 + [0.0] * 50


def test_nothing_predicted_leaves_tables_with_headings(root) -> None:
    main("blind", root)
    assert {row["predicted"] for row in rows_of(root, "confusion", "blind")} == {"background"}
    assert {row["kind"] for row in rows_of(root, "worst", "blind")} == {"missed"}


def test_the_least_score_of_an_error_is_a_parameter(root) -> None:
    write_params(root, draw=PARAMS["draw"] | {"min_score": 0.75})
    main("base", root)
    assert read(root, "errors")["background"] == 0  # the alarm of the third image scores 0.7
    assert read(root, "test")["AP50"] == pytest.approx(5 / 6, abs=5e-7)  # the scores know no such limit


def test_an_image_without_any_truth_has_no_scores(tmp_path) -> None:
    record = make_record("munster_000000_000019", np.full(SHAPE, 7, np.uint16))
    write_records(tmp_path / "data/processed/test.npz", [record], SHAPE, (56, 56), "stretch", CITYSCAPES)
    write_predictions(tmp_path / "predictions/base.json", [predict(np.zeros((0, *SHAPE)), [], [])], SHAPE)
    write_params(tmp_path)
    main("base", tmp_path)
    assert read(tmp_path, "test") == read(tmp_path, "iou") == {}
    counts = read(tmp_path, "classes")
    assert (counts.pop("images"), counts.pop("images_without_truth")) == (1, 1)
    del counts["test_set"]
    assert not any(counts.values()) and not [key for key in counts if "AP" in key]
    assert {f"images_{name}" for name in CLASS_NAMES[1:]} < counts.keys()
    assert rows_of(tmp_path, "curves") == []


def test_the_official_score_leaves_out_the_smallest_objects(tmp_path: Path) -> None:
    shape = (1024, 2048)
    instance_map = np.full(shape, 7, np.uint16)
    instance_map[:9, :11] = 26000  # 99 pixels; the least are 100 at this size
    instance_map[20:30, :10] = 24000
    record = make_record("munster_000000_000019", instance_map)
    write_records(tmp_path / "data/processed/test.npz", [record], shape, (56, 56), "stretch", CITYSCAPES)
    write_predictions(tmp_path / "predictions/base.json", [predict(np.zeros((0, *shape)), [], [])], shape)
    write_params(tmp_path)
    main("base", tmp_path)
    by_class = read(tmp_path, "classes")
    # car: only a truth that is too small; person: a truth that was missed; train: no truth
    assert "cityscapes_AP_car" not in by_class and by_class["cityscapes_AP_person"] == 0
    assert (by_class["instances_car"], by_class["cityscapes_instances_car"]) == (1, 0)
    assert (by_class["instances_person"], by_class["cityscapes_instances_person"]) == (1, 1)
    assert (by_class["instances_train"], by_class["cityscapes_instances_train"]) == (0, 0)
    assert by_class["coco_AP_car"] == 0 and "coco_AP_train" not in by_class
    assert "cityscapes_instances_trailer" not in by_class  # the benchmark has no such class


def test_a_variant_that_left_params_is_not_scored(root: Path) -> None:
    write_params(root, variants={"base": {}})
    with pytest.raises(InputError, match=r"params\.yaml` must have the variant `variants\.blind`; got base"):
        main("blind", root)
    write_params(root, variants=5)
    with pytest.raises(InputError, match=r"`variants\.base`; got none"):
        main("base", root)
    assert not (root / "metrics").exists()


def test_predictions_of_other_images_classes_or_truth_are_refused(root: Path) -> None:
    path = root / "data/processed/test.npz"
    records = read_records(path)
    nothing = predict(np.zeros((0, *SHAPE)), [], [])
    found = [nothing, predict([np.ones(SHAPE, bool)], [CAR], [0.9]), nothing]
    write_predictions(root / "predictions/base.json", found, SHAPE, records)
    main("base", root)
    shutil.rmtree(root / "metrics")
    made = [records[index] for index in range(3)]
    others = {
        "`image` must be 'lindau_1' as in .*; got 'munster_000001_000019', so this is": (
            [replace(record, name=f"lindau_{index}") for index, record in enumerate(made)],
            CITYSCAPES,
        ),
        "`category` must be 'person' as in .*; got 'car', so this is": (
            made,
            make_catalogue({"person": ["person"], "car": ["car"]}),
        ),
        r"`records` must be \d+ as in .*test\.npz; got \d+, so this is": (
            [replace(record, areas=record.areas + 1) for record in made],
            CITYSCAPES,
        ),
    }
    for fault, (changed, catalogue) in others.items():
        write_records(path, changed, SHAPE, (56, 56), "stretch", catalogue)
        with pytest.raises(InputError, match=rf"^Entry 0 of .*base\.json: {fault} .* Run `dvc repro predict@base`\.$"):
            main("base", root)
    write_records(path, made[:1], SHAPE, (56, 56), "stretch", CITYSCAPES)
    with pytest.raises(InputError, match=r"`records` must be .* Run `dvc repro predict@base`"):
        main("base", root)
    assert not (root / "metrics").exists()
