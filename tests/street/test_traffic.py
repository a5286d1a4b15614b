"""Traffic: the kinds, their sizes, and that enough of every instance is seen."""

import numpy as np
import pytest

from maskrcnn.readers.cityscapes import CLASS_NAMES
from maskrcnn.street import traffic as street
from maskrcnn.street.canvas import Silhouette, blank_canvas, silhouette
from maskrcnn.street.placement import Camera
from maskrcnn.street.traffic import ACCESSORIES, KINDS, LEAST_VISIBLE, traffic
from maskrcnn.street.worlds import WORLDS

CITY = WORLDS["city"]
CAMERA = Camera((128, 256), 50.0, CITY.camera_height)
CANVAS_SHAPE = blank_canvas(CAMERA.image_shape).shape


def test_kinds_draw_the_ten_classes_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    drawn = [(kind.label, [figure.label for figure in kind.draw(rng, CITY)]) for kind in KINDS for _ in range(20)]
    assert all(label in figures for label, figures in drawn)
    labels = {label for _, figures in drawn for label in figures}
    assert labels - ACCESSORIES == set(CLASS_NAMES[1:])
    assert labels >= ACCESSORIES


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.draw.__name__)
def test_kinds_stand_on_the_ground_in_sensible_sizes(kind, world) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        for figure in kind.draw(rng, world):
            lowest = min(part.contours[0][:, 1].min() for part in figure.parts)
            if figure.label not in {*ACCESSORIES, "rider"}:
                assert lowest == pytest.approx(0.0, abs=1e-9)
                assert 0.9 < figure.height < 5.5
                assert figure.breadth[0] < 0 < figure.breadth[1]


def test_a_tram_is_longer_than_a_bus_and_a_bus_longer_than_a_car() -> None:
    rng = np.random.default_rng(0)
    lengths = {label: [] for label in ("train", "bus", "car")}
    for kind in KINDS:
        for _ in range(30):
            for figure in kind.draw(rng, CITY):
                lengths.get(figure.label, []).append(np.ptp(figure.breadth))
    assert np.mean(lengths["train"]) > 1.3 * np.mean(lengths["bus"]) > 1.3 * np.mean(lengths["car"])


def test_enough_is_seen_of_every_instance() -> None:
    for seed in range(12):
        sprites = traffic(np.random.default_rng(seed), CITY, CAMERA, CANVAS_SHAPE)
        hidden = np.zeros(CANVAS_SHAPE[:2], bool)
        for sprite in reversed(sprites):
            shapes = [
                silhouette([figure], sprite.placement, CANVAS_SHAPE)
                for figure in sprite.figures
                if figure.label != "rail track"
            ]
            for figure, shape in zip(sprite.figures, shapes, strict=False):
                if figure.label in CLASS_NAMES and "train" not in figure.label:
                    assert shape.mask[~hidden[shape.crop]].sum() >= LEAST_VISIBLE * shape.mask.sum()
            for shape in shapes:
                hidden[shape.crop] |= shape.mask


def test_the_nearest_comes_last() -> None:
    for seed in range(10):
        rows = [sprite.placement.y for sprite in traffic(np.random.default_rng(seed), CITY, CAMERA, CANVAS_SHAPE)]
        stood = [row for row in rows if row > 0]  # the bonnet lies flat
        assert stood == sorted(stood)
        assert rows[: len(stood)] == stood


@pytest.mark.parametrize("name", WORLDS)
def test_a_street_shows_the_classes_of_its_world(name) -> None:
    dice, labels = np.random.default_rng(0), set()
    for _ in range(60):
        sprites = traffic(dice, WORLDS[name], CAMERA, CANVAS_SHAPE)
        labels |= {figure.label for sprite in sprites for figure in sprite.figures}
    assert labels & set(CLASS_NAMES) == set(CLASS_NAMES[1:]) - WORLDS[name].absent


def test_a_full_street_takes_no_further_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything hides everything else: behind a bonnet nothing is placed, without one a single sprite."""
    everything = Silhouette(np.ones(CANVAS_SHAPE[:2], bool), (slice(None), slice(None)))
    monkeypatch.setattr(street, "silhouette", lambda *_: everything)
    placed: dict[bool, set[int]] = {True: set(), False: set()}
    for seed in range(12):
        sprites = traffic(np.random.default_rng(seed), CITY, CAMERA, CANVAS_SHAPE)
        labels = [{figure.label for figure in sprite.figures} for sprite in sprites]
        placed[{"ego vehicle"} in labels].add(sum(bool(of_sprite & set(CLASS_NAMES)) for of_sprite in labels))
    assert placed == {True: {0}, False: {1}}
