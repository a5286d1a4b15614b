"""From images to objects in pixels."""

from types import SimpleNamespace

import numpy as np
import pytest

from maskrcnn.data.mini_masks import crop_masks
from maskrcnn.inference import detect, round_to_pixels

SHAPE = (40, 60)
BOX = [5, 10, 33, 38]  # 28 pixels a side, as the mask head has


def painted() -> np.ndarray:
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[5:33, 10:20] = 1
    instance_map[20:33, 10:38] = 1
    return instance_map


def fake(boxes_px, class_ids, scores, masks) -> SimpleNamespace:
    """A network that finds these objects in each of two images, one by one image less."""
    y1x1, scale = np.array([0, 0, 1, 1]), np.array([39, 59, 39, 59])
    boxes = ((np.array(boxes_px) - y1x1) / scale).astype(np.float32)
    outputs = {
        "boxes": np.stack([boxes, boxes * 0]),
        "class_ids": np.stack([class_ids, np.zeros_like(class_ids)]),
        "scores": np.stack([scores, np.zeros_like(scores)]),
        "masks": np.stack([masks, np.full_like(masks, 0.7)]),
    }
    return SimpleNamespace(image_shape=SHAPE, predict_on_batch=lambda images: outputs)


IMAGES = np.zeros((2, *SHAPE, 3), np.uint8)


def test_a_painted_object_comes_back():
    masks = crop_masks(painted(), np.array([1]), np.array([BOX]), (28, 28)).astype(np.float32)
    padding = [0, 0, 1, 1]  # zeros of the network, in pixels
    network = fake([BOX, padding], np.array([7, 0]), np.float32([0.9, 0]), np.concatenate([masks, masks]))
    found, nothing = detect(network, IMAGES)
    assert found.boxes_px.tolist() == [BOX]
    assert found.class_ids.tolist() == [7]
    np.testing.assert_allclose(found.scores, [0.9])
    np.testing.assert_array_equal(found.masks, [painted() == 1])
    assert nothing.boxes_px.shape == (0, 4)
    assert nothing.masks.shape == (0, *SHAPE)


def test_an_object_that_rounds_to_nothing_is_dropped():
    boxes = [BOX, [5.6, 10, 6.4, 38]]  # from row 6 to row 6
    network = fake(boxes, np.array([7, 8]), np.float32([0.9, 0.8]), np.ones((2, 28, 28), np.float32))
    found, _ = detect(network, IMAGES)
    assert found.class_ids.tolist() == [7]


def test_a_mask_keeps_to_its_box_and_to_half_and_more():
    mask = np.full((1, 28, 28), 0.49, np.float32)
    mask[0, :14] = 0.51
    found, _ = detect(fake([BOX], np.array([1]), np.float32([0.9]), mask), IMAGES)
    expected = np.zeros(SHAPE, bool)
    expected[5:19, 10:38] = True
    np.testing.assert_array_equal(found.masks, [expected])


def test_boxes_are_rounded_to_whole_pixels():
    # the whole image; .26 * 39 = 10.14, .5 * 59 = 29.5 to the even 30, .51 * 39 + 1 = 20.89, .7 * 59 + 1 = 42.3
    rounded = round_to_pixels(np.array([[0, 0, 1, 1], [0.26, 0.5, 0.51, 0.7]]), SHAPE)
    assert rounded.tolist() == [[0, 0, 40, 60], [10, 30, 21, 42]]
    assert rounded.dtype == np.int32


@pytest.mark.parametrize(
    "images",
    [IMAGES[:, :32], IMAGES[0], IMAGES[..., :1], IMAGES.astype(np.float32)],
    ids=["size", "one", "gray", "type"],
)
def test_images_must_be_what_the_network_takes(images):
    with pytest.raises(ValueError, match=r"`images` must be uint8 of shape \(B, 40, 60, 3\); got \w+ \("):
        list(detect(fake([BOX], np.array([1]), np.float32([0.9]), np.ones((1, 28, 28), np.float32)), images))
