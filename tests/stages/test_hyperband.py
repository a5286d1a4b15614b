"""One optimizer's search, with a fake trainer."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from maskrcnn.learning.recipe import Recipe
from maskrcnn.project.config import Candidate, Feeder, Model, Runtime, Sampling, SearchSpace, TuningSchedule, Variant
from maskrcnn.project.params import read_yaml
from maskrcnn.tuning.candidates import CoarseBest, Interval
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.trials import read_search
from stages import hyperband
from tests.tuning.fakes import FakeAssembly

pytestmark = [
    pytest.mark.filterwarnings("ignore:currentThread.. is deprecated"),  # Keras Tuner's
    pytest.mark.filterwarnings("ignore:getName.. is deprecated"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the demo's params and input files without meaning."""
    params = read_yaml(ROOT / "params.yaml")
    params["hyperband"]["schedule"] |= {"epochs": 2}
    params |= {"backend": "jax", "feeder": {"workers": 3, "cache": False}}
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


def give(monkeypatch: pytest.MonkeyPatch, **arguments: int) -> FakeAssembly:
    """Returns what the stage gets from `assemble`."""
    assembly = FakeAssembly(**arguments)
    monkeypatch.setattr(hyperband, "assemble", assembly)
    monkeypatch.setattr(hyperband, "check_splits", lambda *_: None)
    return assembly


def test_the_network_is_assembled_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assembly = give(monkeypatch)
    hyperband.main("sgd", root)
    expected = Recipe(
        images="data/synthetic",
        image_shape=(128, 256),
        instance_cap=16,
        model=Model("resnet14", 32, 64, 64, 256, 32, (12.0, 24.0, 48.0, 96.0, 160.0), 56.0, 400),
        sampling=Sampling(150, 256, 32, 0.33),
        variant=Variant("models/pretrained.h5", "heads"),
        schedule=TuningSchedule(seed=5, batch_size=4, epochs=2, steps=6, validation_steps=4),
        optimizer="sgd",
        hyperparameters=None,
        training="reduced_training",
        validation="reduced_validation",
        runtime=Runtime("jax"),
    )
    assert assembly.calls == [(expected, root, Feeder(workers=3))]


def test_table_and_history_are_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch)
    hyperband.main("sgd", root)
    search = read_search(root, "sgd")
    assert search.space == SearchSpace((1e-5, 1e-3), (1e-4, 1e-2), (0.9, 0.99))
    assert len(search.trials) == 5  # 2 of one epoch, 1 of them of two; 2 of two
    assert {trial.hyperparameters.optimizer for trial in search.trials} == {"sgd"}
    losses = sorted(trial.loss for trial in search.trials if trial.epochs == 2)
    assert [trial.loss for trial in search.best] == losses[:2]
    history = pd.read_csv(root / "tuning/hyperband/sgd/history.csv")
    assert len(history) == 2 + 1 + 4
    assert list(history.columns[:6]) == ["trial", "optimizer", "learning_rate", "momentum", "weight_decay", "epoch"]
    # unrounded: the lowest loss of the history is that of the best trial, digit by digit
    assert history["val_loss"].min() == search.best[0].val_loss


def test_a_stopped_search_ends_as_if_it_had_not(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch)
    hyperband.main("sgd", root)
    table = root / "tuning/hyperband/sgd/search.yaml"
    expected = table.read_text()
    table.unlink()
    shutil.rmtree(root / "checkpoints")  # that of the search that is done
    give(monkeypatch, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        hyperband.main("sgd", root)
    assert not table.exists()
    give(monkeypatch)
    hyperband.main("sgd", root)
    assert table.read_text() == expected
    assert list((root / "checkpoints").rglob("done"))  # kept until the next stage begins


def test_rates_that_are_given_need_no_coarse_comparison(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "tuning/coarse_best.yaml").unlink()
    params = read_yaml(root / "params.yaml")
    params["search"]["adam"]["learning_rate"] = [2e-5, 3e-5]
    YAML().dump(params, root / "params.yaml")
    give(monkeypatch)
    hyperband.main("adam", root)
    trials = read_search(root, "adam").trials
    assert all(2e-5 <= trial.hyperparameters.learning_rate <= 3e-5 for trial in trials)


def test_an_optimizer_without_rates_is_refused(root: Path) -> None:
    with pytest.raises(
        ValueError, match=r"`search\.adam\.learning_rate` must be given; no candidate has this optimizer"
    ):
        hyperband.main("adam", root)
    (root / "tuning/coarse_best.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"`dvc repro coarse_best` makes it"):
        hyperband.main("adam", root)


def test_a_worker_shares_the_folder_and_writes_nothing_of_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hyperband.open_folder(root, "hyperband/sgd", "0123") as chief:
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker1")
        with hyperband.open_folder(root, "hyperband/sgd", "0123") as folder:
            assert folder == chief
        assert chief.is_dir()
