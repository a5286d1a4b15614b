"""The comparison of the candidates, from their files to one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from maskrcnn.project.config import Candidate
from maskrcnn.project.params import read_yaml
from maskrcnn.tuning.comparison import CoarseBest, Sweep, SweptRate, check_comparisons
from maskrcnn.tuning.findings import read_finding, write_finding
from stages import coarse_best

ROOT = Path(__file__).parents[2]
CANDIDATES = {
    "other_start": {"start": "random.txt", "backbone": "resnet14", "optimizer": "sgd"},
    "random_resnet26_sgd": {"start": "random.txt", "backbone": "resnet26", "optimizer": "sgd"},
    "reference": {"start": "models/pretrained.h5", "backbone": "resnet14", "optimizer": "sgd"},
    "other_optimizer": {"start": "models/pretrained.h5", "backbone": "resnet14", "optimizer": "adam"},
}
COMPARISONS = {
    "start": ["other_start", "reference"],
    "backbone": ["other_start", "random_resnet26_sgd"],
    "optimizer": ["reference", "other_optimizer"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder in which the last candidate of every comparison is the best."""
    params = read_yaml(ROOT / "params.yaml")
    params["candidates"] = CANDIDATES
    params["coarse"]["comparisons"] = COMPARISONS
    YAML().dump(params, tmp_path / "params.yaml")
    for number, (name, values) in enumerate(params["candidates"].items()):
        rates = [SweptRate(rate, 9.0 - number + 10 * rate, 2, None) for rate in params["coarse"]["learning_rates"]]
        write_finding(tmp_path / f"tuning/coarse/{name}.yaml", Sweep(Candidate(**values), rates))
    return tmp_path


def change(root: Path, **sections: Any) -> None:
    """Changes hyperparameters."""
    params = read_yaml(root / "params.yaml")
    for section, values in sections.items():
        params[section] |= values
    YAML().dump(params, root / "params.yaml")


def found(root: Path) -> CoarseBest:
    coarse_best.main(root)
    return read_finding(CoarseBest, root / "tuning/coarse_best.yaml", "coarse_best")


def test_winners_and_intervals_are_written(root: Path) -> None:
    best = found(root)
    assert {aspect: comparison.winner for aspect, comparison in best.comparisons.items()} == {
        "start": "reference",
        "backbone": "random_resnet26_sgd",
        "optimizer": "other_optimizer",
    }
    assert best.winner == Candidate("models/pretrained.h5", "resnet26", "adam")
    assert {name: (interval.low, interval.high) for name, interval in best.intervals.items()} == {
        "sgd": (1e-4, 1e-3),
        "adam": (1e-4, 1e-3),
    }


def test_a_hint_is_given_where_the_trainings_do_not_follow(root: Path, capsys: pytest.CaptureFixture) -> None:
    assert not found(root).follows
    assert (
        "set to resnet14 from models/pretrained.h5; resnet26 from models/pretrained.h5 won" in capsys.readouterr().out
    )
    change(root, model={"backbone": "resnet26"})
    assert found(root).follows
    assert not capsys.readouterr().out


@pytest.mark.parametrize("overlay", [None, "cityscapes"])
def test_the_comparisons_of_every_scale_are_sound(overlay: str | None) -> None:
    params = read_yaml(ROOT / "params.yaml") | (read_yaml(ROOT / f"scales/{overlay}.yaml") if overlay else {})
    candidates = {name: Candidate(**values) for name, values in params["candidates"].items()}
    check_comparisons(params["coarse"]["comparisons"], candidates)


def test_candidates_that_are_no_longer_named_are_not_read(root: Path) -> None:
    write_finding(root / "tuning/coarse/removed.yaml", Sweep(Candidate("x.h5", "resnet14", "sgd"), []))
    expected = found(root)
    (root / "tuning/coarse/removed.yaml").write_text("{")
    assert found(root) == expected


def test_a_missing_candidate_is_told_with_its_stage(root: Path) -> None:
    (root / "tuning/coarse/random_resnet26_sgd.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"`dvc repro coarse@random_resnet26_sgd` makes it"):
        coarse_best.main(root)
    assert not (root / "tuning/coarse_best.yaml").exists()


def test_divergence_is_carried_through(root: Path) -> None:
    path = root / "tuning/coarse/other_optimizer.yaml"
    sweep = read_finding(Sweep, path, "coarse")
    diverged = [SweptRate(rate.learning_rate, None, None, 5) for rate in sweep.rates]
    write_finding(path, replace(sweep, rates=[*diverged[:2], *sweep.rates[2:]]))
    assert found(root).intervals["adam"].high == 1e-3
    write_finding(path, replace(sweep, rates=diverged))
    with pytest.raises(ValueError, match="other_optimizer learns; add lower ones"):
        coarse_best.main(root)
