"""Detection of the objects of an image, with boxes in pixels and masks at image size; `inspect` returns all steps."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import keras
import numpy as np
from jaxtyping import UInt8
from keras import ops
from numpy import ndarray

from maskrcnn.data.detections import ImageDetections, has_area, round_to_pixels
from maskrcnn.network.devices import share_images
from maskrcnn.network.model import BOX_CROP, MASK_CROP, MaskRCNN
from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Array, Boxes, Image


def detect(
    network: MaskRCNN, image: Image, *, min_confidence: float = 0.7, nms_iou: float = 0.3, max_count: int = 100
) -> ImageDetections:
    """Finds the objects of one image; see `detect_batch`.

    Args:
        image: (H, W, 3) uint8 RGB of the network's size.
    """
    settings: dict[str, Any] = {"min_confidence": min_confidence, "nms_iou": nms_iou, "max_count": max_count}
    return detect_batch(network, np.asarray(image)[None], **settings)[0]


def detect_batch(
    network: MaskRCNN,
    images: UInt8[ndarray, "B H W 3"],
    *,
    min_confidence: float = 0.7,
    nms_iou: float = 0.3,
    max_count: int = 100,
) -> list[ImageDetections]:
    """Finds the objects of a batch of images.

    Every new batch size, `nms_iou` or `max_count` is compiled once; the confidence may change without compilation.

    Args:
        network: A built network.
        images: (B, H, W, 3) uint8 RGB of the network's size.
        min_confidence: Smallest score kept; scores of curves need a low one.
        nms_iou: IoU above which the weaker of two objects of one class is removed.
        max_count: Most objects kept of an image.
    Returns:
        The objects of each image, in the order of the images.
    Raises:
        InputError: if the images are of another size or type, or a setting is out of its range.
    Source:
        Matterport `MaskRCNN.detect` and `unmold_detections`.
    """
    settings: dict[str, Any] = {"min_confidence": min_confidence, "nms_iou": nms_iou, "max_count": max_count}
    return next(detect_batches(network, [images], **settings))


def detect_batches(
    network: MaskRCNN,
    batches: Iterable[UInt8[ndarray, "B H W 3"]],
    *,
    min_confidence: float = 0.7,
    nms_iou: float = 0.3,
    max_count: int = 100,
) -> Iterator[list[ImageDetections]]:
    """Finds the objects of several batches, and keeps the device busy meanwhile.

    The network is started on a batch before the boxes and masks of the batch before it are made on the host. Reading
    the images of `batches`, too, takes place while the device works.

    Args:
        batches: Images as `detect_batch` takes them; it explains the settings. One batch is read ahead.
    Returns:
        The result of `detect_batch` for each batch, in order.
    Raises:
        InputError: as `detect_batch`; for images once their batch is read.
    """
    if not 0 <= min_confidence <= 1:
        raise InputError(f"`min_confidence` must lie within [0, 1]; got {min_confidence}.")
    run, confidence = _compiled(network, _detect), np.array(min_confidence, np.float32)

    def start(images: ndarray) -> dict[str, Array]:
        _check_images(network, images)
        return run(share_images(network, images), confidence, nms_iou=nms_iou, max_count=max_count)

    return (_finish(started, network.image_shape) for started in _one_ahead(map(start, batches)))


def _one_ahead(values: Iterable[Any]) -> Iterator[Any]:
    """Yields the values in order, each after the next one was requested."""
    iterator = iter(values)
    for value in islice(iterator, 1):
        for following in iterator:
            yield value
            value = following
        yield value


def inspect(network: MaskRCNN, image: Image, rois: Boxes | None = None) -> dict[str, ndarray]:
    """Returns the result of every step of the network on one image.

    Args:
        network: A built network.
        image: (H, W, 3) uint8 RGB of the network's size.
        rois: (R, 4) normalised, regions to run the heads on; without them the heads do not run.
    Returns:
        By name, without a batch axis: the backbone's maps `C2` to `C5` and the pyramid's `P2` to `P6`, each
        (h, w, C); of A anchors `anchors_px` (A, 4), `rpn_logits` and `rpn_probabilities` (A, 2), background
        first, and `rpn_deltas` (A, 4) in units of `DELTA_STD`; `proposals` (P, 4), normalised, zeros as
        padding. With `rois` also `box_crops` (R, 7, 7, C), `class_logits` and `class_probabilities` (R, K),
        `box_deltas` (R, K, 4) in units of `DELTA_STD`, `mask_crops` (R, 14, 14, C) and `masks`
        (R, 28, 28, K), probabilities of every class.
    Raises:
        InputError: if the image is of another size or type.
    """
    images = np.asarray(image)[None]
    _check_images(network, images)
    seen = _compiled(network, _run_trunk)(images)
    if rois is not None:
        pyramid = tuple(seen[f"P{level}"] for level in (2, 3, 4, 5))
        seen |= _compiled(network, _run_heads)(pyramid, np.asarray(rois, np.float32)[None])
    return {"anchors_px": network.anchors_px} | {name: values[0] for name, values in _to_numpy(seen).items()}


def _check_images(network: MaskRCNN, images: ndarray) -> None:
    if images.shape[1:] != (*network.image_shape, 3) or images.dtype != np.uint8:
        raise InputError(
            f"`images` must be uint8 of shape (B, {network.image_shape[0]}, {network.image_shape[1]}, 3); "
            f"got {images.dtype} {images.shape}."
        )


def _detect(
    network: MaskRCNN, images: Array, min_confidence: Array, nms_iou: float, max_count: int
) -> dict[str, Array]:
    return network.call(images, min_confidence=min_confidence, nms_iou=nms_iou, max_count=max_count)


def _run_trunk(network: MaskRCNN, images: Array) -> dict[str, Array]:
    features = network.encode(images)
    pyramid = network.fpn(features)
    logits, deltas = network.rpn_head(pyramid)
    proposals, _ = network.propose(logits, deltas, network.num_proposals)
    return {
        **{f"C{level}": values for level, values in enumerate(features, start=2)},
        **{f"P{level}": values for level, values in enumerate(pyramid, start=2)},
        "rpn_logits": logits,
        "rpn_probabilities": ops.softmax(logits, axis=-1),
        "rpn_deltas": deltas,
        "proposals": proposals,
    }


def _run_heads(network: MaskRCNN, pyramid: tuple[Array, ...], rois: Boxes) -> dict[str, Array]:
    box_crops = network.crop(pyramid, rois, BOX_CROP)
    mask_crops = network.crop(pyramid, rois, MASK_CROP)
    logits, deltas = network.box_head(box_crops)
    return {
        "box_crops": box_crops,
        "class_logits": logits,
        "class_probabilities": ops.softmax(logits, axis=-1),
        "box_deltas": deltas,
        "mask_crops": mask_crops,
        "masks": ops.sigmoid(network.mask_head(mask_crops)),
    }


def _compiled(network: MaskRCNN, step: Callable[..., dict[str, Array]]) -> Callable[..., dict[str, Array]]:
    """Returns a step of the network as a compiled function of arrays; its keywords are constants.

    It is made once and kept in `network.compiled_steps`; the weights may change between calls.
    """
    if step not in network.compiled_steps:
        compile_step = _compile_jax if keras.backend.backend() == "jax" else _compile_tensorflow
        network.compiled_steps[step] = compile_step(network, step)
    return network.compiled_steps[step]


def _compile_tensorflow(network: MaskRCNN, step: Callable[..., Any]) -> Callable[..., Any]:
    import tensorflow as tf

    compiled = tf.function(lambda *arrays, **constants: step(network, *arrays, **constants), autograph=False)
    on_parts = tf.function(_run_on_parts, autograph=False)

    def run(*arrays: Any, **constants: Any) -> dict[str, Array]:
        if isinstance(arrays[0], tf.distribute.DistributedValues):
            return on_parts(network, step, *arrays, **constants)
        return compiled(*tf.nest.map_structure(tf.convert_to_tensor, arrays), **constants)

    return run


def _run_on_parts(network: MaskRCNN, step: Callable[..., Any], *arrays: Any, **constants: Any) -> dict[str, Array]:
    """Runs a step on every device of TensorFlow with its part of a batch, and joins what they find."""
    strategy = network.distribute_strategy
    found = strategy.run(partial(step, network, **constants), arrays)
    return {name: ops.concatenate(strategy.experimental_local_results(parts)) for name, parts in found.items()}


def _compile_jax(network: MaskRCNN, step: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    @jax.jit(static_argnames=("nms_iou", "max_count"))
    def compiled(values: list[Any], *arrays: Any, **constants: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(network.variables, values, strict=True))):
            return step(network, *arrays, **constants)

    return lambda *arrays, **constants: compiled([v.value for v in network.variables], *arrays, **constants)


def _to_numpy(arrays: dict[str, Array]) -> dict[str, ndarray]:
    return {name: np.asarray(values) for name, values in arrays.items()}


def _finish(outputs: dict[str, Array], image_shape: tuple[int, int]) -> list[ImageDetections]:
    """Waits for the network and returns the objects of every image of the batch."""
    arrays = _to_numpy(outputs)
    batch_size = len(arrays["scores"])
    return [_unmold({name: values[i] for name, values in arrays.items()}, image_shape) for i in range(batch_size)]


def _unmold(found: dict[str, ndarray], image_shape: tuple[int, int]) -> ImageDetections:
    """Drops padding and the boxes that become empty when they are rounded to pixels."""
    kept = (found["class_ids"] > 0) & has_area(round_to_pixels(found["boxes"], image_shape))
    return ImageDetections(
        boxes_norm=found["boxes"][kept],
        class_ids=found["class_ids"][kept],
        scores=found["scores"][kept],
        mask_crops=found["masks"][kept],
        proposals_norm=found["proposals"][has_area(found["proposals"])],
        image_shape=image_shape,
    )
