"""Plots that combine several runs must list their files: the lists follow params.yaml."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from maskrcnn.project.params import read_yaml

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / ".dvc/plots").glob("*.json"))
BUILT_IN = {"bar_horizontal"}


def read_plots() -> dict[str, dict[str, Any]]:
    """Returns the plots of dvc.yaml that draw data, by their titles."""
    plots = YAML(typ="safe").load(ROOT / "dvc.yaml")["plots"]
    return {title: plot for entry in plots if isinstance(entry, dict) for title, plot in entry.items()}


@pytest.mark.parametrize(
    ("folder", "section", "also"),
    [
        ("history", "variants", {"babysit"}),
        ("curves", "variants", set()),
        ("coarse", "candidates", set()),
        ("hyperband", "search", set()),
    ],
)
def test_plots_list_every_run_of_every_scale(folder: str, section: str, also: set[str]) -> None:
    files = {Path(file) for plot in read_plots().values() for file in plot["y"]}
    listed = {file.stem for file in files if file.parent == Path("plots") / folder}
    scales = [ROOT / "params.yaml", *(ROOT / "scales").glob("*.yaml")]
    assert listed == set().union(also, *(read_yaml(path).get(section, {}) for path in scales))


def test_templates_are_there_and_used() -> None:
    assert {plot["template"] for plot in read_plots().values()} == {path.stem for path in TEMPLATES} | BUILT_IN


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_templates_leave_data_and_axes_to_dvc(path: Path) -> None:
    template = json.loads(path.read_text())
    assert template["data"] == {"values": "<DVC_METRIC_DATA>"}
    axes = template["spec"]["encoding"]
    assert (axes["x"]["field"], axes["y"]["field"]) == ("<DVC_METRIC_X>", "<DVC_METRIC_Y>")
