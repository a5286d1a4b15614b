import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.headline import main
from tests.stages.drawn import write_json, write_params


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, ap in (("base", 0.5), ("flip", 0.75)):
        write_json(tmp_path / f"metrics/test/{name}.json", {"AP50": ap, "rAP": 0.25, "coco_AP": 0.125})
        row = {"cAP_car": 1, "coco_AP50": 0.5, "coco_AP_car": 1, "images": 3, "images_car": 2, "test_set": 7}
        write_json(tmp_path / f"metrics/classes/{name}.json", row)
        write_json(tmp_path / f"metrics/iou/{name}.json", {"AP50": ap, "AP95": 0})
    write_params(tmp_path)
    return tmp_path


def read(root: Path) -> dict[str, float]:
    return json.loads((root / "metrics/ap.json").read_text())


def test_all_average_precisions_in_one_flat_row(root: Path) -> None:
    main(root)
    scores = {"AP50": 0.5, "rAP": 0.25, "coco_AP": 0.125, "cAP_car": 1, "coco_AP50": 0.5, "AP95": 0}
    assert read(root) == scores | {"images": 3, "test_set": 7}  # what they were scored on; counts by class are left out


def test_the_variant_is_a_parameter(root: Path) -> None:
    write_params(root, headline={"variant": "flip"})
    main(root)
    assert read(root)["AP50"] == 0.75


def test_an_unknown_variant_is_named(root: Path) -> None:
    write_params(root, headline={"variant": "flop"})
    with pytest.raises(FileNotFoundError, match=r"flop\.json` must exist; run `dvc repro evaluate@flop`"):
        main(root)
    assert not (root / "metrics/ap.json").exists()


def test_nothing_heavy_is_imported() -> None:
    # `dvc exp run -S headline.variant=flip headline` should take seconds.
    heavy = (
        "import sys, stages.headline; print({'cv2', 'keras', 'matplotlib', 'pandas', 'tensorflow'} & set(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True, cwd=ROOT)
    assert output.stdout.strip() == "set()"


ROOT = Path(__file__).parents[2]
