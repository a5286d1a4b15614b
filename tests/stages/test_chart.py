from pathlib import Path

import cv2
import pytest

from maskrcnn.project.config import Candidate, SearchSpace
from maskrcnn.tuning.comparison import Sweep, SweptRate
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.trials import Search, Trial
from stages.chart import main
from tests.stages.drawn import write_params

RATES = [SweptRate(0.1, None, None, 3), SweptRate(0.01, 1.5, 2, None)]
TRIALS = [
    Trial(0, 1, 0, 0, 2, 0.001, 0.9, 0.0001, 1.5, None),
    Trial(1, 1, 0, 0, 2, 0.01, 0.99, 0.001, None, "The loss diverged."),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_params(tmp_path, candidates={"random": {}}, search={"sgd": {}})
    write_finding(
        tmp_path / "tuning/coarse/random.yaml", Sweep(Candidate("models/random.h5", "resnet14", "sgd"), RATES)
    )
    search = Search("sgd", SearchSpace(None, (1e-4, 1e-2), (0.9, 0.99)), TRIALS[:1], TRIALS)
    write_finding(tmp_path / "tuning/hyperband/sgd.yaml", search)
    return tmp_path


def test_both_charts_are_drawn(root: Path) -> None:
    main(root)
    for name in ("sweeps", "trials"):
        assert cv2.imread(str(root / f"plots/{name}.png")).std() > 10


@pytest.mark.parametrize(("name", "stage"), [("coarse/random", "coarse@random"), ("hyperband/sgd", "hyperband@sgd")])
def test_what_is_missing_names_its_stage(root: Path, name: str, stage: str) -> None:
    (root / f"tuning/{name}.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name}\.yaml` must exist; `dvc repro {stage}` makes it"):
        main(root)
    assert not (root / "plots").exists()
