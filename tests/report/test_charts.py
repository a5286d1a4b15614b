"""Charts: one colour a variant, log axes where values span much, and data as they were given."""

from typing import Any

import numpy as np
import pandas as pd

from maskrcnn.project.palette import LINE_COLORS, assign_colors
from maskrcnn.report.charts import (
    draw_ceilings,
    draw_classes,
    draw_confusion,
    draw_curves,
    draw_error_kinds,
    draw_intervals,
)
from maskrcnn.report.training_charts import draw_losses, draw_sweeps, draw_trials

VARIANTS = ["base", "flip"]
SCALE = {"domain": VARIANTS, "range": list(LINE_COLORS[:2])}


def data(spec: dict[str, Any]) -> list[dict[str, Any]]:
    (rows,) = spec["datasets"].values()
    return rows


def losses(values: list[float]) -> dict[str, Any]:
    table = pd.DataFrame({"variant": "base", "epoch": range(1, len(values) + 1), "loss": values, "val_loss": values})
    return draw_losses(table, assign_colors(VARIANTS))["losses-loss"]


def test_a_variant_has_one_colour_in_every_chart() -> None:
    colors = assign_colors(VARIANTS)
    curves = pd.DataFrame({"variant": VARIANTS, "class": "car", "recall": 0.5, "precision": 1.0})
    interval = {"average": "AP50", "variant": "base", "value": 0.5, "low": 0.4, "high": 0.6}
    specs = [
        losses([1.0]),
        draw_curves(curves, colors)["curves-0"],
        draw_error_kinds({name: {"missed": 1} for name in VARIANTS}, {"missed": "missed"}, colors)["errors"],
        *draw_intervals([interval], colors)["intervals"]["layer"],
    ]
    for spec in specs:
        assert spec["encoding"]["color"]["scale"] == SCALE
    assert len({*assign_colors([*"abcdef"]).values()}) == 6


def test_losses_that_span_much_have_a_log_axis() -> None:
    assert losses([1.0, 19.0])["encoding"]["y"]["scale"] == {"zero": False}
    assert losses([1.0, 21.0])["encoding"]["y"]["scale"] == {"type": "log"}


def test_training_stands_beside_validation() -> None:
    table = pd.DataFrame({"variant": ["base"] * 2, "epoch": [1, 2], "loss": [3.0, 2.0], "val_loss": [4.0, None]})
    (spec,) = draw_losses(table, assign_colors(VARIANTS)).values()  # no chart of parts that nobody recorded
    assert [(row["of"], row["epoch"], row["value"]) for row in data(spec)] == [
        ("training", 1, 3.0),
        ("training", 2, 2.0),
        ("validation", 1, 4.0),
    ]


def test_a_rate_that_nearly_diverges_does_not_flatten_the_others() -> None:
    rows = {"candidate": "a", "learning_rate": [0.1, 0.1, 0.01], "val_loss": [900.0, 800.0, 1.5]}
    (spec,) = draw_sweeps(pd.DataFrame(rows), ["a"]).values()
    assert [(row["learning_rate"], row["val_loss"]) for row in data(spec)] == [(0.01, 1.5), (0.1, 800.0)]
    assert spec["encoding"]["y"]["scale"] == {"type": "log", "domainMax": 30.0, "clamp": True}
    assert spec["encoding"]["x"]["scale"] == {"type": "log"}
    assert "above 30" in spec["description"]


def test_a_trial_is_a_line_and_its_best_epoch_a_point() -> None:
    row = {"search": "sgd", "trial": 0, "learning_rate": 0.001, "momentum": 0.9, "weight_decay": 1e-4}
    table = pd.DataFrame([row | {"epoch": epoch, "val_loss": loss} for epoch, loss in ((1, 2.0), (2, 1.0), (3, 3.0))])
    reached = pd.DataFrame([row | {"val_loss": 1.0}, row | {"trial": 1, "val_loss": None}])  # the second one failed
    charts = draw_trials(table, reached, ["sgd"])
    assert [one["val_loss"] for one in data(charts["trials-epochs"])] == [2.0, 1.0, 3.0]
    assert [one["val_loss"] for one in data(charts["trials-rates"])] == [1.0]
    assert "1 of 2 trials failed" in charts["trials-rates"]["description"]


def test_a_confusion_counts_and_shades_by_row() -> None:
    counts = np.array([[0, 1, 0], [1, 3, 0], [0, 0, 0]])
    (spec,) = draw_confusion(counts, ["background", "car", "bus"], "base").values()
    assert data(spec) == [
        {"truth": "nothing", "predicted": "car", "count": 1, "share": 1.0},
        {"truth": "car", "predicted": "nothing", "count": 1, "share": 0.25},
        {"truth": "car", "predicted": "car", "count": 3, "share": 0.75},
    ]
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["nothing", "car", "bus"]


def test_all_splits_have_the_same_kind_of_axis() -> None:
    rare = pd.DataFrame({"split": ["a", "a", "b", "b"], "class": ["x", "y"] * 2, "instances": [5000, 10, 7, 6]})
    scales = [spec["encoding"]["x"]["scale"]["type"] for spec in draw_classes(rare).values()]
    assert scales == ["symlog", "symlog"]


def test_ceilings_are_grey_beside_the_variant() -> None:
    rows = [{"source": "", "variant": name, "iou": 0.5, "AP": 1.0} for name in ("28", "56", "base")]
    (spec,) = draw_ceilings(rows, {"base": "#123456"}).values()
    assert spec["encoding"]["color"]["scale"]["domain"] == ["base", "28", "56"]
