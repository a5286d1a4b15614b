"""The table of experiments shows scores of one variant and what was changed, and nothing else."""

from typing import Any

from rich.console import Console

from maskrcnn.cli.experiments import list_changes, make_table

BASELINE: dict[str, Any] = {
    "Experiment": None, "rev": "main", "typ": "baseline", "Created": "01:48 PM", "stages/train.py": "de358a",
    "metrics/test/base.json:AP50": 0.741802, "metrics/test/base.json:rAP": 0.3713,
    "metrics/test/flip.json:AP50": 0.25, "select.learning_rate": None, "variants.flip.layers": "heads",
}  # fmt: skip
EXPERIMENT = BASELINE | {
    "Experiment": "fast", "rev": "b476eb0", "select.learning_rate": 0.01, "metrics/test/base.json:AP50": 0.75,
    "stages/train.py": "another", "predictions": "53f08e4ab71dd2dd561bedb67484693f.dir",
}  # fmt: skip


def show(variant: str) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(make_table([BASELINE | {"rev": "workspace"}, BASELINE, EXPERIMENT], variant))
    return capture.get()


def test_each_experiment_has_its_scores_and_changes() -> None:
    *_, line, _, _, _ = (text.split() for text in show("base").split("\n"))
    assert line == ["fast", "0.7500", "0.3713", "-", "-", "select.learning_rate:", "0.01"]


def test_the_variant_is_chosen() -> None:
    assert "0.2500" in show("flip") and "0.7418" not in show("flip")


def test_it_is_said_whose_scores_they_are() -> None:
    assert "Scores of the variant flip; --variant NAME shows those of another one." in show("flip")


def test_it_fits_into_a_terminal() -> None:
    assert max(map(len, show("base").splitlines())) <= 100


def test_new_and_removed_parameters_are_changes() -> None:
    row = {name: value for name, value in BASELINE.items() if name != "variants.flip.layers"}
    assert list_changes(row | {"variants.blur.layers": "all"}, BASELINE) == [
        "variants.flip.layers: removed",
        "variants.blur.layers: all",
    ]
