"""The page of tables, ours beside the published ones."""

import shutil
from pathlib import Path

import cv2
import pytest

from maskrcnn.project.params import read_yaml
from stages.tabulate import PUBLISHED, REAL_SCALE, format_page, main
from tests.stages.drawn import PARAMS, RIDER, write_city, write_params, write_variant

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three variants set side by side."""
    root = tmp_path_factory.mktemp("compared")
    write_all(root)
    write_variant(root, "sixth", rider=RIDER)
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


def read_page(root: Path) -> str:
    return (root / "metrics/tables.md").read_text()


def test_our_scores_stand_before_the_published_ones(compared: Path) -> None:
    lines = read_page(compared).splitlines()
    assert [line for line in lines if line.startswith("| AP50 |")] == [
        "| AP50 | 0.500 | **0.750** | **0.750** |",
        "| AP50 | 0.587 | 0.611 | 0.615 | 0.608 | **0.623** |",
    ]
    assert lines.count("This repository, scale `demo`, 3 test images:") == 3
    assert "| rider | 0.530 | **0.592** | 0.563 | 0.561 | 0.574 |" in lines


def test_only_the_real_scale_is_compared_with_2021() -> None:
    demo, real = (format_page({"base": {"images": 3}}, {}, scale) for scale in ("demo", REAL_SCALE))
    assert "**Not comparable:** the scale `demo`" in demo
    assert "Not comparable" not in real and "the same 174 images" in real
    assert read_yaml(ROOT / f"scales/{REAL_SCALE}.yaml")["scale"] == REAL_SCALE


def test_the_published_variants_are_ours() -> None:
    assert list(read_yaml(ROOT / "params.yaml")["variants"]) == list(PUBLISHED)


def test_variants_that_left_params_leave_the_comparison(root: Path) -> None:
    write_params(root, variants={"base": {}})
    main(root)
    assert "| AP50 | 0.500 |\n" in read_page(root)


def test_the_chart_is_drawn(compared: Path) -> None:
    assert cv2.imread(str(compared / "plots/ap_by_iou.png")).std() > 10


def test_variants_must_have_been_scored(root: Path) -> None:
    write_params(root, variants=PARAMS["variants"] | {"lost": {}})
    with pytest.raises(FileNotFoundError, match=r"lost\.json` must exist; run `dvc repro evaluate@lost`"):
        main(root)
    assert not (root / "metrics/tables.md").exists()
