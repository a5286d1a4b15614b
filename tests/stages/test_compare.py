"""What two models find in the same images."""

from pathlib import Path

import cv2
import pytest

from stages.compare import main
from tests.stages.drawn import DRAWN, write_city, write_params


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_city(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("variant", "panels"), [("flip", 2), ("base", 1)])
def test_a_variant_is_drawn_beside_the_reference_which_stands_alone(root: Path, variant: str, panels: int) -> None:
    main(variant, root)
    folder = root / f"pictures/compare/{variant}"
    assert sorted(path.stem for path in folder.iterdir()) == DRAWN
    assert cv2.imread(str(folder / f"{DRAWN[0]}.png")).shape[1] == panels * 1024


def test_the_reference_must_have_been_predicted(root: Path) -> None:
    write_params(root, compare={"reference": "best"})
    with pytest.raises(FileNotFoundError, match=r"best\.json` must exist"):
        main("flip", root)
    assert not (root / "pictures/compare").exists()
