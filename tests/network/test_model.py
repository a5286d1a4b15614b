"""The network as a whole."""

import keras
import numpy as np
import pytest
from keras import ops

from maskrcnn.export import _Portable
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.ops.proposals import Detections
from maskrcnn.network.weights import table
from tests.backends import run
from tests.tiny import CLASS_COUNT, draw_scene, network, reset


@pytest.fixture(autouse=True, scope="module")
def untrained() -> None:
    reset()


@pytest.fixture(scope="module")
def outputs() -> dict[str, np.ndarray]:
    """What an untrained network says of two scenes."""
    return find((1, 2))


def find(seeds: tuple[int, int]) -> dict[str, np.ndarray]:
    images = np.stack([draw_scene(seed)[0] for seed in seeds])
    return run(look, images)


def look(images):
    return network().call(images, min_confidence=0.05, max_count=20)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("backend", "torch", "tensorflow or jax; got torch, set the variable KERAS_BACKEND"),
        ("floatx", "float16", "float32; got float16, call `keras.config.set_floatx`"),
        ("image_data_format", "channels_first", "channels_last; got channels_first, call `keras.config.set_image_d"),
    ],
)
def test_keras_must_be_set_to_what_the_network_can_work_with(
    name: str, value: str, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.config, name, lambda: value)
    with pytest.raises(ValueError, match=rf"`keras\.config\.{name}\(\)` must be {rule}"):
        build_mask_rcnn(backbone="resnet14", image_shape=(64, 64), class_count=3)


def test_the_backbone_must_be_known():
    with pytest.raises(
        ValueError, match="`backbone` must be one of resnet14, resnet26, resnet50, resnet101; got 'vgg16'"
    ):
        build_mask_rcnn(backbone="vgg16", image_shape=(64, 64), class_count=3)


@pytest.mark.parametrize("image_shape", [(64, 100), (0, 64), (-64, 64), (32, 64)])
def test_the_sides_must_be_multiples_of_64(image_shape: tuple[int, int]):
    with pytest.raises(ValueError, match=r"`image_shape` must hold multiples of 64; got \("):
        build_mask_rcnn(backbone="resnet14", image_shape=image_shape, class_count=3)


def test_all_weights_are_made_before_the_first_call():
    built = build_mask_rcnn(backbone="resnet26", image_shape=(64, 64), class_count=3, backbone_width=4, fpn_channels=8)
    names = [variable.path for variable in built.variables]
    assert all(layer.built for layer in built._flatten_layers())
    built(keras.Input((64, 64, 3), dtype="uint8"))
    assert [variable.path for variable in built.variables] == names


def test_a_network_of_built_parts_keeps_their_weights() -> None:
    other = _Portable(network())  # what is exported to ONNX
    other(keras.Input((64, 64, 3), dtype="uint8"))
    assert [id(variable) for variable in other.variables] == [id(variable) for variable in network().variables]


def test_shapes_are_known_beforehand():
    symbolic = network()(keras.Input((64, 64, 3), dtype="uint8"), max_count=8)
    assert {key: (tuple(value.shape), value.dtype) for key, value in symbolic.items()} == {
        "boxes": ((None, 8, 4), "float32"),
        "class_ids": ((None, 8), "int32"),
        "scores": ((None, 8), "float32"),
        "masks": ((None, 8, 28, 28), "float32"),
        "proposals": ((None, 40, 4), "float32"),
    }


def test_detections_keep_to_their_ranges(outputs: dict[str, np.ndarray]):
    boxes, class_ids, scores = (outputs[key] for key in ("boxes", "class_ids", "scores"))
    real = class_ids > 0
    assert real.any()
    assert class_ids.max() < CLASS_COUNT
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert (boxes[..., 2:] >= boxes[..., :2]).all()
    assert ((scores[real] >= 0.05) & (scores[real] <= 1)).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    assert not boxes[~real].any()
    assert not scores[~real].any()
    assert ((outputs["masks"] >= 0) & (outputs["masks"] <= 1)).all()


def test_images_of_a_batch_do_not_disturb_each_other(outputs: dict[str, np.ndarray]):
    turned = find((2, 1))
    for key, values in outputs.items():
        np.testing.assert_allclose(turned[key][::-1], values, atol=1e-4, err_msg=key)


def test_the_pyramid_has_five_strides():
    shapes = [tuple(level.shape) for level in network().extract_features(keras.Input((64, 128, 3)))]
    assert shapes == [(None, 64 // stride, 128 // stride, 16) for stride in (4, 8, 16, 32, 64)]


def test_features_start_from_what_the_image_has_above_the_channel_means():
    # An image of the means becomes zeros, so that a stem without bias sees nothing.
    model = network()
    seen = run(lambda images: model.backbone(ops.zeros_like(images)), np.zeros((1, 64, 64, 3), np.float32))
    means = np.broadcast_to(np.float32([123.7, 116.8, 103.9]), (1, 64, 64, 3))
    given = run(lambda images: model.extract_features(images), means)
    np.testing.assert_allclose(given[0], run(model.fpn, seen)[0], atol=1e-5)


def test_no_anchor_is_a_weight():
    # 3 ratios in 16**2 + 8**2 + 4**2 + 2**2 + 1 cells
    model = network()
    assert isinstance(model.anchors_px, np.ndarray)
    assert model.anchors_px.shape == (1023, 4)
    assert {id(variable) for variable in model.variables} == {id(entry.variable) for entry in table(model)}


def test_every_detection_is_outlined_by_its_own_class():
    # A mask head that says the bias of each class everywhere
    model = network()
    model.mask_head.logits.kernel.assign(np.zeros(model.mask_head.logits.kernel.shape))
    model.mask_head.logits.bias.assign([9, -1, 0, 2])
    found = Detections(
        np.float32([[[0, 0, 0.5, 0.5]] * 3]), np.array([[3, 1, 2]], np.int32), np.ones((1, 3), np.float32)
    )
    pyramid = tuple(np.zeros((1, 64 // stride, 64 // stride, 16), np.float32) for stride in (4, 8, 16, 32, 64))
    masks = run(lambda pyramid: model.outline(pyramid, found, mask_slots=8), pyramid)
    expected = 1 / (1 + np.exp([-2, 1, 0]))
    np.testing.assert_allclose(masks, np.broadcast_to(expected[None, :, None, None], (1, 3, 28, 28)), rtol=1e-5)
    reset()


def test_masks_are_made_as_far_as_there_are_objects():
    # Of two images one has five objects, the other one: in groups of two, six of seven slots are outlined.
    model = network()
    dice = np.random.default_rng(0)
    pyramid = tuple(dice.normal(size=(2, 64 // s, 64 // s, 16)).astype(np.float32) for s in (4, 8, 16, 32, 64))
    class_ids = np.array([[3, 1, 2, 2, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0]], np.int32)
    boxes = np.broadcast_to(np.float32([0.1, 0.1, 0.6, 0.9]), (2, 7, 4)) * (class_ids > 0)[..., None]
    found = Detections(boxes.astype(np.float32), class_ids, (class_ids > 0).astype(np.float32))
    together = run(lambda pyramid: model.outline(pyramid, found, mask_slots=7), pyramid)
    grouped = run(lambda pyramid: model.outline(pyramid, found, mask_slots=2), pyramid)
    np.testing.assert_allclose(grouped[:, :6], together[:, :6], atol=1e-5)
    assert together[:, 6].any()
    assert not grouped[:, 6].any()


def test_proposals_are_limited_in_number_and_to_the_image():
    model = network()
    dice = np.random.default_rng(0)
    logits, deltas = (dice.normal(size=(2, 1023, depth)).astype(np.float32) for depth in (2, 4))
    boxes, valid = run(lambda logits, deltas: model.propose(logits, deltas, 25), logits, deltas)
    assert boxes.shape == (2, 25, 4)
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert valid.any(axis=1).all()
