"""The tables of what a file holds."""

from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest
from rich.console import Console

from maskrcnn.__main__ import main
from maskrcnn.cli.show import list_facts, list_tensors
from maskrcnn.network.facts import Facts
from maskrcnn.network.weights.attributes import write_facts


def test_every_tensor_has_its_place(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "notop.h5", "w") as file:
        file["conv1_conv/conv1_conv/kernel:0"] = np.zeros((7, 7, 3, 64), np.float32)
        file["predictions/predictions/bias:0"] = np.zeros(1000, np.float16)
    lines = list_tensors(tmp_path / "notop.h5")
    assert "notop.h5: Keras' ResNet50 since 2019" in str(lines.title)
    cells = list(zip(*(map(str, column.cells) for column in lines.columns), strict=True))
    assert cells == [
        ("conv1_conv/conv1_conv/kernel:0", "(7, 7, 3, 64)", "float32", "conv1/conv1/kernel:0"),
        ("predictions/predictions/bias:0", "(1000,)", "float16", ""),
    ]


def test_brackets_in_a_name_are_no_styles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with h5py.File(tmp_path / "[red].h5", "w") as file:
        file["[/bold]/kernel:0"] = np.zeros(2, np.float32)
    Console().print(list_tensors(tmp_path / "[red].h5"))
    shown = capsys.readouterr().out
    assert "[red].h5" in "".join(shown.split())  # a long path is broken, and its parts are centred
    assert "[/bold]" in shown


def test_a_file_of_ours_shows_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = Facts(("car", "[red]bus"), (128, 256), licence="CC0-1.0", metrics={"loss": 1.5}, packages={"keras": "3"})
    with h5py.File(tmp_path / "ours.h5", "w") as file:
        file["fpn_p2/fpn_p2/bias:0"] = np.zeros(16, np.float32)
        write_facts(file, facts)
    lines = list_facts(tmp_path / "ours.h5")
    assert lines is not None
    names, values = (list(map(str, column.cells)) for column in lines.columns)
    shown = dict(zip(names, values, strict=True))
    assert list(shown) == [field.name for field in fields(Facts)]
    assert shown["class_names"] == "car, [red]bus" and shown["image_shape"] == "128, 256" and shown["commit"] == ""
    assert shown["class_colors"] == "(86, 180, 233), (0, 158, 115)"
    assert shown["metrics"] == "loss: 1.5" and "backbone: resnet101\n" in shown["architecture"]
    assert main(["weights", "show", str(tmp_path / "ours.h5")]) == 0
    said = capsys.readouterr().out
    assert "car, [red]bus" in said and "fpn_p2/fpn_p2/bias:0" in said


def test_a_file_of_another_program_has_no_facts(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["fpn_p2/fpn_p2/bias:0"] = np.zeros(16, np.float32)
    assert list_facts(tmp_path / "theirs.h5") is None
