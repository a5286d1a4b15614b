"""Babysitting: the verdict and the losses, of a network that only pretends."""

from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from maskrcnn.project.params import read_yaml
from maskrcnn.tuning.babysitting import Verdict
from maskrcnn.tuning.findings import read_finding
from stages import babysit
from tests.tuning.fakes import FakeTrainer, make_bench

ROOT = Path(__file__).parents[2]


class Watched(FakeTrainer):
    """A fake trainer whose loss before the first step is 2."""

    def evaluate(self, _: object) -> dict[str, float]:
        assert not self.learned, "before the first step"
        return {"loss": 2.0}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the demo's hyperparameters, and a network that only pretends."""
    params = read_yaml(ROOT / "params.yaml")
    params["babysit"] |= {"fall": 0.2}
    params["babysit"]["hyperparameters"] |= {"learning_rate": 1e-3}
    params["babysit"]["schedule"] |= {"epochs": 2}
    YAML().dump(params, tmp_path / "params.yaml")
    for name in ("data/processed/reduced_training.npz", params["babysit"]["start"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    bench = make_bench()
    bench.trainer = Watched()
    monkeypatch.setattr(babysit, "set_up_runner", lambda *_, **__: bench)
    return tmp_path


def test_the_verdict_and_the_losses_are_written(root: Path) -> None:
    babysit.main(root)
    # at 1e-3 the fake's loss is 1 + 1 / 2 after two epochs, a quarter below 2
    verdict = read_finding(Verdict, root / "tuning/babysit.yaml", "babysit")
    assert verdict == Verdict(True, {"loss": 0.25}, {"loss": 2.0}, {"loss": 1.5})
    history = pd.read_csv(root / "plots/history/babysit.csv")
    losses = {"loss": [1.9, 1.4], "val_loss": [2.0, 1.5], "val_mask_loss": [0.5, 0.5]}
    assert history.to_dict("list") == {"epoch": [1, 2]} | losses
    assert not [path for path in (root / "checkpoints").rglob("*") if path.is_file()]


def test_a_network_that_does_not_learn_fails_and_leaves_its_losses(root: Path) -> None:
    params = read_yaml(root / "params.yaml")
    params["babysit"]["fall"] = 0.6
    YAML().dump(params, root / "params.yaml")
    with pytest.raises(ValueError, match=r"`loss` must fall by 60% while babysitting; got 25%, from 2\.000 to 1\.500"):
        babysit.main(root)
    assert not (root / "tuning/babysit.yaml").exists()
    assert len(pd.read_csv(root / "plots/history/babysit.csv")) == 2
