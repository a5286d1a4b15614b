"""The tables in Markdown."""

import pytest

from maskrcnn.scoring.markdown import count_support, format_table, format_tables, mark_best


def test_best_as_printed_is_bold() -> None:
    assert mark_best([0.5, 0.25, None]) == ["**0.500**", "0.250", "-"]
    assert mark_best([0.5004, 0.5001, 0.1]) == ["**0.500**", "**0.500**", "0.100"]


def test_where_nothing_differs_nothing_is_bold() -> None:
    assert mark_best([0.0, 0.0]) == ["0.000", "0.000"]
    assert mark_best([0.5]) == ["0.500"]
    assert mark_best([0.5, None]) == ["0.500", "-"]


def test_what_has_no_score_is_a_dash_or_no_row() -> None:
    scores = {"base": {"cAP_car": 0.0}, "flip": {"cAP_car": 0.5, "cAP_bus": 0.25}}
    assert format_table(scores, {"car": "cAP_car", "bus": "cAP_bus", "train": "cAP_train"}) == (
        "|  | base | flip |\n| --- | ---: | ---: |\n| car | 0.000 | **0.500** |\n| bus | - | 0.250 |\n"
    )


def test_table_of_two_variants() -> None:
    scores = {"base": {"AP50": 0.5, "rAP": 0.25}, "flip": {"AP50": 0.75, "rAP": 0.25}}
    assert format_table(scores, {"AP50": "AP50", "rAP": "rAP", "COCO AP": "coco_AP"}) == (
        "|  | base | flip |\n| --- | ---: | ---: |\n| AP50 | 0.500 | **0.750** |\n| rAP | 0.250 | 0.250 |\n"
    )


COUNTS = {
    "images": 60, "images_without_truth": 3, "images_car": 37, "images_bus": 0, "images_trailer": 2,
    "instances": 92, "instances_car": 90, "instances_bus": 0, "instances_trailer": 2, "instances_rider": 5,
    "cityscapes_instances_car": 81, "cityscapes_instances_bus": 0, "cityscapes_instances_rider": 0, "test_set": 7,
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "support"),
    [
        ("AP50", (57, 92)),  # per image: those with truth
        ("rAP", (57, 92)),
        ("AP95", (57, 92)),
        ("cAP_car", (37, 90)),
        ("cityscapes_AP", (60, 81)),  # over all images, without the smallest instances
        ("cityscapes_AP50", (60, 81)),
        ("cityscapes_AP_car", (60, 81)),
        ("coco_AP50", (60, 92)),
        ("coco_AP_car", (60, 90)),
        ("cityscapes_AP_trailer", (60, "-")),  # no class of that protocol
    ],
)
def test_a_score_rests_on_what_its_protocol_counts(key: str, support: tuple[object, object]) -> None:
    assert count_support(key, COUNTS) == support


def test_rows_say_what_they_rest_on_and_a_class_without_truth_is_a_dash() -> None:
    base = COUNTS | {"AP50": 0.5, "cAP_car": 0.5, "cAP_trailer": 0.0, "cityscapes_AP_car": 0.25, "coco_AP_car": 0.75}
    flip = base | {"cAP_car": 0.625}
    tables = format_tables({"Ours": {"base": base, "flip": flip}}).split("## ")
    titles = [table.splitlines()[0] for table in tables[1:]]
    assert titles[1:] == ["cAP at IoU 0.50", "Cityscapes AP of each class", "COCO AP of each class", "AP by IoU"]
    head = ["|  | images | instances | base | flip |", "| --- | ---: | ---: | ---: | ---: |"]
    assert tables[2].splitlines()[4:] == [
        *head,
        "| car | 37 | 90 | 0.500 | **0.625** |",
        "| trailer | 2 | 2 | 0.000 | 0.000 |",
        "| bus | 0 | 0 | - | - |",
        "",
    ]
    assert tables[3].splitlines()[4:] == [
        *head,
        "| car | 60 | 81 | 0.250 | 0.250 |",
        "| bus | 60 | 0 | - | - |",
        "| rider | 60 | 0 | - | - |",
        "",
    ]


def test_three_tables_each_from_all_sources() -> None:
    row = {"AP50": 0.5, "AP95": 0.125, "rAP": 0.25, "cAP_car": 0.75}
    text = format_tables({"Ours": {"base": row, "sixth": row}, "Theirs": {"base": row}})
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "## AP at IoU 0.50, and averages",
        "## cAP at IoU 0.50",
        "## AP by IoU",
    ]
    assert text.count("Ours:") == text.count("Theirs:") == 3
    assert text.count("| 0.95 | 0.125 | 0.125 |\n") == 1 and text.count("| 0.95 | 0.125 |\n") == 1
    assert text.count("| rAP | 0.250 |\n") == 2  # under the averages, and under the IoUs
    assert "| car | 0.750 | 0.750 |" in text


def test_classes_are_those_that_any_source_scored() -> None:
    ours, theirs = {"base": {"cAP_car": 0.5, "cAP_dog": 0.25}}, {"base": {"cAP_car": 0.5, "cAP_train": 0.125}}
    text = format_tables({"Ours": ours, "Theirs": theirs})
    rows = [line.split(" ")[1] for line in text.splitlines() if line.startswith("| ") and "0." in line]
    assert rows == ["car", "dog", "car", "train"]
