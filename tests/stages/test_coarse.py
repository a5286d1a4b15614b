"""One candidate at every rate, with a fake trainer."""

from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from maskrcnn.learning.recipe import Recipe
from maskrcnn.project.config import (
    Candidate,
    Feeder,
    Hyperparameters,
    Model,
    Runtime,
    Sampling,
    TuningSchedule,
    Variant,
)
from maskrcnn.project.params import read_yaml
from maskrcnn.tuning.sweeps import Sweep, SweptRate, read_sweep
from stages import coarse
from tests.tuning.fakes import FakeAssembly

ROOT = Path(__file__).parents[2]
NAME = "reference"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the demo's params and input files without meaning."""
    params = read_yaml(ROOT / "params.yaml")
    params["coarse"] |= {"learning_rates": [0.01, 0.001, 0.0001]}
    params["coarse"]["schedule"] |= {"epochs": 3}
    params |= {"backend": "jax", "feeder": {"workers": 3, "cache": False}}
    YAML().dump(params, tmp_path / "params.yaml")
    for name in (
        "data/processed/reduced_training.npz",
        "data/processed/reduced_validation.npz",
        "models/pretrained.h5",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def give(monkeypatch: pytest.MonkeyPatch, **arguments: int) -> FakeAssembly:
    """Returns what the stage gets from `assemble`."""
    assembly = FakeAssembly(**arguments)
    monkeypatch.setattr(coarse, "assemble", assembly)
    monkeypatch.setattr(coarse, "check_splits", lambda *_: None)
    return assembly


def test_the_candidate_is_trained_at_every_rate(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = read_yaml(root / "params.yaml")
    params["candidates"][NAME] |= {"backbone": "resnet26"}
    params["coarse"] |= {"layers": "heads", "momentum": 0.8, "weight_decay": 0.002, "learning_rates": [0.001, 0.0001]}
    YAML().dump(params, root / "params.yaml")
    assembly = give(monkeypatch)
    coarse.main(NAME, root)
    expected = Recipe(
        images="data/synthetic",
        image_shape=(128, 256),
        instance_cap=16,
        model=Model("resnet26", 32, 64, 64, 256, 32, (12.0, 24.0, 48.0, 96.0, 160.0), 56.0, 400),
        sampling=Sampling(150, 256, 32, 0.33),
        variant=Variant("models/pretrained.h5", "heads"),
        schedule=TuningSchedule(seed=4, batch_size=4, epochs=3, steps=10, validation_steps=5),
        optimizer="sgd",
        hyperparameters=None,
        training="reduced_training",
        validation="reduced_validation",
        runtime=Runtime("jax"),
    )
    assert assembly.calls == [(expected, root, Feeder(workers=3))]
    rates = [Hyperparameters("sgd", rate, 0.8, 0.002) for rate in (0.001, 0.0001)]
    assert assembly.trainer.learned == [(rate, epoch) for rate in rates for epoch in (1, 2, 3)]


def test_every_rate_has_a_row_and_divergence_is_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch)
    coarse.main(NAME, root)
    # the fake's loss: |log10(rate / 1e-4)| + 1 / epoch; above 3e-3 it diverges in the third step of epoch 2
    sweep = read_sweep(root, NAME)
    assert sweep == Sweep(
        Candidate("models/pretrained.h5", "resnet14", "sgd"),
        [SweptRate(0.01, None, None, 13), SweptRate(0.001, 4 / 3, 3, None), SweptRate(0.0001, 1 / 3, 3, None)],
    )
    history = pd.read_csv(root / f"tuning/coarse/{NAME}/history.csv")
    assert list(history.columns) == ["learning_rate", "epoch", "loss", "val_loss", "val_positive_regions"]
    assert list(zip(history["learning_rate"], history["epoch"], strict=True)) == [
        (0.01, 1), *((0.001, epoch) for epoch in (1, 2, 3)), *((0.0001, epoch) for epoch in (1, 2, 3))
    ]  # fmt: skip


def test_a_stopped_stage_continues(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        coarse.main(NAME, root)
    assert not (root / "tuning").exists()
    assembly = give(monkeypatch)
    coarse.main(NAME, root)
    # two epochs of the rate that diverges and two of the next were done
    assert [(run.learning_rate, epoch) for run, epoch in assembly.trainer.learned] == [
        (0.001, 3), (0.0001, 1), (0.0001, 2), (0.0001, 3)
    ]  # fmt: skip
    assert list((root / "checkpoints").rglob("done"))  # kept until the next stage begins


def test_an_unknown_candidate_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=r"params\.yaml` must have the section `candidates\.none`; got"):
        coarse.main("none", root)
