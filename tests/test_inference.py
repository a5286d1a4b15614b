"""From images to objects in pixels."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from maskrcnn.data.detections import round_to_pixels
from maskrcnn.data.mini_masks import crop_masks
from maskrcnn.inference import detect, detect_batch, detect_batches, inspect
from maskrcnn.network.model import BOX_CROP, MASK_CROP
from tests.backends import run
from tests.tiny import CLASS_COUNT, draw_scene, make_network, network, reset

SHAPE = (40, 60)
BOX = [5, 10, 33, 38]  # 28 pixels a side, as the mask head has


def painted() -> np.ndarray:
    instance_map = np.zeros(SHAPE, np.uint16)
    instance_map[5:33, 10:20] = 1
    instance_map[20:33, 10:38] = 1
    return instance_map


def fake(boxes_px, class_ids, scores, masks) -> SimpleNamespace:
    """A network that finds these objects in the first of two images, each in a region as large as it."""
    y1x1, scale = np.array([0, 0, 1, 1]), np.array([39, 59, 39, 59])
    boxes = ((np.array(boxes_px) - y1x1) / scale).astype(np.float32)
    outputs = {
        "boxes": np.stack([boxes, boxes * 0]),
        "class_ids": np.stack([class_ids, np.zeros_like(class_ids)]),
        "scores": np.stack([scores, np.zeros_like(scores)]),
        "masks": np.stack([masks, np.full_like(masks, 0.7)]),
        "proposals": np.stack([boxes, boxes * 0]),
    }
    one_device = SimpleNamespace(num_replicas_in_sync=1)
    return SimpleNamespace(
        image_shape=SHAPE,
        compiled_steps={},
        variables=[],
        distribute_strategy=one_device,
        call=lambda *_, **__: outputs,
    )


IMAGES = np.zeros((2, *SHAPE, 3), np.uint8)


def test_a_painted_object_comes_back():
    masks = crop_masks(painted(), np.array([1]), np.array([BOX]), (28, 28)).astype(np.float32)
    padding = [0, 0, 1, 1]  # zeros of the network, in pixels
    network = fake([BOX, padding], np.array([7, 0]), np.float32([0.9, 0]), np.concatenate([masks, masks]))
    found, nothing = detect_batch(network, IMAGES)
    assert found.boxes_px.tolist() == [BOX]
    assert found.class_ids.tolist() == [7]
    np.testing.assert_allclose(found.scores, [0.9])
    np.testing.assert_array_equal(found.masks, [painted() == 1])
    np.testing.assert_array_equal(found.parts[0], painted()[5:33, 10:38] == 1)
    assert found.proposals_px.tolist() == [BOX]
    assert nothing.boxes_px.shape == nothing.proposals_px.shape == (0, 4)
    assert nothing.masks.shape == (0, *SHAPE)


def test_the_network_starts_on_a_batch_before_the_one_before_is_finished() -> None:
    network, read = anything(), []

    def batches() -> Iterator[np.ndarray]:
        for number in range(3):
            read.append(number)
            yield IMAGES

    known = []
    for found, nothing in detect_batches(network, batches()):
        known.append(list(read))
        assert found.class_ids.tolist() == [1]
        assert not len(nothing.scores)
    assert known == [[0, 1], [0, 1, 2], [0, 1, 2]]


def test_no_batch_finds_nothing() -> None:
    assert not list(detect_batches(anything(), []))


def test_batches_come_in_their_order(scene: np.ndarray) -> None:
    images = [scene, draw_scene(2)[0], draw_scene(3)[0]]
    settings = {"min_confidence": 0.0, "max_count": 5}
    together = list(detect_batches(network(), [image[None] for image in images], **settings))
    for (found,), image in zip(together, images, strict=True):
        np.testing.assert_array_equal(found.masks, detect(network(), image, **settings).masks)


def test_an_object_that_rounds_to_nothing_is_dropped():
    boxes = [BOX, [5.6, 10, 6.4, 38]]  # from row 6 to row 6
    network = fake(boxes, np.array([7, 8]), np.float32([0.9, 0.8]), np.ones((2, 28, 28), np.float32))
    found, _ = detect_batch(network, IMAGES)
    assert found.class_ids.tolist() == [7]


def test_a_mask_keeps_to_its_box_and_to_half_and_more():
    mask = np.full((1, 28, 28), 0.49, np.float32)
    mask[0, :14] = 0.51
    found, _ = detect_batch(fake([BOX], np.array([1]), np.float32([0.9]), mask), IMAGES)
    expected = np.zeros(SHAPE, bool)
    expected[5:19, 10:38] = True
    np.testing.assert_array_equal(found.masks, [expected])


def test_boxes_are_rounded_to_whole_pixels():
    # the whole image; .26 * 39 = 10.14, .5 * 59 = 29.5 to the even 30, .51 * 39 + 1 = 20.89, .7 * 59 + 1 = 42.3
    rounded = round_to_pixels(np.array([[0, 0, 1, 1], [0.26, 0.5, 0.51, 0.7]]), SHAPE)
    assert rounded.tolist() == [[0, 0, 40, 60], [10, 30, 21, 42]]
    assert rounded.dtype == np.int32


def test_boxes_are_rounded_in_float64():
    # The float32 nearest to 20.5 / 255 is a little more: times 255 it is 20.5000007, which rounds to 21;
    # the product in float32 would be 20.5, which rounds to the even 20.
    boxes = np.array([[20.5 / 255, 0, 1, 1]], np.float32)
    assert round_to_pixels(boxes, (256, 256)).tolist() == [[21, 0, 256, 256]]


@pytest.mark.parametrize(
    "images",
    [IMAGES[:, :32], IMAGES[0], IMAGES[..., :1], IMAGES.astype(np.float32)],
    ids=["size", "one", "gray", "type"],
)
def test_images_must_be_what_the_network_takes(images):
    with pytest.raises(ValueError, match=r"`images` must be uint8 of shape \(B, 40, 60, 3\); got \w+ \("):
        detect_batch(anything(), images)


@pytest.mark.parametrize("min_confidence", [-0.1, 1.1, float("nan")])
def test_the_confidence_must_be_a_probability(min_confidence: float):
    with pytest.raises(ValueError, match=r"`min_confidence` must lie within \[0, 1\]; got"):
        detect_batch(anything(), IMAGES, min_confidence=min_confidence)


def anything() -> SimpleNamespace:
    return fake([BOX], np.array([1]), np.float32([0.9]), np.ones((1, 28, 28), np.float32))


@pytest.fixture
def scene() -> Iterator[np.ndarray]:
    """A scene for a network that is less sure of all classes than it was made, so that scores differ."""
    reset()
    kernel = network().box_head.logits.kernel
    kernel.assign(0.01 * kernel)
    yield draw_scene(1)[0]
    reset()


def test_settings_choose_among_the_objects(scene: np.ndarray):
    # A weaker object never removes a stronger one, so a stricter setting gives the beginning of the list.
    every = detect(network(), scene, min_confidence=0, max_count=20)
    assert len(every.scores) == 20
    middle = float(every.scores[9])
    sure = detect(network(), scene, min_confidence=middle, max_count=20)
    few = detect(network(), scene, min_confidence=0, max_count=7)
    for found, count in ((sure, np.sum(every.scores >= middle)), (few, 7)):
        np.testing.assert_array_equal(found.boxes_px, every.boxes_px[:count])
        np.testing.assert_array_equal(found.class_ids, every.class_ids[:count])
        np.testing.assert_array_equal(found.masks, every.masks[:count])
    assert len(sure.scores) == 10


def test_objects_of_one_class_overlap_as_far_as_is_asked(scene: np.ndarray):
    model = make_network(seed=7)
    crowded = detect(model, scene, min_confidence=0, nms_iou=1.0, max_count=40)
    apart = detect(model, scene, min_confidence=0, nms_iou=0.0, max_count=40)
    assert 0 < len(apart.scores) < len(crowded.scores)


def test_one_compilation_serves_every_confidence_and_follows_the_weights(scene: np.ndarray, monkeypatch):
    model = network()
    traced = []
    call = model.call
    model.compiled_steps.clear()
    monkeypatch.setattr(model, "call", lambda *inputs, **settings: traced.append(1) or call(*inputs, **settings))
    before = detect(model, scene, min_confidence=0.1, max_count=5)
    model.box_head.logits.bias.assign([0, 0, 0, 1000])
    after = detect(model, scene, min_confidence=0.2, max_count=5)
    model.compiled_steps.clear()
    assert len(traced) == 1
    assert set(before.class_ids) != {3}
    assert set(after.class_ids) == {3}


def test_everything_on_the_way_has_a_name(scene: np.ndarray):
    rois = np.float32([[0, 0, 0.5, 0.5], [0.25, 0.5, 1, 1], [0, 0, 0, 0]])
    seen = inspect(network(), scene, rois)
    strides = {"C2": 4, "C3": 8, "C4": 16, "C5": 32, "P2": 4, "P3": 8, "P4": 16, "P5": 32, "P6": 64}
    assert {name: seen[name].shape[:2] for name in strides} == {
        name: (64 // stride, 64 // stride) for name, stride in strides.items()
    }
    assert {name: values.shape for name, values in seen.items() if name not in strides} == {
        "anchors_px": (1023, 4),
        "rpn_logits": (1023, 2),
        "rpn_probabilities": (1023, 2),
        "rpn_deltas": (1023, 4),
        "proposals": (40, 4),
        "box_crops": (3, *BOX_CROP, 16),
        "class_logits": (3, CLASS_COUNT),
        "class_probabilities": (3, CLASS_COUNT),
        "box_deltas": (3, CLASS_COUNT, 4),
        "mask_crops": (3, *MASK_CROP, 16),
        "masks": (3, 28, 28, CLASS_COUNT),
    }
    assert inspect(network(), scene).keys() == seen.keys() - {
        "box_crops", "class_logits", "class_probabilities", "box_deltas", "mask_crops", "masks"
    }  # fmt: skip


def test_what_is_inspected_is_what_detects(scene: np.ndarray):
    seen = inspect(network(), scene)
    found = detect(network(), scene, min_confidence=0, max_count=10)
    proposals_px = round_to_pixels(seen["proposals"], network().image_shape)
    np.testing.assert_array_equal(found.proposals_px, proposals_px[seen["proposals"].any(axis=1)])
    probabilities = inspect(network(), scene, seen["proposals"])["class_probabilities"]
    np.testing.assert_allclose(found.scores[0], probabilities[:, 1:].max(), rtol=1e-5)
    np.testing.assert_allclose(seen["rpn_probabilities"].sum(axis=1), 1, rtol=1e-6)


def test_crops_are_those_of_the_level(scene: np.ndarray):
    # Half of the image, 32 pixels, is above the canonical 24 of P4 by less than half a level.
    seen = inspect(network(), scene, np.float32([[0, 0, 0.5, 0.5]]))
    np.testing.assert_allclose(seen["box_crops"][0, 0, 0], seen["P4"][0, 0], atol=1e-5)
    logits, _ = run(network().box_head, seen["box_crops"][None])
    np.testing.assert_allclose(seen["class_logits"], logits[0], atol=1e-4)


def test_an_inspected_image_must_be_what_the_network_takes():
    with pytest.raises(
        ValueError, match=r"`images` must be uint8 of shape \(B, 64, 64, 3\); got uint8 \(1, 32, 64, 3\)"
    ):
        inspect(network(), np.zeros((32, 64, 3), np.uint8))
