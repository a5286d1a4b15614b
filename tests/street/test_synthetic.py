"""Drawn scenes and the files of a city: statistics, layout, reproducibility."""

import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.helpers.labels import id2label, name2label
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage

from maskrcnn.readers.cityscapes import CLASS_NAMES, read_annotation, read_frames
from maskrcnn.street import synthetic
from maskrcnn.street.canvas import MARGIN
from maskrcnn.street.synthetic import Scene, draw_scene, write_cities, write_city

SHAPE = (128, 256)
FRAMES = 200
CLASSES = CLASS_NAMES[1:]
RARE = {"bus", "truck", "train", "trailer", "caravan"}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Two cities, drawn by a process of its own, which does not check types: that is five times as fast."""
    folder = tmp_path_factory.mktemp("many")
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        process.submit(write_city, folder, "train", "city", FRAMES, SHAPE, "city", 2021).result()
        process.submit(write_city, folder, "train", "countryside", 40, SHAPE, "countryside", 2021).result()
    return folder


@pytest.fixture(scope="module")
def scenes(many):
    return read_scenes(many, "city")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    write_city(folder, "train", "aachen", 6, SHAPE, "city", seed=1)
    return folder


def read_scenes(folder, city):
    return [read_scene(path) for path in sorted(folder.glob(f"gtFine/train/{city}/*.json"))]


def read_scene(path):
    image = path.as_posix().replace("gtFine_polygons.json", "leftImg8bit.png").replace("gtFine", "leftImg8bit")
    objects = json.loads(path.read_text())["objects"]
    return Scene(cv2.imread(image), [(item["label"], np.array(item["polygon"])) for item in objects])


def read_tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def label_counts(scene):
    return Counter(label for label, _ in scene.objects)


def mean_along(slope, polygon):
    """Returns the mean slope of the brightness along the border of a polygon."""
    line = cv2.polylines(np.zeros(SHAPE, np.uint8), [polygon.astype(np.int32)], isClosed=True, color=1)
    return slope[line > 0].mean()


def instance_count(scene):
    return sum(label in CLASSES for label, _ in scene.objects)


class TestDrawScene:
    def test_same_dice_draw_the_same_scene(self) -> None:
        first, second = (draw_scene(np.random.default_rng(5), SHAPE, "city") for _ in range(2))
        np.testing.assert_array_equal(first.image, second.image)
        assert [label for label, _ in first.objects] == [label for label, _ in second.objects]
        for (_, polygon), (_, again) in zip(first.objects, second.objects, strict=True):
            np.testing.assert_array_equal(polygon, again)

    @pytest.mark.parametrize("shape", [(64, 64), (96, 200), (256, 512)])
    def test_image_has_the_shape_that_was_asked_for(self, shape) -> None:
        image = draw_scene(np.random.default_rng(0), shape, "city").image
        assert image.shape == (*shape, 3)
        assert image.dtype == np.uint8

    def test_every_class_is_in_8_percent_of_the_images(self, scenes) -> None:
        found = Counter(label for scene in scenes for label in label_counts(scene))
        assert {label: found[label] / FRAMES for label in CLASSES if found[label] < 0.08 * FRAMES} == {}

    def test_rare_classes_are_rarer_than_cars_and_persons(self, scenes) -> None:
        found = sum((label_counts(scene) for scene in scenes), Counter())
        assert max(found[label] for label in RARE) < 0.6 * min(found["car"], found["person"])

    def test_images_have_two_to_eight_instances_or_none(self, scenes) -> None:
        counts = Counter(map(instance_count, scenes))
        assert set(counts) == {0, *range(2, 9)}
        assert counts[0] < 0.08 * FRAMES

    def test_a_rider_comes_with_a_two_wheeler(self, scenes) -> None:
        for scene in scenes:
            counts = label_counts(scene)
            assert counts["rider"] <= counts["bicycle"] + counts["motorcycle"]

    def test_stuff_crowds_and_plates_are_labelled(self, scenes) -> None:
        found = sum((label_counts(scene) for scene in scenes), Counter())
        assert all(found[label] >= FRAMES for label in ("sky", "road", "sidewalk", "building"))
        some = {"vegetation", "pole", "traffic sign", "rail track", "ego vehicle", "license plate"}
        assert all(found[label] > 0 for label in some | {"cargroup", "persongroup"})
        assert {label.removesuffix("group") for label in found} <= set(name2label)

    def test_a_plate_lies_within_its_vehicle(self, scenes) -> None:
        for scene in scenes:
            for (owner, body), (label, plate) in zip(scene.objects, scene.objects[1:], strict=False):
                if label == "license plate":
                    assert owner in ("car", "bus")
                    assert (plate.min(axis=0) >= body.min(axis=0)).all()
                    assert (plate.max(axis=0) <= body.max(axis=0)).all()

    def test_points_leave_the_image_by_a_few_pixels(self, scenes) -> None:
        points = np.concatenate([polygon for scene in scenes for _, polygon in scene.objects])
        assert points.min() == -MARGIN
        assert (points.max(axis=0) <= np.array(SHAPE[::-1]) + MARGIN).all()
        assert (points.max(axis=0) > np.array(SHAPE[::-1])).all()

    def test_instances_are_large_enough_to_learn(self, scenes) -> None:
        sides = [
            np.ptp(polygon, axis=0).max() for scene in scenes for label, polygon in scene.objects if label in CLASSES
        ]
        unit = SHAPE[0] / 256
        assert np.mean(np.array(sides) >= 28 * unit) > 0.95
        assert np.mean(np.array(sides) >= 40 * unit) > 0.7

    def test_polygons_lie_on_edges_of_the_picture(self, scenes) -> None:
        """A polygon in the wrong place would run through plain surfaces."""
        on_edge, beside = [], []
        for scene in scenes[:60]:
            grey = cv2.GaussianBlur(cv2.cvtColor(scene.image, cv2.COLOR_RGB2GRAY), (0, 0), 1).astype(np.float32)
            slope = np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1))
            for label, polygon in scene.objects:
                if label in CLASSES:
                    on_edge.append(mean_along(slope, polygon))
                    beside.append(mean_along(slope, np.add(polygon, (5, 5))))
        assert np.mean(on_edge) > 1.3 * np.mean(beside)

    def test_worlds_differ(self, scenes) -> None:
        other = [draw_scene(np.random.default_rng([2021, index]), SHAPE, "countryside") for index in range(40)]
        labels = sum(map(label_counts, other), Counter())
        assert labels["terrain"] > 0
        assert labels["sidewalk"] == 0
        assert {label for label in CLASSES if labels[label] == 0} == {"rider", "trailer", "caravan"}
        assert labels["vegetation"] > 2 * sum(label_counts(scene)["vegetation"] for scene in scenes[:40])
        assert labels["building"] < sum(label_counts(scene)["building"] for scene in scenes[:40]) / 2

    def test_refuses_an_unknown_world(self) -> None:
        with pytest.raises(ValueError, match=r"`world` must be one of city, countryside; got 'moon'\."):
            draw_scene(np.random.default_rng(0), SHAPE, "moon")

    def test_refuses_an_image_too_small_to_see_anything(self) -> None:
        with pytest.raises(ValueError, match=r"`image_shape` must have sides of at least 64 pixels; got \(63, 128\)"):
            draw_scene(np.random.default_rng(0), (63, 128), "city")


class TestWriteCity:
    def test_files_lie_as_in_cityscapes(self, root) -> None:
        names = [f"aachen/aachen_{index:06d}_000019" for index in range(6)]
        images = {f"leftImg8bit/train/{name}_leftImg8bit.png" for name in names}
        polygons = {f"gtFine/train/{name}_gtFine_polygons.json" for name in names}
        assert set(read_tree(root)) == images | polygons

    def test_our_reader_reads_it(self, root) -> None:
        frames, _ = read_frames(root, "leftImg8bit/train", "gtFine/train", cities=["aachen"])
        assert len(frames) == 6
        assert all(read_annotation(frame.polygons_path, SHAPE).objects for frame in frames)

    def test_cityscapes_scripts_find_every_instance(self, many) -> None:
        for path in sorted(many.rglob("*_polygons.json")):
            annotation = Annotation()
            annotation.fromJsonFile(str(path))
            instance_ids = np.unique(np.array(createInstanceImage(annotation, "ids")))
            found = Counter(id2label[number // 1000].name for number in instance_ids if number >= 1000)
            labels = (item["label"] for item in json.loads(path.read_text())["objects"])
            assert found == Counter(label for label in labels if label in CLASSES)

    def test_same_seed_writes_the_same_bytes(self, root, tmp_path) -> None:
        write_city(tmp_path, "train", "aachen", 6, SHAPE, "city", seed=1)
        assert read_tree(tmp_path) == read_tree(root)

    def test_a_longer_city_begins_with_the_shorter_one(self, root, tmp_path) -> None:
        write_city(tmp_path, "train", "aachen", 3, SHAPE, "city", seed=1)
        assert read_tree(tmp_path).items() < read_tree(root).items()

    @pytest.mark.parametrize(
        ("split", "city", "seed"), [("val", "aachen", 1), ("train", "bochum", 1), ("train", "aachen", 2)]
    )
    def test_another_split_city_or_seed_is_another_street(self, root, tmp_path, split, city, seed) -> None:
        write_city(tmp_path, split, city, 1, SHAPE, "city", seed)
        (image,) = tmp_path.rglob("*.png")
        assert (
            image.read_bytes() != (root / "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png").read_bytes()
        )

    def test_replaces_a_city_whole(self, tmp_path) -> None:
        write_city(tmp_path, "train", "aachen", 3, SHAPE, "city", seed=1)
        write_city(tmp_path, "train", "aachen", 1, SHAPE, "city", seed=1)
        assert len(read_tree(tmp_path)) == 2

    def test_leaves_what_was_there_when_drawing_fails(self, tmp_path, monkeypatch) -> None:
        write_city(tmp_path, "train", "aachen", 1, SHAPE, "city", seed=1)
        before = read_tree(tmp_path)
        draw, calls = draw_scene, iter([None, RuntimeError("no paint left")])

        def run_dry(*arguments):
            if error := next(calls):
                raise error
            return draw(*arguments)

        monkeypatch.setattr(synthetic, "draw_scene", run_dry)
        with pytest.raises(RuntimeError, match="no paint left"):
            write_city(tmp_path, "train", "aachen", 2, SHAPE, "city", seed=2)
        assert read_tree(tmp_path) == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["gtFine", "leftImg8bit"]

    def test_refuses_a_city_without_frames(self, tmp_path) -> None:
        with pytest.raises(ValueError, match=r"`count` must be at least 1; got 0 for train/aachen\."):
            write_city(tmp_path, "train", "aachen", 0, SHAPE, "city", seed=1)
        assert list(tmp_path.iterdir()) == []


class TestWriteCities:
    def test_writes_every_city_as_if_it_were_alone(self, root, tmp_path) -> None:
        cities = {"train": {"aachen": 1, "bochum": 2}, "val": {"munster": 1}}
        assert len(list(write_cities(tmp_path, cities, SHAPE, "city", seed=1))) == 3
        files = read_tree(tmp_path)
        assert len(files) == 8
        assert sum("/aachen/" in name for name in files) == 2
        assert {name: read_tree(root)[name] for name in files if "/aachen/" in name}.items() <= files.items()

    def test_refuses_cities_without_frames(self, tmp_path) -> None:
        cities = {"train": {"aachen": 1, "bochum": 0}, "val": {"munster": -1}}
        with pytest.raises(ValueError, match=r"`count` must be .* 1; got less for train/bochum, val/munster\."):
            list(write_cities(tmp_path, cities, SHAPE, "city", seed=1))
        assert list(tmp_path.iterdir()) == []

    def test_refuses_an_unknown_world_before_it_draws(self, tmp_path) -> None:
        with pytest.raises(ValueError, match=r"`world` must be one of city, countryside; got 'moon'\."):
            list(write_cities(tmp_path, {"train": {"aachen": 1}}, SHAPE, "moon", seed=1))
        assert list(tmp_path.iterdir()) == []
