"""What is drawn of one variant; the pictures themselves are tested in tests/pictures."""

import json
from pathlib import Path

import cv2
import pytest

from stages.draw import KINDS, main
from tests.stages.drawn import DRAWN, PARAMS, write_city, write_params


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_city(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pictures of one variant, drawn in the place of older ones."""
    root = tmp_path_factory.mktemp("drawn")
    write_city(root)
    (root / "pictures/masks/base").mkdir(parents=True)
    (root / "pictures/masks/base/old.png").write_text("old")
    main("base", root)
    return root


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_kind_is_drawn_of_the_first_and_the_last_image(drawn: Path) -> None:
    assert names_in(drawn / "pictures") == sorted([*KINDS, "confusions"])
    for kind in KINDS:
        assert names_in(drawn / f"pictures/{kind}/base") == [f"{name}.png" for name in DRAWN]
        assert cv2.imread(str(drawn / f"pictures/{kind}/base/{DRAWN[0]}.png")).shape[1] == 1024


def test_confusions_are_those_of_all_images(drawn: Path) -> None:
    assert names_in(drawn / "pictures/confusions/base") == ["rider_as_person.png"]
    # Three crops side by side, one an image, although only two images are drawn.
    assert cv2.imread(str(drawn / "pictures/confusions/base/rider_as_person.png")).shape[1] > 1000


def test_pictures_are_equal_bit_by_bit(drawn: Path, root: Path) -> None:
    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}

    main("base", root)
    assert read(root / "pictures") == read(drawn / "pictures")


def test_a_variant_without_confusions_has_an_empty_folder(root: Path) -> None:
    write_params(root, draw=PARAMS["draw"] | {"images": 1})
    main("flip", root)
    assert names_in(root / "pictures/confusions/flip") == []


def test_an_image_without_regions_leaves_no_pictures(root: Path) -> None:
    path = root / "predictions/proposals/base.json"
    path.write_text(json.dumps({DRAWN[0]: []}))
    with pytest.raises(ValueError, match=rf"base\.json` must hold the images that are drawn; got none of {DRAWN[1]}"):
        main("base", root)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"proposals/base\.json` must exist"):
        main("base", root)
    assert not (root / "pictures").exists()


def test_an_error_in_the_middle_leaves_what_was_there(root: Path) -> None:
    (root / "pictures/masks/base").mkdir(parents=True)
    (root / f"data/city/{DRAWN[1]}.png").unlink()
    with pytest.raises(FileNotFoundError, match=DRAWN[1]):
        main("base", root)
    assert [path.parts[-2:] for path in (root / "pictures/masks").rglob("*")] == [("masks", "base")]
