"""The selection of the final hyperparameters, from the searches' files to one."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from maskrcnn.project.config import Hyperparameters, SearchSpace
from maskrcnn.project.params import read_whole, read_yaml
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.trials import Search, Trial
from stages import select_best

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the demo's hyperparameters and the tables of two searches."""
    YAML().dump(read_yaml(ROOT / "params.yaml"), tmp_path / "params.yaml")
    space = SearchSpace((1e-5, 1e-3), (1e-4, 1e-2), (0.9, 0.99))
    for optimizer, loss in (("sgd", 1.25), ("adam", 1.125)):
        best = Trial(4, 1, 0, 0, 2, Hyperparameters(optimizer, 1.23e-4, 0.954, 5.6e-3), loss, None)
        write_finding(tmp_path / f"tuning/hyperband/{optimizer}/search.yaml", Search(space, [best], [best]))
    return tmp_path


def overrule(root: Path, **values: object) -> str:
    """Returns the selected file after some values were overruled."""
    params = read_yaml(root / "params.yaml")
    params["select"] |= values
    YAML().dump(params, root / "params.yaml")
    select_best.main(root)
    return (root / "tuning/selected.yaml").read_text()


def test_the_best_search_is_selected_as_hyperparameters_alone(root: Path) -> None:
    select_best.main(root)
    assert read_whole(Hyperparameters, root / "tuning/selected.yaml") == Hyperparameters("adam", 1.23e-4, 0.954, 5.6e-3)
    assert read_yaml(root / "tuning/selected_why.yaml") == {
        "found": "the best trial of adam: sgd reached 1.25; adam reached 1.125",
        "overruled": {},
    }


def test_overruling_by_what_was_found_leaves_the_file_as_it_was(root: Path) -> None:
    assert overrule(root) == overrule(root, optimizer="adam", learning_rate=1.23e-4)
    assert "learning_rate" in read_yaml(root / "tuning/selected_why.yaml")["overruled"]
    assert overrule(root, learning_rate=1e-3) == overrule(root, momentum=0.954)


def test_only_optimizers_that_are_searched_count(root: Path) -> None:
    params = read_yaml(root / "params.yaml")
    del params["search"]["adam"]
    YAML().dump(params, root / "params.yaml")
    (root / "tuning/hyperband/adam/search.yaml").write_text("{")
    select_best.main(root)
    assert read_yaml(root / "tuning/selected.yaml")["optimizer"] == "sgd"


def test_a_missing_search_names_its_stage(root: Path) -> None:
    (root / "tuning/hyperband/adam/search.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"`dvc repro hyperband@adam` makes it"):
        select_best.main(root)
    assert not (root / "tuning/selected.yaml").exists()
