"""What is drawn of one variant; the pictures themselves are tested in tests/pictures."""

import json
from pathlib import Path

import cv2
import pytest

from stages.draw import main
from tests.stages.drawn import DRAWN, PARAMS, write_city, write_params

KINDS = ("proposals", "masks", "verdicts", "detections")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_city(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of the reference, drawn in the place of older ones, and of another variant."""
    root = tmp_path_factory.mktemp("drawn")
    write_city(root)
    (root / "pictures/found/base/masks").mkdir(parents=True)
    (root / "pictures/found/base/masks/old.png").write_text("old")
    main("base", root)
    main("flip", root)
    return root / "pictures/found"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_width(path: Path) -> int:
    """The width of a picture that is not of one colour."""
    picture = cv2.imread(str(path))
    assert picture.std() > 10
    return picture.shape[1]


def test_every_kind_is_drawn_of_the_first_and_the_last_image(drawn: Path) -> None:
    assert names_in(drawn / "base") == sorted([*KINDS, "confusions"])
    for kind in KINDS:
        assert names_in(drawn / "base" / kind) == [f"{name}.png" for name in DRAWN]
        assert read_width(drawn / "base" / kind / f"{DRAWN[0]}.png") == 1024


def test_other_variants_are_drawn_beside_the_reference(drawn: Path) -> None:
    assert names_in(drawn / "flip") == sorted([*KINDS, "compare", "confusions"])
    assert names_in(drawn / "flip/compare") == [f"{name}.png" for name in DRAWN]
    assert read_width(drawn / f"flip/compare/{DRAWN[0]}.png") == 2 * 1024


def test_confusions_are_those_of_all_images(drawn: Path) -> None:
    assert names_in(drawn / "base/confusions") == ["rider_as_person.png"]
    # Three crops side by side, one per image, although only two images are drawn.
    assert read_width(drawn / "base/confusions/rider_as_person.png") > 1000


def test_pictures_are_equal_bit_by_bit(drawn: Path, root: Path) -> None:
    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}

    main("base", root)
    assert read(root / "pictures/found/base") == read(drawn / "base")


def test_a_variant_without_confusions_has_an_empty_folder(root: Path) -> None:
    write_params(root, draw=PARAMS["draw"] | {"images": 1})
    main("flip", root)
    assert names_in(root / "pictures/found/flip/confusions") == []


def test_the_reference_must_have_been_predicted(root: Path) -> None:
    write_params(root, compare={"reference": "best"})
    with pytest.raises(FileNotFoundError, match=r"best\.json` must exist"):
        main("flip", root)
    assert not (root / "pictures/found/flip").exists()


def test_an_image_without_regions_leaves_no_pictures(root: Path) -> None:
    path = root / "predictions/proposals/base.json"
    path.write_text(json.dumps({DRAWN[0]: []}))
    with pytest.raises(ValueError, match=rf"base\.json` must hold the images that are drawn; got none of {DRAWN[1]}"):
        main("base", root)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"proposals/base\.json` must exist"):
        main("base", root)
    assert names_in(root / "pictures/found") == []


def test_an_error_in_the_middle_leaves_what_was_there(root: Path) -> None:
    old = root / "pictures/found/base/masks/old.png"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    (root / f"data/city/{DRAWN[1]}.png").unlink()
    with pytest.raises(FileNotFoundError, match=DRAWN[1]):
        main("base", root)
    assert [path for path in (root / "pictures").rglob("*") if path.is_file()] == [old]
