"""The whole study at the smoke scale, through DVC itself, and the ways to vary and share it."""

import json
import shutil
from pathlib import Path

import pytest

from maskrcnn.project.params import read_yaml
from stages import scale
from tests.pipeline.study import ROOT, commit, copy_project, dvc, find_stages, git

TUNING = {"babysit", "coarse", "coarse_best", "hyperband"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def begin_repository(root: Path) -> Path:
    """Makes a repository of git and DVC at the smoke scale, in which nothing has run."""
    copy_project(root, "stages")
    git(root, "init", "--quiet")
    dvc(root, "init", "--quiet")
    shutil.copy(ROOT / "dvc.lock", root / "dvc.lock")
    scale.main("smoke", root)
    commit(root, "The smoke scale")
    return root


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository at the smoke scale after one `dvc repro`, all of it committed."""
    root = begin_repository(tmp_path_factory.mktemp("smoke"))
    dvc(root, "repro")
    commit(root, "The study at the smoke scale")
    return root


@pytest.fixture
def clean(repository: Path) -> Path:
    """The repository as it was committed."""
    git(repository, "reset", "--quiet", "--hard")
    git(repository, "clean", "--quiet", "--force", "-d")  # what experiments left, but for ignored files
    dvc(repository, "checkout", "--quiet")
    return repository


def test_every_variant_is_scored(clean: Path) -> None:
    for name in read_yaml(clean / "params.yaml")["variants"]:
        scores = json.loads((clean / f"metrics/test/{name}.json").read_text())
        assert scores.keys() <= {"AP50", "rAP", "cityscapes_AP", "coco_AP"}
        assert 0 <= scores["AP50"] <= 1
        assert f" {name} " in (clean / "metrics/tables.md").read_text()


def test_the_metrics_fit_into_a_terminal(clean: Path) -> None:
    rows = dvc(clean, "metrics", "show").splitlines()
    assert len(rows) == 1 + len(read_yaml(clean / "params.yaml")["variants"])
    assert max(map(len, rows)) <= 100


def test_second_run_does_nothing(clean: Path) -> None:
    assert "up to date" in dvc(clean, "repro")
    assert "up to date" in dvc(clean, "status")


def test_scoring_alone_follows_its_code(clean: Path) -> None:
    script = clean / "stages/evaluate.py"
    script.write_text(script.read_text() + "\n")
    names = read_yaml(clean / "params.yaml")["variants"]
    assert find_stages(dvc(clean, "repro")) == [f"evaluate@{name}" for name in names]


def test_the_ap_table_compares_two_variants(clean: Path) -> None:
    assert find_stages(dvc(clean, "exp", "run", "-n", "flip", "-S", "headline.variant=flip", "headline")) == [
        "check",
        "headline",
    ]
    table = dvc(clean, "metrics", "diff", "HEAD", "flip", "--no-path", "--all", "--targets", "metrics/ap.json")
    header, *rows = table.splitlines()
    assert header.split() == ["Metric", "HEAD", "flip", "Change"]
    base, flip = (json.loads((clean / f"metrics/test/{name}.json").read_text()) for name in ("base", "flip"))
    cells = {row.split()[0]: row.split()[1:3] for row in rows}
    assert [float(cell) for cell in cells["AP50"]] == pytest.approx([base["AP50"], flip["AP50"]], rel=1e-4)
    assert {"rAP", "cAP_car"} < set(cells)


def test_another_variant_runs_only_what_is_new(clean: Path) -> None:
    setting = "+variants.mirror={start: models/pretrained.h5, layers: heads, augment: {flip: 0.5}}"
    stages = find_stages(dvc(clean, "exp", "run", "-n", "mirror", "-S", setting))
    new = ("train", "predict", "evaluate", "card", "draw")
    assert sorted(stages) == sorted(["check", *(f"{stage}@mirror" for stage in new), "tabulate", "report"])


def test_overruled_hyperparameters_rerun_training_but_not_tuning(clean: Path) -> None:
    stages = find_stages(dvc(clean, "exp", "run", "-n", "rate", "-S", "select.learning_rate=0.00123", "train@base"))
    assert stages == ["check", "select", "train@base"]
    assert read_yaml(clean / "tuning/selected.yaml")["learning_rate"] == 0.00123


def test_pinned_hyperparameters_need_no_tuning(clean: Path) -> None:
    setting = "train.hyperparameters=pins/published_2021.yaml"
    assert find_stages(dvc(clean, "exp", "run", "-n", "pinned", "-S", setting, "train@base")) == ["check", "train@base"]


def test_a_changed_variant_reruns_alone(clean: Path) -> None:
    stages = find_stages(dvc(clean, "exp", "run", "-n", "changed", "-S", "variants.flip.layers=5+"))
    assert {stage.partition("@")[2] for stage in stages} == {"flip", ""}
    assert not {stage.partition("@")[0] for stage in stages} & TUNING


def test_another_backend_runs_all_that_has_a_network(clean: Path) -> None:
    stages = find_stages(dvc(clean, "exp", "run", "-n", "jax", "-S", "backend=jax"))
    names = {stage.partition("@")[0] for stage in stages}
    assert {*TUNING, "weights", "train", "predict"} <= names
    assert not names & {"synthesize", "preprocess", "pretrain", "ceilings"}
    assert (clean / ".jax_cache").is_dir()


@pytest.fixture
def second(clean: Path, tmp_path: Path) -> Path:
    """A clone of a repository whose results were pushed."""
    dvc(clean, "remote", "add", "--default", "--force", "team", str(tmp_path / "remote"))
    dvc(clean, "push", "--quiet")
    commit(clean, "Share")
    git(tmp_path, "clone", "--quiet", str(clean), "second")
    return tmp_path / "second"


def find_models(root: Path) -> set[str]:
    return {path.stem for path in (root / "models").glob("*.h5")}


def test_a_second_clone_runs_nothing_that_is_recorded(second: Path) -> None:
    assert find_stages(dvc(second, "repro", "--pull", "--allow-missing")) == []


def test_a_second_clone_without_images_pulls_all_that_is_shared(second: Path) -> None:
    dvc(second, "pull", "--allow-missing")
    variants = set(read_yaml(second / "params.yaml")["variants"])
    assert find_models(second) == variants | {"pretrained"}
    assert {path.stem for path in (second / "predictions").glob("*.json")} == variants
    licensed = [path for folder in ("data/processed", "pictures", "report") for path in (second / folder).rglob("*")]
    assert not any(path.is_file() for path in licensed)


def test_a_second_clone_with_images_makes_what_is_not_shared_and_trains_nothing(second: Path) -> None:
    stages = find_stages(dvc(second, "repro", "--pull"))
    assert {stage.partition("@")[0] for stage in stages} == {"preprocess", "draw", "report"}
    assert find_models(second) == {*read_yaml(second / "params.yaml")["variants"], "pretrained"}
    assert "up to date" in dvc(second, "status")
