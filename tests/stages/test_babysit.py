"""Babysitting: the recipe, the verdict and the losses, with a fake trainer."""

from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from maskrcnn.learning.recipe import RANDOM, Recipe
from maskrcnn.project.config import Feeder, Hyperparameters, Model, Runtime, Sampling, TuningSchedule, Variant
from maskrcnn.project.params import read_yaml
from maskrcnn.tuning.babysitting import LearningVerdict
from maskrcnn.tuning.findings import read_finding
from stages import babysit
from tests.tuning.fakes import FakeAssembly, FakeTrainer

ROOT = Path(__file__).parents[2]


class Watched(FakeTrainer):
    """A fake trainer whose loss before the first step is 2."""

    def evaluate(self, _: object) -> dict[str, float]:
        assert not self.learned, "before the first step"
        return {"loss": 2.0}


@pytest.fixture
def assembly(monkeypatch: pytest.MonkeyPatch) -> FakeAssembly:
    """What the stage gets from `assemble`."""
    fake = FakeAssembly(Watched())
    monkeypatch.setattr(babysit, "assemble", fake)
    monkeypatch.setattr(babysit, "check_splits", lambda *_: None)
    return fake


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the demo's params and empty input files."""
    params = read_yaml(ROOT / "params.yaml")
    params["babysit"] |= {"fall": 0.2, "backbone": "resnet26"}
    params["babysit"]["hyperparameters"] |= {"learning_rate": 1e-3}
    params["babysit"]["schedule"] |= {"epochs": 2}
    params |= {"backend": "jax", "feeder": {"workers": 3, "cache": False}}
    YAML().dump(params, tmp_path / "params.yaml")
    (tmp_path / "data/processed").mkdir(parents=True)
    (tmp_path / "data/processed/reduced_training.npz").touch()
    return tmp_path


def set_fall(root: Path, fall: float) -> None:
    params = read_yaml(root / "params.yaml")
    params["babysit"]["fall"] = fall
    YAML().dump(params, root / "params.yaml")


def test_the_reduced_split_is_learned_and_validated_on(root: Path, assembly: FakeAssembly) -> None:
    babysit.main(root)
    expected = Recipe(
        images="data/synthetic",
        image_shape=(128, 256),
        instance_cap=16,
        model=Model("resnet26", 32, 64, 64, 256, 32, (12.0, 24.0, 48.0, 96.0, 160.0), 56.0, 400),
        sampling=Sampling(150, 256, 32, 0.33),
        variant=Variant(RANDOM, "all"),
        schedule=TuningSchedule(seed=3, batch_size=4, epochs=2, steps=10, validation_steps=5),
        optimizer="adam",
        hyperparameters=Hyperparameters("adam", 1e-3, 0.9, 0.0),
        training="reduced_training",
        validation="reduced_training",
        runtime=Runtime("jax"),
    )
    assert assembly.calls == [(expected, root, Feeder(workers=3))]
    assert assembly.trainer.learned == [(expected.hyperparameters, 1), (expected.hyperparameters, 2)]


def test_the_verdict_and_the_losses_are_written(root: Path, assembly: FakeAssembly) -> None:
    babysit.main(root)
    # at 1e-3 the fake's loss is 1 + 1 / 2 after two epochs, a quarter below 2
    verdict = read_finding(LearningVerdict, root / "tuning/babysit/verdict.yaml", "babysit")
    assert verdict == LearningVerdict(True, {"loss": 0.25}, {"loss": 2.0}, {"loss": 1.5})
    history = pd.read_csv(root / "tuning/babysit/history.csv")
    losses = {"loss": [1.9, 1.4], "val_loss": [2.0, 1.5], "val_positive_regions": [20.0, 20.0]}
    assert history.to_dict("list") == {"epoch": [1, 2]} | losses
    assert list((root / "checkpoints").rglob("done"))  # kept until the next stage begins


def test_a_network_that_does_not_learn_fails_and_leaves_its_losses(root: Path, assembly: FakeAssembly) -> None:
    set_fall(root, 0.6)
    with pytest.raises(ValueError, match=r"`loss` must fall by 60% while babysitting; got 25%, from 2\.000 to 1\.500"):
        babysit.main(root)
    assert not (root / "tuning/babysit/verdict.yaml").exists()
    assert len(pd.read_csv(root / "tuning/babysit/history.csv")) == 2


def test_a_lower_fall_is_judged_without_training_again(
    root: Path, assembly: FakeAssembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_fall(root, 0.6)
    with pytest.raises(ValueError, match="must fall by 60%"):
        babysit.main(root)
    (root / "tuning/babysit/history.csv").unlink()  # as DVC does
    set_fall(root, 0.2)
    again = FakeAssembly(Watched())
    monkeypatch.setattr(babysit, "assemble", again)
    babysit.main(root)
    assert again.trainer.learned == []
    assert len(pd.read_csv(root / "tuning/babysit/history.csv")) == 2
    assert (root / "tuning/babysit/verdict.yaml").exists()
