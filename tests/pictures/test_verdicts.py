"""Pictures of truth against prediction."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from maskrcnn.data.catalogue import Catalogue
from maskrcnn.pictures.overlay import OPACITY
from maskrcnn.pictures.verdicts import ALARM, HIT, IGNORED, LEGEND, MISSED, compose, draw_verdicts
from maskrcnn.results.predictions import Predictions, encode_predictions
from maskrcnn.scoring.matches import judge
from maskrcnn.scoring.overlaps import find_regions, measure_overlaps

SHAPE = (16, 32)
CATALOGUE = Catalogue(("background", "car", "person"), {26: 1, 24: 2}, frozenset())
CAR, PERSON = 1, 2
IMAGE = np.zeros((*SHAPE, 3), np.uint8)


@pytest.fixture
def instance_map() -> np.ndarray:
    """A car, a person, and a crowd of persons."""
    instance_map = np.full(SHAPE, 7, np.uint16)
    instance_map[0:6, 0:10] = 26000
    instance_map[0:6, 12:16] = 24000
    instance_map[10:16, 0:10] = 24
    return instance_map


def find(*objects: tuple[np.ndarray, int, float]) -> Predictions:
    masks = np.array([mask for mask, _, _ in objects], bool).reshape(-1, *SHAPE)
    class_ids, scores = (np.array([one[i] for one in objects], kind) for i, kind in ((1, int), (2, float)))
    return encode_predictions(np.zeros((len(objects), 4)), class_ids, scores, masks)


def part(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def draw(instance_map: np.ndarray, **found: Predictions) -> Figure:
    regions = find_regions(instance_map, CATALOGUE)
    panels = {title: (predictions, measure_overlaps(regions, predictions)) for title, predictions in found.items()}
    return draw_verdicts(IMAGE, instance_map, panels, 0.5, CATALOGUE.class_names)


def pixel(axes: Axes, row: int, column: int) -> np.ndarray:
    """The middle of a pixel of the image, in the enlarged picture."""
    picture = axes.images[0].get_array()
    assert picture is not None
    factor = picture.shape[1] // SHAPE[1]
    return picture[row * factor + factor // 2, column * factor + factor // 2]


def mix(ground: np.ndarray | int, color: str) -> np.ndarray:
    return (1 - OPACITY) * np.array(ground) + OPACITY * 255 * np.array(to_rgb(color))


def name_objects(instance_map: np.ndarray, found: Predictions) -> list[str]:
    """Returns the labels of a panel."""
    overlaps = measure_overlaps(find_regions(instance_map, CATALOGUE), found)
    picture = compose(instance_map, found, overlaps, judge(overlaps, 0.5), CATALOGUE.class_names)
    return [drawn.label for drawn in picture.objects]


def test_every_verdict_has_its_colour(instance_map: np.ndarray) -> None:
    found = find(
        (instance_map == 26000, CAR, 0.9),
        (instance_map == 24000, CAR, 0.8),  # the person, taken for a car
        (instance_map == 24, PERSON, 0.7),
        (part(slice(10, 16), slice(20, 30)), CAR, 0.4),
    )
    axes = draw(instance_map, base=found).axes[0]
    np.testing.assert_allclose(pixel(axes, 2, 4), mix(0, HIT), atol=1)
    np.testing.assert_allclose(pixel(axes, 12, 4), mix(0, IGNORED), atol=1)
    np.testing.assert_array_equal(pixel(axes, 12, 25), 0)  # below the score
    # The alarm lies on top of the person that was missed.
    np.testing.assert_allclose(pixel(axes, 2, 14), mix(mix(0, MISSED), ALARM), atol=2)
    assert axes.get_title() == "base   hits: 1, missed: 1, false alarms: 1"
    assert name_objects(instance_map, found) == ["person, found as car 0.80", "", "car 0.90", "person 0.70"]


def test_an_object_of_which_too_little_was_found_says_how_little(instance_map: np.ndarray) -> None:
    half = find((part(slice(0, 6), slice(12, 13)), PERSON, 0.9))  # 6 of 24 pixels
    assert name_objects(instance_map, half) == ["person 0.90, IoU 0.25", "", "car, missed"]
    tenth = find((part(slice(0, 2), slice(12, 13)), PERSON, 0.9))  # 2 of 24 pixels, which is below a tenth
    assert name_objects(instance_map, tenth) == ["person 0.90", "person, missed", "car, missed"]
    other = find((part(slice(0, 6), slice(12, 13)), CAR, 0.9))  # so little of another class is no confusion
    assert name_objects(instance_map, other) == ["car 0.90", "person, missed", "car, missed"]


def test_one_missed_object_has_one_reason_and_a_hit_has_none(instance_map: np.ndarray) -> None:
    twice = find((instance_map == 24000, CAR, 0.8), (instance_map == 24000, CAR, 0.9))
    assert name_objects(instance_map, twice)[:2] == ["person, found as car 0.90", "car 0.80"]
    both = find((instance_map == 24000, CAR, 0.9), (instance_map == 24000, PERSON, 0.6))
    assert name_objects(instance_map, both) == ["car 0.90", "car, missed", "person 0.60"]


def test_the_truth_of_a_hit_is_outlined_in_white(instance_map: np.ndarray) -> None:
    found = find((part(slice(0, 6), slice(0, 7)), CAR, 0.9))
    axes = draw(instance_map, base=found).axes[0]
    picture = axes.images[0].get_array()
    assert picture is not None
    factor = picture.shape[1] // SHAPE[1]
    assert picture[3 * factor, 10 * factor - 1].min() > 200  # the right edge of the car
    assert picture[3 * factor, 9 * factor].max() == 0


def test_two_models_stand_side_by_side(instance_map: np.ndarray) -> None:
    found = find((instance_map == 26000, CAR, 0.9))
    figure = draw(instance_map, base=found, flip=find())
    left, right = figure.axes
    assert left.get_title() == "base   hits: 1, missed: 1, false alarms: 0"
    assert right.get_title() == "flip   hits: 0, missed: 2, false alarms: 0"
    assert pixel(left, 2, 4).tolist() != pixel(right, 2, 4).tolist()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(LEGEND)


def test_verdicts_are_told_apart_by_their_brightness_alone() -> None:
    # What every reader sees, with or without colours: relative luminance of IEC 61966-2-1.
    linear = np.array([to_rgb(color) for color in (HIT, MISSED, ALARM)]) ** 2.2
    luminance = np.sort(linear @ [0.2126, 0.7152, 0.0722])
    assert (luminance[1:] / luminance[:-1] > 1.5).all()
