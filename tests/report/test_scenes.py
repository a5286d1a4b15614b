"""Scenes: verdicts, boxes and sizes of what the picture browser shows."""

import numpy as np

from maskrcnn.report.scenes import Found, describe_scene, list_errors, name_size, to_corner
from maskrcnn.scoring.matches import match
from tests.scoring.scenes import SHAPE, Scene, make_scene


def describe(scene: Scene, regions: np.ndarray = np.zeros((0, 4))) -> dict:  # noqa: B008  # never changed
    overlaps = scene.overlaps()
    found = Found(scene.predictions, overlaps, match(overlaps), regions)
    return describe_scene(5, scene.regions(), {"base": found}, 0.5)


def test_every_verdict() -> None:
    segments = [(26000, 100), (26001, 100), (24000, 100), (26002, 100), (26, 60)]
    found = [
        (0, 100, 1, 0.9),  # a hit
        (0, 100, 1, 0.8),  # the same again
        (100, 140, 1, 0.7),  # IoU 0.4
        (200, 300, 1, 0.6),  # a person as a car
        (500, 560, 1, 0.65),  # on the road
        (400, 460, 1, 0.55),  # in the crowd
        (300, 400, 1, 0.4),  # below the score
    ]
    scene = describe(make_scene(segments, found))
    objects = scene["variants"]["base"]["objects"]
    assert [(one["verdict"], one["score"], one["iou"]) for one in objects] == [
        ("hit", 0.9, 1.0),
        ("duplicate", 0.8, 1.0),
        ("localisation", 0.7, 0.4),
        ("background", 0.65, 0.0),
        ("class", 0.6, 1.0),
        ("ignored", 0.55, 0.0),
    ]
    assert [one["truth_class"] for one in objects if one["verdict"] == "class"] == [2]
    # In the order of the truth's ids: the person, and the three cars.
    assert [one["class"] for one in scene["truth"]] == [2, 1, 1, 1]
    assert scene["variants"]["base"]["truth"] == ["explained", "hit", "explained", "missed"]
    assert [one["class"] for one in scene["crowds"]] == [1]
    assert list_errors(scene["truth"], scene["variants"]["base"]) == [
        ("duplicate", 1, "large"),
        ("localisation", 1, "large"),
        ("background", 1, "large"),
        ("class", 1, "large"),
        ("missed", 1, "large"),
    ]


def test_an_empty_image() -> None:
    scene = describe(make_scene([], []))
    assert (scene["index"], scene["truth"], scene["crowds"]) == (5, [], [])
    assert scene["variants"]["base"] == {"objects": [], "truth": [], "regions": []}


def test_regions_of_interest_keep_their_order() -> None:
    scene = describe(make_scene([], []), np.array([[1, 2, 11, 22], [0, 0, 5, 6]]))
    assert scene["variants"]["base"]["regions"] == [[2.0, 1.0, 20.0, 10.0], [0.0, 0.0, 6.0, 5.0]]


def test_boxes_begin_at_their_left_upper_corner() -> None:
    assert to_corner(np.array([1.04, 2.0, 4.0, 8.06])) == [2.0, 1.0, 6.1, 3.0]


def test_sizes_are_those_of_coco_as_shares_of_the_image() -> None:
    names = [name_size(area, (480, 640)) for area in (0, 32**2 - 1, 32**2, 96**2 - 1, 96**2)]
    assert names == ["small", "small", "medium", "medium", "large"]
    assert name_size(32**2, (960, 1280)) == "small"
    assert name_size(SHAPE[0] * SHAPE[1], SHAPE) == "large"
