"""One candidate at every rate, on a bench that pretends."""

from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from maskrcnn.project.config import Candidate
from maskrcnn.project.params import read_yaml
from maskrcnn.tuning.comparison import Sweep, SweptRate
from maskrcnn.tuning.findings import read_finding
from stages import coarse
from tests.tuning.fakes import make_bench

ROOT = Path(__file__).parents[2]
NAME = "reference"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the demo's hyperparameters and stand-ins of what is read."""
    params = read_yaml(ROOT / "params.yaml")
    params["coarse"] |= {"learning_rates": [0.01, 0.001, 0.0001]}
    params["coarse"]["schedule"] |= {"epochs": 3}
    YAML().dump(params, tmp_path / "params.yaml")
    for name in (
        "data/processed/reduced_training.npz",
        "data/processed/reduced_validation.npz",
        "models/pretrained.h5",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_every_rate_has_a_line_and_divergence_is_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    monkeypatch.setattr(coarse, "set_up_runner", lambda *_, **arguments: asked.update(arguments) or make_bench())
    coarse.main(NAME, root)
    assert asked == {"start": "models/pretrained.h5", "backbone": "resnet14", "layers": "all", "optimizer": "sgd"}
    # the fake's loss: |log10(rate / 1e-4)| + 1 / epoch; above 3e-3 it diverges in the third step of epoch 2
    assert read_finding(Sweep, root / f"tuning/coarse/{NAME}.yaml", "coarse") == Sweep(
        Candidate("models/pretrained.h5", "resnet14", "sgd"),
        [SweptRate(0.01, None, None, 13), SweptRate(0.001, 1.333, 3, None), SweptRate(0.0001, 0.3333, 3, None)],
    )
    history = pd.read_csv(root / f"plots/coarse/{NAME}.csv")
    assert list(history.columns) == ["learning_rate", "epoch", "loss", "val_loss", "val_mask_loss"]
    assert list(zip(history["learning_rate"], history["epoch"], strict=True)) == [
        (0.01, 1), *((0.001, epoch) for epoch in (1, 2, 3)), *((0.0001, epoch) for epoch in (1, 2, 3))
    ]  # fmt: skip


def test_a_stopped_stage_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse, "set_up_runner", lambda *_, **__: make_bench(stop_after=4))
    with pytest.raises(KeyboardInterrupt):
        coarse.main(NAME, root)
    assert not (root / "tuning").exists()
    bench = make_bench()
    monkeypatch.setattr(coarse, "set_up_runner", lambda *_, **__: bench)
    coarse.main(NAME, root)
    # two epochs of the rate that diverges and two of the next were done
    assert [(run.learning_rate, epoch) for run, epoch in bench.trainer.learned] == [
        (0.001, 3), (0.0001, 1), (0.0001, 2), (0.0001, 3)
    ]  # fmt: skip
    assert not [path for path in (root / "checkpoints").rglob("*") if path.is_file()]


def test_an_unknown_candidate_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=r"params\.yaml` must have the section `candidates\.none`; got"):
        coarse.main("none", root)
