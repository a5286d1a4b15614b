"""Crops of feature maps, the backend's own way and the portable one, against a loop in NumPy."""

from functools import partial

import numpy as np
import pytest
from keras import backend, ops

from maskrcnn.network.ops.boxes import IMAGE_WINDOW, clip_boxes
from maskrcnn.network.ops.roi_align import (
    _portable_crops,
    _portable_roi_align,
    crop_and_resize_flat,
    roi_align,
    roi_levels,
)

IMAGE_SHAPE = (96, 160)
CANONICAL_SIZE = 40


def aligned_portably(pyramid, boxes_norm, size):
    levels = roi_levels(boxes_norm, IMAGE_SHAPE, CANONICAL_SIZE)
    return _portable_roi_align(pyramid, boxes_norm, levels - 2, size)


def aligned(pyramid, boxes_norm, size):
    return roi_align(pyramid, boxes_norm, size, IMAGE_SHAPE, CANONICAL_SIZE)


def compiled(function):
    """Returns a function as a step runs it: JAX compiles it whole, where it would compile every operation by itself."""
    if backend.backend() == "tensorflow":
        return function
    import jax

    return jax.jit(function, static_argnames="size")


crop_both_ways = pytest.mark.parametrize(
    "crop", [compiled(crop_and_resize_flat), compiled(_portable_crops)], ids=["public", "portable"]
)
align_both_ways = pytest.mark.parametrize(
    "align", [compiled(aligned), compiled(aligned_portably)], ids=["public", "portable"]
)


def brute_force(features: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the crop of one map (H, W, C), sample by sample."""

    def positions(low: float, high: float, side: int, count: int) -> np.ndarray:
        return (np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])) * (side - 1)

    height, width, channels = features.shape
    crop = np.zeros((*size, channels))
    for i, y in enumerate(positions(box[0], box[2], height, size[0])):
        for j, x in enumerate(positions(box[1], box[3], width, size[1])):
            if 0 <= y <= height - 1 and 0 <= x <= width - 1:
                top, left = int(y), int(x)
                below, right = min(top + 1, height - 1), min(left + 1, width - 1)
                upper = features[top, left] * (left + 1 - x) + features[top, right] * (x - left)
                lower = features[below, left] * (left + 1 - x) + features[below, right] * (x - left)
                crop[i, j] = upper * (top + 1 - y) + lower * (y - top)
    return crop


def gradient(function, features: list[np.ndarray], weights: np.ndarray) -> list[np.ndarray]:
    """Returns the gradient of the weighted sum of `function(features)` with respect to each of its maps."""
    tensors = [ops.convert_to_tensor(array) for array in features]

    def weighted_sum(maps):
        return ops.sum(function(maps) * weights)

    if backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = weighted_sum(tensors)
        gradients = tape.gradient(total, tensors, unconnected_gradients="zero")
    else:
        import jax

        gradients = jax.grad(weighted_sum)(tensors)
    return [ops.convert_to_numpy(ops.convert_to_tensor(array)) for array in gradients]


def random_pyramid(rng: np.random.Generator, batch: int = 2, channels: int = 3) -> list[np.ndarray]:
    shapes = [(IMAGE_SHAPE[0] // stride, IMAGE_SHAPE[1] // stride) for stride in (4, 8, 16, 32)]
    return [rng.standard_normal((batch, *shape, channels)).astype(np.float32) for shape in shapes]


def random_boxes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draws sides from a hundredth to the whole of the image; a few boxes reach out of it."""
    sides = 10 ** rng.uniform(-2, 0, (*shape, 2))
    low = rng.uniform(-0.02, 1.02 - sides)
    return np.concatenate([low, low + sides], axis=-1).astype(np.float32)


@crop_both_ways
def test_samples_lie_on_the_corners_of_the_box(crop):
    # A map of 3 x 5 that counts 10 a row and 1 a column. The box spans rows 0..2 and columns 2..4
    # (0.5 * 4 = 2), so its 3 x 2 samples are rows 0, 1, 2 and columns 2, 4.
    features = (10.0 * np.arange(3)[:, None] + np.arange(5)).astype(np.float32)[None, :, :, None]
    box = np.array([[0, 0.5, 1, 1]], np.float32)
    crops = crop(*map(ops.convert_to_tensor, (features, box, np.array([0], np.int32))), (3, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(crops)[0, :, :, 0], [[2, 4], [12, 14], [22, 24]])


@crop_both_ways
@pytest.mark.parametrize("size", [(7, 7), (2, 5), (1, 3), (1, 1)])
def test_crops_are_those_of_a_loop(crop, size: tuple[int, int]):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((3, 9, 13, 2)).astype(np.float32)
    boxes = np.concatenate([random_boxes(rng, 20), [[0.8, 0.2, 0.1, 0.9], [0.3, 0.3, 0.3, 0.3]]])
    indices = rng.integers(0, 3, len(boxes)).astype(np.int32)
    crops = crop(*map(ops.convert_to_tensor, (features, boxes.astype(np.float32), indices)), size)
    expected = [brute_force(features[i], box, size) for box, i in zip(boxes, indices, strict=True)]
    np.testing.assert_allclose(ops.convert_to_numpy(crops), expected, atol=2e-5)


@crop_both_ways
def test_samples_off_the_map_are_zero(crop):
    # Samples at rows -1, 0, 1, of a map with rows 0 and 1
    box = np.array([[-1, 0, 1, 1]], np.float32)
    crops = crop(ops.ones((1, 2, 2, 1)), *map(ops.convert_to_tensor, (box, np.array([0], np.int32))), (3, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(crops)[0, :, :, 0], [[0, 0], [1, 1], [1, 1]])


@crop_both_ways
@pytest.mark.parametrize("side", [8, 33, 128])
@pytest.mark.parametrize("count", [7, 14, 28])
def test_boxes_clipped_to_the_image_window_lose_no_sample_to_rounding(crop, side: int, count: int):
    low = np.random.default_rng(side).random((500, 2)).astype(np.float32)
    boxes = clip_boxes(np.concatenate([low, np.full_like(low, 1.5)], axis=1), IMAGE_WINDOW)
    crops = crop(ops.ones((1, side, 2, 1)), boxes, ops.zeros(500, "int32"), (count, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(crops), 1, rtol=1e-5)


@crop_both_ways
def test_truth_masks_are_cropped_each_by_its_own_box(crop):
    masks = np.zeros((2, 8, 8, 1), bool)
    masks[0, :, 4:], masks[1] = True, True
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    crops = crop(*map(ops.convert_to_tensor, (masks, boxes, np.arange(2, dtype=np.int32))), (4, 4))
    # samples at columns 0, 2.3, 4.7 and 7 of the first mask, all of the second
    np.testing.assert_allclose(ops.convert_to_numpy(crops)[0, :, :, 0], [[0, 0, 1, 1]] * 4, atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(crops)[1], 1, atol=1e-6)


@crop_both_ways
def test_a_sample_between_four_pixels_hands_each_a_quarter_of_its_gradient(crop):
    box = ops.convert_to_tensor([[0.0, 0.0, 1.0, 1.0]])
    (slopes,) = gradient(
        lambda maps: crop(maps[0], box, ops.zeros(1, "int32"), (1, 1)),
        [np.zeros((1, 2, 2, 1), np.float32)],
        np.full((1, 1, 1, 1), 8, np.float32),
    )
    np.testing.assert_allclose(slopes[0, :, :, 0], [[2, 2], [2, 2]])  # 8 / 4


@pytest.mark.parametrize(
    ("side", "level"),
    # 4 + round(log2(side / 40)) of a square region, and what the clip makes of it
    [(40, 4), (29, 4), (28, 3), (56, 4), (57, 5), (20, 3), (10, 2), (1, 2), (90, 5), (0, 2)],
)
def test_a_region_twice_as_large_lies_one_level_higher(side: int, level: int):
    box = np.array([[0, 0, side / IMAGE_SHAPE[0], side / IMAGE_SHAPE[1]]], np.float32)
    levels = ops.convert_to_numpy(roi_levels(ops.convert_to_tensor(box), IMAGE_SHAPE, CANONICAL_SIZE))
    assert levels.tolist() == [level]


@align_both_ways
def test_every_region_is_cropped_out_of_its_level(align):
    rng = np.random.default_rng(2)
    pyramid, boxes = random_pyramid(rng), random_boxes(rng, 2, 40)
    crops = ops.convert_to_numpy(align(pyramid, ops.convert_to_tensor(boxes), (3, 5)))
    levels = ops.convert_to_numpy(roi_levels(ops.convert_to_tensor(boxes), IMAGE_SHAPE, CANONICAL_SIZE))
    assert set(levels.ravel()) == {2, 3, 4, 5}
    for image, region in np.ndindex(2, 40):
        features = pyramid[levels[image, region] - 2][image]
        expected = brute_force(features, boxes[image, region], (3, 5))
        np.testing.assert_allclose(crops[image, region], expected, atol=5e-5)


@align_both_ways
def test_the_gradient_is_the_adjoint_of_the_crop(align):
    # The crop A is linear, so <A'w, f> = <w, Af> for its gradient A'w and any features f.
    rng = np.random.default_rng(3)
    boxes = random_boxes(rng, 2, 40)
    weights = rng.standard_normal((2, 40, 3, 5, 3)).astype(np.float32)
    function = partial(align, boxes_norm=ops.convert_to_tensor(boxes), size=(3, 5))
    slopes = gradient(function, random_pyramid(rng), weights)
    assert all(slope.any() for slope in slopes)
    for _ in range(5):
        features = random_pyramid(rng)
        left = sum(float((slope * f).sum()) for slope, f in zip(slopes, features, strict=True))
        right = float((weights * ops.convert_to_numpy(function(features))).sum())
        assert left == pytest.approx(right, abs=1e-2)


def test_threads_lose_nothing_of_the_gradient_where_many_boxes_overlap():
    rng = np.random.default_rng(7)
    low = 0.3 * rng.random((1000, 2))
    boxes = np.concatenate([low, low + 0.5], axis=1).astype(np.float32)
    weights = rng.standard_normal((1000, 7, 7, 16)).astype(np.float32)
    features = [np.zeros((1, 16, 16, 16), np.float32)]

    def slopes(crop):
        return gradient(lambda maps: crop(maps[0], boxes, ops.zeros(1000, "int32"), (7, 7)), features, weights)[0]

    expected = slopes(_portable_crops)
    for _ in range(20):
        np.testing.assert_allclose(slopes(crop_and_resize_flat), expected, atol=1e-5 * np.abs(expected).max())


@align_both_ways
def test_no_gradient_reaches_the_boxes(align):
    rng = np.random.default_rng(4)
    pyramid, boxes = random_pyramid(rng), random_boxes(rng, 2, 6)
    (slopes,) = gradient(lambda maps: align(pyramid, maps[0], (3, 3)), [boxes], np.float32(1))
    np.testing.assert_array_equal(slopes, 0)


@align_both_ways
def test_padding_has_neither_a_wild_value_nor_a_wild_gradient(align):
    pyramid = random_pyramid(np.random.default_rng(5))
    function = partial(align, boxes_norm=ops.zeros((2, 4, 4)), size=(3, 3))
    crops = ops.convert_to_numpy(function(pyramid))
    corner = pyramid[0][:, None, :1, :1]  # of P2
    np.testing.assert_allclose(crops, np.broadcast_to(corner, crops.shape), rtol=1e-6)
    slopes = gradient(function, pyramid, np.float32(1))
    assert slopes[0][0, 0, 0].tolist() == [36, 36, 36]  # 4 regions of 3 x 3 samples on one pixel
    assert sum(np.abs(slope).sum() for slope in slopes) == 36 * 3 * 2


def test_compiling_changes_nothing():
    rng = np.random.default_rng(6)
    pyramid, boxes = random_pyramid(rng), random_boxes(rng, 2, 8)
    function = partial(aligned, size=(3, 5))
    if backend.backend() == "tensorflow":
        import tensorflow as tf

        specs = [tf.TensorSpec((None, *f.shape[1:])) for f in pyramid]
        whole = tf.function(function, input_signature=[specs, tf.TensorSpec((None, 8, 4))])
        assert whole.get_concrete_function().outputs[0].shape.as_list() == [None, 8, 3, 5, 3]
    else:
        import jax

        whole = jax.jit(function)
    crops = whole([ops.convert_to_tensor(f) for f in pyramid], ops.convert_to_tensor(boxes))
    eager = function(pyramid, ops.convert_to_tensor(boxes))
    np.testing.assert_allclose(ops.convert_to_numpy(crops), ops.convert_to_numpy(eager), atol=1e-5)


def test_the_pyramid_must_have_its_four_levels():
    with pytest.raises(ValueError, match="`pyramid` must hold the 4 levels P2 to P5; got 5"):
        aligned([ops.zeros((1, 2, 2, 1))] * 5, ops.zeros((1, 1, 4)), (2, 2))
