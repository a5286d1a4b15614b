"""Overlays: fill, outline and label of every object."""

import numpy as np

from maskrcnn.pictures.overlay import OPACITY, Drawn, cut_object, draw_overlay, enlarge

IMAGE = np.full((200, 300, 3), 100, np.uint8)
RED, BLUE = (200, 0, 0), (0, 0, 200)
EDGE = 25  # lines are smoothed


def box(y1: int, x1: int, y2: int, x2: int, color: tuple[int, int, int] = RED, label: str = "") -> Drawn:
    return Drawn(np.array([y1, x1, y2, x2]), np.ones((y2 - y1, x2 - x1), bool), color, label)


def mix(ground: tuple[int, ...], color: tuple[int, ...], opacity: float = OPACITY) -> np.ndarray:
    return (1 - opacity) * np.array(ground) + opacity * np.array(color)


def test_the_mask_is_tinted_and_the_rest_is_left_alone() -> None:
    part = np.ones((60, 60), bool)
    part[:, 30:] = False
    picture = draw_overlay(IMAGE, [Drawn(np.array([20, 20, 80, 80]), part, RED)])
    np.testing.assert_allclose(picture[50, 35], mix((100, 100, 100), RED), atol=1)
    np.testing.assert_array_equal(picture[50, 70], 100)
    np.testing.assert_array_equal(IMAGE, 100)


def test_the_first_object_is_on_top() -> None:
    picture = draw_overlay(IMAGE, [box(20, 20, 80, 80), box(20, 20, 80, 80, BLUE)])
    np.testing.assert_allclose(picture[50, 50], mix(tuple(mix((100,) * 3, BLUE)), RED), atol=2)
    np.testing.assert_allclose(picture[20, 50], RED, atol=EDGE)  # its outline, too


def test_the_outline_has_the_colour_on_a_dark_line() -> None:
    picture = draw_overlay(IMAGE, [box(20, 20, 80, 80)], opacity=0)
    np.testing.assert_allclose(picture[20, 50], RED, atol=EDGE)
    assert picture[19, 50].max() < 60 and picture[21, 50].max() < 60
    np.testing.assert_array_equal(picture[16, 50], 100)


def test_a_thin_outline_of_what_has_no_fill() -> None:
    picture = draw_overlay(IMAGE, [], outlined=[box(20, 20, 80, 80, (255, 255, 255))])
    np.testing.assert_allclose(picture[20, 50], 255, atol=EDGE)
    np.testing.assert_array_equal(picture[50, 50], 100)


def test_an_object_at_the_edge_and_one_without_pixels() -> None:
    picture = draw_overlay(IMAGE, [box(0, 0, 200, 300), cut_object(np.zeros((200, 300), bool), BLUE, "empty")])
    np.testing.assert_allclose(picture[0, 150], RED, atol=EDGE)
    np.testing.assert_allclose(picture[100, 150], mix((100, 100, 100), RED), atol=1)


def test_an_object_is_cut_from_its_mask() -> None:
    mask = np.zeros((200, 300), bool)
    mask[10:20, 30:50], mask[15, 60] = True, True
    drawn = cut_object(mask, RED, "car")
    assert drawn.box_px.tolist() == [10, 30, 20, 61] and drawn.label == "car"
    np.testing.assert_array_equal(drawn.part, mask[10:20, 30:61])


def test_a_label_is_seen_beside_its_object() -> None:
    plain, labelled = (draw_overlay(IMAGE, [box(80, 80, 120, 120, label=label)]) for label in ("", "car 0.90"))
    changed = (plain != labelled).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.min() > 60 and rows.max() <= 82 and abs(int(columns.min()) - 80) < 6
    assert (labelled[changed] == RED).all(axis=1).mean() > 0.5


def test_small_images_are_enlarged_with_their_objects_and_large_ones_are_not() -> None:
    image, (drawn,) = enlarge(IMAGE[:100, :256], [box(10, 20, 30, 40, label="car")])
    assert image.shape == (400, 1024, 3) and drawn.label == "car"
    assert drawn.box_px.tolist() == [40, 80, 120, 160] and drawn.part.shape == (80, 80)
    wide = np.zeros((10, 1000, 3), np.uint8)
    assert enlarge(wide, [])[0] is wide
