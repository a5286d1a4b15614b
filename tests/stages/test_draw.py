"""What is drawn of one variant; the pictures themselves are tested in tests/pictures."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from maskrcnn.data.records import read_records
from maskrcnn.pictures.panels import DOTS_PER_INCH, STRIP
from maskrcnn.pictures.verdicts import ALARM, HIT, MISSED
from maskrcnn.project.config import Draw
from maskrcnn.project.errors import InputError
from maskrcnn.readers.cityscapes import CITYSCAPES
from maskrcnn.results.predictions import write_predictions
from maskrcnn.scoring.overlaps import find_regions, measure_overlaps
from stages.draw import main, rank_worst
from tests.stages.drawn import (
    CAR,
    DRAWN,
    NAMES,
    PARAMS,
    PERSON,
    RIDER,
    RIDERS,
    SHAPE,
    find,
    make_instance_map,
    write_city,
    write_params,
)  # fmt: skip

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


def read_panels(path: Path) -> list[np.ndarray]:
    """The panels of a picture, red, green, blue in [0, 1], at the size of the images."""
    scale = 1024 // SHAPE[1]
    top = round(STRIP * DOTS_PER_INCH)
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)[top : top + scale * SHAPE[0]] / 255
    assert picture.shape[1] % 1024 == 0
    small = cv2.resize(picture, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    return np.split(small, picture.shape[1] // 1024, axis=1)


def name_color(panel: np.ndarray, place: tuple[slice, slice], *colors: str) -> str:
    """Returns which of the colours a part of a panel is tinted with."""
    distances = [np.abs(np.array(to_rgb(color)) - panel[place].mean(axis=(0, 1))).sum() for color in colors]
    return colors[int(np.argmin(distances))]


def colorfulness(panel: np.ndarray, place: tuple[slice, slice]) -> float:
    """Returns how far the mean colour of a part of a panel is from grey."""
    return float(np.ptp(panel[place].mean(axis=(0, 1))))


def test_every_kind_is_drawn_of_the_first_and_the_last_image(drawn: Path) -> None:
    assert names_in(drawn / "base") == sorted([*KINDS, "confusions", "worst"])
    for kind in KINDS:
        assert names_in(drawn / "base" / kind) == [f"{name}.png" for name in DRAWN]


def test_only_the_best_regions_are_drawn(drawn: Path) -> None:
    (panel,) = read_panels(drawn / f"base/proposals/{DRAWN[0]}.png")
    assert colorfulness(panel, np.s_[15:25, 10:11]) > 0.05  # the left edge of the best region
    assert colorfulness(panel, np.s_[0:4, 5:6]) < 0.001  # the right edge of the second one: `draw.proposals` is 1


@pytest.mark.parametrize("kind", ["masks", "detections"])
def test_objects_are_tinted(drawn: Path, kind: str) -> None:
    (panel,) = read_panels(drawn / f"base/{kind}/{DRAWN[0]}.png")
    assert min(colorfulness(panel, place) for place in (CAR, *RIDERS)) > 0.15
    assert colorfulness(panel, np.s_[40:60, 10:50]) < 0.1


def test_verdicts_are_those_on_the_variant(drawn: Path) -> None:
    for variant, rider in (("base", ALARM), ("flip", HIT)):
        (panel,) = read_panels(drawn / f"{variant}/verdicts/{DRAWN[0]}.png")
        assert name_color(panel, RIDERS[0], HIT, MISSED, ALARM) == rider
        assert name_color(panel, RIDERS[1], HIT, MISSED, ALARM) == name_color(panel, CAR, HIT, MISSED, ALARM) == HIT


def test_other_variants_are_drawn_beside_the_reference(drawn: Path) -> None:
    assert names_in(drawn / "flip") == sorted([*KINDS, "compare", "confusions", "worst"])
    assert names_in(drawn / "flip/compare") == [f"{name}.png" for name in DRAWN]
    base, flip = read_panels(drawn / f"flip/compare/{DRAWN[0]}.png")
    assert name_color(base, RIDERS[0], HIT, MISSED, ALARM) == ALARM
    assert name_color(flip, RIDERS[0], HIT, MISSED, ALARM) == HIT


def test_the_worst_images_are_drawn_in_their_order(drawn: Path) -> None:
    # In every image `base` has a false alarm and a missed rider, so the first ones are drawn; `flip` has no error.
    assert names_in(drawn / "base/worst") == [f"01_{NAMES[0]}.png", f"02_{NAMES[1]}.png"]
    assert names_in(drawn / "flip/worst") == []
    (panel,) = read_panels(drawn / f"base/worst/02_{NAMES[1]}.png")
    assert name_color(panel, RIDERS[0], HIT, MISSED, ALARM) == ALARM


def test_images_with_more_errors_are_worse() -> None:
    right, missed = find(RIDER), find(PERSON)
    instance_map = make_instance_map()
    overlaps = [measure_overlaps(find_regions(instance_map, CITYSCAPES), found) for found in (right, missed, right)]
    settings = Draw(images=2, min_score=0.5, proposals=1, confusions=1, crops=1)
    assert rank_worst(overlaps, settings) == [1]


def test_confusions_are_those_of_all_images(drawn: Path) -> None:
    assert names_in(drawn / "base/confusions") == ["rider_as_person.png"]
    # Three crops side by side, one per image, although only two images are drawn.
    assert cv2.imread(str(drawn / "base/confusions/rider_as_person.png")).shape[1] > 1000


def test_pictures_are_equal_bit_by_bit(drawn: Path, root: Path) -> None:
    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}

    main("base", root)
    assert read(root / "pictures/found/base") == read(drawn / "base")


def test_a_variant_without_confusions_has_an_empty_folder(root: Path) -> None:
    write_params(root, draw=PARAMS["draw"] | {"images": 1})
    main("flip", root)
    assert names_in(root / "pictures/found/flip/confusions") == []


@pytest.mark.parametrize("stale", ["flip", "base"])  # the variant and the reference that it is drawn beside
def test_predictions_of_other_images_are_refused(root: Path, stale: str) -> None:
    records = read_records(root / "data/processed/test.npz")
    records.names[0] = "lindau_000000_000019"
    write_predictions(root / f"predictions/{stale}.json", [find(RIDER)] * 3, SHAPE, records)
    with pytest.raises(InputError, match=rf"{stale}\.json: `image` must be 'munster.*; got 'lindau.* predict@{stale}`"):
        main("flip", root)
    assert not (root / "pictures/found/flip").exists()


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


def test_a_variant_that_params_do_not_name_is_refused(root: Path) -> None:
    (root / "predictions/old.json").write_bytes((root / "predictions/flip.json").read_bytes())
    with pytest.raises(InputError, match=r"params\.yaml` must have the variant `variants\.old`; got base, flip"):
        main("old", root)
    assert not (root / "pictures/found/old").exists()
