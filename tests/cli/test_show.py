"""The table of what a file holds."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from rich.console import Console

from maskrcnn.cli.show import list_tensors


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
    assert "[red].h5" in shown.replace("\n", "")
    assert "[/bold]" in shown
