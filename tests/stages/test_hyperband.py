"""One optimizer's search, on a bench that pretends."""

from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from maskrcnn.project.config import Candidate, SearchSpace
from maskrcnn.project.params import read_yaml
from maskrcnn.tuning.comparison import CoarseBest, Interval
from maskrcnn.tuning.findings import read_finding, write_finding
from maskrcnn.tuning.trials import Search
from stages import hyperband
from tests.tuning.fakes import make_bench

pytestmark = [
    pytest.mark.filterwarnings("ignore:currentThread.. is deprecated"),  # Keras Tuner's
    pytest.mark.filterwarnings("ignore:getName.. is deprecated"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the demo's hyperparameters and stand-ins of what is read."""
    params = read_yaml(ROOT / "params.yaml")
    params["hyperband"]["schedule"] |= {"epochs": 2}
    YAML().dump(params, tmp_path / "params.yaml")
    for name in (
        "data/processed/reduced_training.npz",
        "data/processed/reduced_validation.npz",
        "models/pretrained.h5",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    winner = Candidate("models/pretrained.h5", "resnet14", "sgd")
    coarse = CoarseBest(winner, True, {}, {"sgd": Interval(1e-5, 1e-3, "because")})
    write_finding(tmp_path / "tuning/coarse_best.yaml", coarse)
    return tmp_path


def give_bench(monkeypatch: pytest.MonkeyPatch, **arguments: int) -> None:
    monkeypatch.setattr(hyperband, "set_up_runner", lambda *_, **__: make_bench(**arguments))


def test_table_and_history_are_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_bench(monkeypatch)
    hyperband.main("sgd", root)
    search = read_finding(Search, root / "tuning/hyperband/sgd.yaml", "hyperband")
    assert search.optimizer == "sgd"
    assert search.space == SearchSpace((1e-5, 1e-3), (1e-4, 1e-2), (0.9, 0.99))
    assert len(search.trials) == 5  # 2 of one epoch, 1 of them of two; 2 of two
    losses = sorted(trial.val_loss for trial in search.trials if trial.epochs == 2)
    assert [trial.val_loss for trial in search.best] == losses[:2]
    history = pd.read_csv(root / "plots/hyperband/sgd.csv")
    assert len(history) == 2 + 1 + 4
    assert list(history.columns[:6]) == ["trial", "optimizer", "learning_rate", "momentum", "weight_decay", "epoch"]


def test_a_stopped_search_ends_as_if_it_had_not(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_bench(monkeypatch)
    hyperband.main("sgd", root)
    table = root / "tuning/hyperband/sgd.yaml"
    expected = table.read_text()
    table.unlink()
    give_bench(monkeypatch, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        hyperband.main("sgd", root)
    assert not table.exists()
    give_bench(monkeypatch)
    hyperband.main("sgd", root)
    assert table.read_text() == expected
    assert not [path for path in (root / "checkpoints").rglob("*") if path.is_file()]


def test_rates_that_are_given_need_no_coarse_comparison(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "tuning/coarse_best.yaml").unlink()
    params = read_yaml(root / "params.yaml")
    params["search"]["adam"]["learning_rate"] = [2e-5, 3e-5]
    YAML().dump(params, root / "params.yaml")
    give_bench(monkeypatch)
    hyperband.main("adam", root)
    trials = read_finding(Search, root / "tuning/hyperband/adam.yaml", "hyperband").trials
    assert all(2e-5 <= trial.learning_rate <= 3e-5 for trial in trials)


def test_an_optimizer_without_rates_is_refused(root: Path) -> None:
    with pytest.raises(
        ValueError, match=r"`search\.adam\.learning_rate` must be given; no candidate has this optimizer"
    ):
        hyperband.main("adam", root)
    (root / "tuning/coarse_best.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"`dvc repro coarse_best` makes it"):
        hyperband.main("adam", root)


def test_a_worker_shares_the_folder_and_writes_nothing_of_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hyperband.open_folder(root, "sgd", "0123") as chief:
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker1")
        with hyperband.open_folder(root, "sgd", "0123") as folder:
            assert folder == chief
        assert chief.is_dir()
