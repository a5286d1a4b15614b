"""The page of tables, ours beside the published ones."""

import filecmp
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from maskrcnn.pictures.charts import draw_ap_by_iou, draw_sweeps, draw_trials
from maskrcnn.pictures.panels import write_figure
from maskrcnn.project.config import Candidate, Hyperparameters, SearchSpace
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_yaml
from maskrcnn.tuning.findings import write_finding
from maskrcnn.tuning.sweeps import Sweep, SweptRate
from maskrcnn.tuning.trials import Search, Trial
from stages.tabulate import PUBLISHED, REAL_SCALE, TEST_IMAGES, format_page, main
from tests.stages.drawn import PARAMS, RIDER, write_city, write_json, write_params, write_variant

ROOT = Path(__file__).parents[2]
RATES = [SweptRate(0.1, None, None, 3), SweptRate(0.01, 1.5, 2, None)]
TRIALS = [
    Trial(0, 1, 0, 0, 2, Hyperparameters("sgd", 0.001, 0.9, 0.0001), 1.5, None),
    Trial(1, 1, 0, 0, 2, Hyperparameters("sgd", 0.01, 0.99, 0.001), None, "The loss diverged."),
]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three variants set side by side."""
    root = tmp_path_factory.mktemp("compared")
    write_all(root)
    write_variant(root, "sixth", rider=RIDER)
    write_curves(root, "sixth", 3.5)
    write_params(root, variants={"base": {}, "flip": {}, "sixth": {}})
    main(root)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_all(tmp_path)
    return tmp_path


def write_all(root: Path) -> None:
    write_city(root)
    shutil.copytree(ROOT / "metrics/published_2021", root / "metrics/published_2021")
    write_json(root / "metrics/data/test.json", {"images": 3, "instances_car": 4, "instances_rider": 0})
    write_finding(root / "tuning/coarse/random/sweep.yaml", Sweep(Candidate("random.h5", "resnet14", "sgd"), RATES))
    write_table(root / "tuning/coarse/random/history.csv", "learning_rate,epoch,val_loss\n0.01,1,1.5\n")
    search = Search(SearchSpace(None, (1e-4, 1e-2), (0.9, 0.99)), TRIALS[:1], TRIALS)
    write_finding(root / "tuning/hyperband/sgd/search.yaml", search)
    write_table(root / "tuning/hyperband/sgd/history.csv", "trial,epoch,val_loss\n0,1,1.50\n")
    write_curves(root, "base", 2.5)
    write_curves(root, "flip", 1.5)


def write_curves(root: Path, variant: str, loss: float) -> None:
    """Writes what a training and an evaluation leave for the plots."""
    write_table(root / f"plots/history/{variant}.csv", f"epoch,val_loss\n1,{loss}\n")
    write_table(root / f"plots/curves/{variant}.csv", "class,recall,precision\ncar,0.5,1.0\n")


def write_table(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read_page(root: Path) -> str:
    return (root / "metrics/tables.md").read_text()


def test_our_scores_stand_before_the_published_ones(compared: Path) -> None:
    lines = read_page(compared).splitlines()
    assert [line for line in lines if line.startswith("| AP50 |")] == [
        "| AP50 | 3 | 9 | 0.500 | **0.750** | **0.750** |",
        "| AP50 | 0.587 | 0.611 | 0.615 | 0.608 | **0.623** |",
    ]
    assert lines.count("This repository, scale `demo`, 3 test images:") == 4
    assert lines.count("| rider | 3 | 6 | 0.500 | **0.750** | **0.750** |") == 2  # per image, and by COCO
    assert lines.count("| bus | 0 | 0 | - | - | - |") == 1 and lines.count("| bus | 3 | 0 | - | - | - |") == 1
    assert "| rider | 0.530 | **0.592** | 0.563 | 0.561 | 0.574 |" in lines


def test_only_the_real_scale_is_compared_with_2021() -> None:
    demo, real = (format_page({"base": {"images": TEST_IMAGES}}, {}, scale) for scale in ("demo", REAL_SCALE))
    assert "Not comparable" in format_page({"base": {"images": 3}}, {}, REAL_SCALE)
    assert "**Not comparable:** the scale `demo`" in demo
    assert "Not comparable" not in real and "the same 174 images" in real
    assert read_yaml(ROOT / f"scales/{REAL_SCALE}.yaml")["scale"] == REAL_SCALE


def test_the_published_variants_are_ours() -> None:
    assert list(read_yaml(ROOT / "params.yaml")["variants"]) == list(PUBLISHED)


def test_variants_that_left_params_leave_the_comparison_and_no_metrics(root: Path) -> None:
    for path in ("train/base", "train/flip", "train/pretrained", "errors/flip", "data/old", "ceilings/28"):
        write_json(root / f"metrics/{path}.json", {})
    write_params(root, variants={"base": {}})
    main(root)
    assert "| AP50 | 3 | 9 | 0.500 |\n" in read_page(root)
    left = {path.relative_to(root / "metrics").as_posix() for path in (root / "metrics").rglob("*.json")}
    assert {path for path in left if not path.startswith("published_2021")} == {
        "test/base.json", "iou/base.json", "classes/base.json", "train/base.json", "train/pretrained.json",
        "data/test.json", "ceilings/28.json",
    }  # fmt: skip


def test_variants_of_other_test_images_are_refused(root: Path) -> None:
    row = json.loads((root / "metrics/classes/flip.json").read_text())
    write_json(root / "metrics/classes/flip.json", row | {"test_set": 8})
    with pytest.raises(InputError, match=r"classes/flip\.json` must be scored .*, test_set 7; got .*, test_set 8\."):
        main(root)
    assert not (root / "metrics/tables.md").exists()


def test_charts_show_the_variants_and_the_tuning(compared: Path, tmp_path: Path) -> None:
    ap = {name: {f"AP{iou}": best for iou in range(50, 100, 5)} for name, best in (("base", 0.5), ("flip", 0.75))}
    figures = {
        "ap_by_iou": draw_ap_by_iou(ap | {"sixth": ap["flip"]}),
        "sweeps": draw_sweeps({"random": [asdict(rate) for rate in RATES]}),
        "trials": draw_trials({"sgd": [asdict(trial) | asdict(trial.hyperparameters) for trial in TRIALS]}),
    }
    for name, figure in figures.items():
        write_figure(tmp_path / name, figure)  # equal figures give equal bytes
        assert filecmp.cmp(tmp_path / name, compared / f"plots/tables/{name}.png", shallow=False), name


def test_tables_are_joined_with_the_names_of_their_parts(compared: Path) -> None:
    def read(name: str) -> list[list[str]]:
        return [line.split(",") for line in (compared / f"plots/tables/{name}.csv").read_text().splitlines()]

    losses = [["base", "1", "2.5"], ["flip", "1", "1.5"], ["sixth", "1", "3.5"]]
    assert read("losses") == [["variant", "epoch", "val_loss"], *losses]
    assert [row[0] for row in read("precision_recall")] == ["variant", "base", "flip", "sixth"]
    assert read("learning_rates")[1:] == [["random", "0.01", "1", "1.5"]]
    assert read("trials")[1:] == [["sgd", "0", "1", "1.50"]]
    assert read("searches") == [
        ["search", "trial", "learning_rate", "momentum", "weight_decay", "val_loss"],
        ["sgd", "0", "0.001", "0.9", "0.0001", "1.5"],
        ["sgd", "1", "0.01", "0.99", "0.001", ""],
    ]
    assert read("classes") == [["split", "class", "instances"], ["test", "car", "4"], ["test", "rider", "0"]]


def test_columns_that_a_part_lacks_stay_empty(root: Path) -> None:
    write_table(root / "plots/history/flip.csv", "epoch,val_loss,val_mask_loss\n1,1.5,0.5\n")
    main(root)
    losses = pd.read_csv(root / "plots/tables/losses.csv")
    assert losses.val_mask_loss.isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "stage"), [("coarse/random/sweep", "coarse@random"), ("hyperband/sgd/search", "hyperband@sgd")]
)
def test_what_is_missing_names_its_stage(root: Path, name: str, stage: str) -> None:
    (root / f"tuning/{name}.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name}\.yaml` must exist; `dvc repro {stage}` makes it"):
        main(root)
    assert not (root / "plots/tables").exists()


def test_variants_must_have_been_scored(root: Path) -> None:
    write_params(root, variants=PARAMS["variants"] | {"lost": {}})
    with pytest.raises(FileNotFoundError, match=r"lost\.json` must exist; run `dvc repro evaluate@lost`"):
        main(root)
    assert not (root / "metrics/tables.md").exists()
