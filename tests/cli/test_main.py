"""The command line's words."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from maskrcnn.__main__ import main
from maskrcnn.cli import doctor, download
from maskrcnn.network.weights.released import FOLDER, RELEASES, Release


def test_the_doctor_has_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(doctor, "main", lambda hashes: asked.append(hashes) or 1)
    assert main(["doctor"]) == main(["doctor", "--hashes"]) == main(["doctor", "--hashes", "models", "data"]) == 1
    assert asked == [None, [], ["models", "data"]]


def test_words_must_be_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["surgeon"])
    assert "invalid choice: 'surgeon'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="`name` must be one of coco, imagenet, imagenet_2019; got 'voc'"):
        main(["weights", "fetch", "voc"])


def test_the_help_names_the_released_files(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in ((["fetch"], ", ".join(RELEASES)), ([], f"to {FOLDER}/ and verify it")):
        with pytest.raises(SystemExit, match="0"):
            main(["weights", *words, "--help"])
        assert said in capsys.readouterr().out


@pytest.mark.parametrize("name", RELEASES)
def test_released_weights_are_fetched(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched = []

    def fetch(release: Release, folder: Path) -> Path:
        fetched.append(release)
        return folder / release.file

    monkeypatch.setattr(download, "fetch", fetch)
    assert main(["weights", "fetch", name]) == 0
    assert fetched == [RELEASES[name]]
    assert capsys.readouterr().out == f"weights/{RELEASES[name].file}\n"


def test_a_file_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["fpn_p2/fpn_p2/bias:0"] = np.zeros(16, np.float32)
    assert main(["weights", "show", str(tmp_path / "w.h5")]) == 0
    assert "fpn_p2/fpn_p2/bias:0" in capsys.readouterr().out


def test_an_error_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"none\.h5` must exist; it holds weights\. `dvc repro` makes the models of"):
        main(["weights", "show", str(tmp_path / "none.h5")])


def test_weights_are_fetched_without_keras() -> None:
    # the fetch must answer at once; importing Keras takes seconds
    code = "import sys, maskrcnn.__main__; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
