"""The comparison of the candidates, from their files to one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from maskrcnn.project.config import Candidate
from maskrcnn.project.params import read_yaml
from maskrcnn.project.tuning_rules import check_comparisons
from maskrcnn.tuning.candidates import CoarseBest
from maskrcnn.tuning.findings import read_finding, write_finding
from maskrcnn.tuning.sweeps import Sweep, SweptRate, read_sweep
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
        write_finding(tmp_path / f"tuning/coarse/{name}/sweep.yaml", Sweep(Candidate(**values), rates))
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


def test_the_params_to_change_are_printed_and_setting_them_suffices(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(root, hyperband={"start": "models/old.h5"})
    assert not found(root).follows
    assert capsys.readouterr().out == (
        "resnet26 from models/pretrained.h5 won. To use it, set in params.yaml:\n"
        "  hyperband.start: models/pretrained.h5\n"
        "  model.backbone: resnet26\n"
    )
    change(root, model={"backbone": "resnet26"}, hyperband={"start": "models/pretrained.h5"})
    assert found(root).follows
    assert not capsys.readouterr().out


def test_every_variant_that_starts_as_the_base_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    variants = read_yaml(root / "params.yaml")["variants"]
    for name in ("base", "flip"):
        variants[name]["start"] = "models/old.h5"
    change(root, variants=variants)
    assert not found(root).follows
    keys = [line.partition(":")[0].strip() for line in capsys.readouterr().out.splitlines()[1:]]
    assert keys == ["variants.base.start", "variants.flip.start", "model.backbone"]


def test_a_tie_is_decided_by_the_list_and_not_by_the_names(root: Path) -> None:
    for name in ("reference", "other_optimizer"):
        sweep = read_sweep(root, name)
        equal = [replace(rate, val_loss=1.5) for rate in sweep.rates]
        write_finding(root / f"tuning/coarse/{name}/sweep.yaml", replace(sweep, rates=equal))
    comparison = found(root).comparisons["optimizer"]
    assert comparison.winner == "reference"  # listed first, though `o` comes before `r`
    assert "tie" in comparison.why


@pytest.mark.parametrize("overlay", [None, "cityscapes"])
def test_the_comparisons_of_every_scale_are_sound(overlay: str | None) -> None:
    params = read_yaml(ROOT / "params.yaml") | (read_yaml(ROOT / f"scales/{overlay}.yaml") if overlay else {})
    candidates = {name: Candidate(**values) for name, values in params["candidates"].items()}
    check_comparisons(params["coarse"]["comparisons"], candidates)


def test_candidates_that_are_no_longer_named_are_not_read(root: Path) -> None:
    write_finding(root / "tuning/coarse/removed/sweep.yaml", Sweep(Candidate("x.h5", "resnet14", "sgd"), []))
    expected = found(root)
    (root / "tuning/coarse/removed/sweep.yaml").write_text("{")
    assert found(root) == expected


def test_a_missing_candidate_names_its_stage(root: Path) -> None:
    (root / "tuning/coarse/random_resnet26_sgd/sweep.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"`dvc repro coarse@random_resnet26_sgd` makes it"):
        coarse_best.main(root)
    assert not (root / "tuning/coarse_best.yaml").exists()


def test_divergence_is_carried_through(root: Path) -> None:
    path = root / "tuning/coarse/other_optimizer/sweep.yaml"
    sweep = read_sweep(root, "other_optimizer")
    diverged = [SweptRate(rate.learning_rate, None, None, 5) for rate in sweep.rates]
    write_finding(path, replace(sweep, rates=[*diverged[:2], *sweep.rates[2:]]))
    assert found(root).intervals["adam"].high == 1e-3
    write_finding(path, replace(sweep, rates=diverged))
    with pytest.raises(ValueError, match="other_optimizer learns; add lower ones"):
        coarse_best.main(root)
