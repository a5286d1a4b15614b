"""The tables in Markdown."""

from maskrcnn.scoring.markdown import format_table, format_tables, mark_best


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
