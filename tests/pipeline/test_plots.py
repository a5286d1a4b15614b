"""The plots of dvc.yaml draw files and columns that stages write."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from maskrcnn.pictures.charts import draw_ap_by_iou
from maskrcnn.project.palette import assign_colors
from maskrcnn.report.training_charts import draw_losses

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / ".dvc/plots").glob("*.json"))


def read_plots() -> dict[str, dict[str, Any]]:
    """Returns the plots of dvc.yaml that draw data of several runs, by their titles."""
    plots = YAML(typ="safe").load(ROOT / "dvc.yaml")["plots"]
    return {title: plot for entry in plots if isinstance(entry, dict) for title, plot in entry.items()}


def read_plots_of(stage: str) -> dict[str, dict[str, Any]]:
    """Returns the plots that each run of a stage writes, by their files."""
    plots = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"][stage]["do"]["plots"]
    return {file: plot for entry in plots for file, plot in entry.items()}


def test_templates_are_there_and_used() -> None:
    used = {plot["template"] for plot in (*read_plots().values(), *read_plots_of("train").values())}
    assert used == {path.stem for path in TEMPLATES}


def test_a_training_can_be_followed() -> None:
    # The history is written after every epoch; the other files of `plots` only when their stage ends.
    assert [*read_plots_of("train")] == ["plots/history/${key}.csv"]
    assert "live/" not in (ROOT / ".dvcignore").read_text().split()  # `dvc plots show live/...` would draw nothing


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_templates_leave_data_and_axes_to_dvc(path: Path) -> None:
    template = json.loads(path.read_text())
    assert template["data"] == {"values": "<DVC_METRIC_DATA>"}
    axes = template.get("spec", template)["encoding"]
    folded = [name for step in template.get("transform", []) for name in step.get("fold", [])]
    assert axes["x"]["field"] == "<DVC_METRIC_X>"
    assert "<DVC_METRIC_Y>" in (axes["y"]["field"], *folded)


def test_no_run_is_named_by_hand() -> None:
    # A variant that is added in params.yaml is in every plot.
    files = {file for plot in read_plots().values() for file in plot["y"]}
    assert {str(Path(file).parent) for file in files} <= {"plots/tables", "tuning/babysit"}


def test_a_variant_has_one_colour_in_all_charts() -> None:
    names = [*"fedcba"]  # not sorted: Vega would assign colours in the order of the alphabet
    colors = assign_colors(names)
    lines = draw_ap_by_iou({name: {"AP50": 0.5} for name in names}).axes[0].lines
    assert {line.get_label(): line.get_color() for line in lines} == colors
    table = pd.DataFrame({"variant": names, "epoch": 1, "loss": 1.0})
    scale = draw_losses(table, colors)["losses-loss"]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == colors
    templates = [json.loads(path.read_text()) for path in TEMPLATES]
    encodings = [template["spec"]["encoding"]["color"] for template in templates if "spec" in template]
    by_variant = [encoding for encoding in encodings if encoding["field"] == "variant"]
    assert len(by_variant) == 2
    for encoding in by_variant:
        assert encoding["scale"]["range"] == [*colors.values()]
        assert encoding["sort"] is None  # the order of the data, which is that of params.yaml
