"""From images to objects with boxes in pixels and masks at image size."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from maskrcnn.data.mini_masks import paste_masks
from maskrcnn.model import MaskRCNN
from maskrcnn.notation import Masks


@dataclass(frozen=True)
class ImageDetections:
    """The objects of one image in descending order of score.

    Args:
        boxes_px: (D, 4) whole pixels, `(y1, x1, y2, x2)`, outer edge excluded, with positive sides.
        class_ids: (D,), from 1.
        scores: (D,), within [0, 1].
        masks: (D, H, W).
    """

    boxes_px: ndarray
    class_ids: ndarray
    scores: ndarray
    masks: Masks


def detect(network: MaskRCNN, images: ndarray) -> Iterator[ImageDetections]:
    """Finds the objects of a batch of images.

    Args:
        network: A built network; its arguments say how many objects it keeps and how sure they are.
        images: (B, H, W, 3) uint8 RGB of the network's size.
    Returns:
        One `ImageDetections` an image, in order.
    Raises:
        ValueError: if the images are of another size or type.
    Source:
        Matterport `MaskRCNN.detect` and `unmold_detections`.
    """
    if images.shape[1:] != (*network.image_shape, 3) or images.dtype != np.uint8:
        raise ValueError(
            f"`images` must be uint8 of shape (B, {network.image_shape[0]}, {network.image_shape[1]}, 3); "
            f"got {images.dtype} {images.shape}."
        )
    outputs = network.predict_on_batch(images)
    for boxes, class_ids, scores, masks in zip(
        *(outputs[key] for key in ("boxes", "class_ids", "scores", "masks")), strict=True
    ):
        yield _unmold(boxes, class_ids, scores, masks, network.image_shape)


def _unmold(
    boxes: ndarray, class_ids: ndarray, scores: ndarray, masks: ndarray, image_shape: tuple[int, int]
) -> ImageDetections:
    """Drops the padding, rounds the boxes to pixels and pastes the masks."""
    boxes_px = round_to_pixels(boxes, image_shape)
    kept = (class_ids > 0) & (boxes_px[:, 2:] > boxes_px[:, :2]).all(axis=1)
    pasted = paste_masks(masks[kept], boxes_px[kept], image_shape)
    return ImageDetections(boxes_px[kept], class_ids[kept], scores[kept], pasted)


def round_to_pixels(boxes_norm: ndarray, image_shape: tuple[int, int]) -> ndarray:
    """Turns normalised boxes (..., 4) into whole pixels, int32.

    Source:
        Matterport `utils.denorm_boxes`.
    """
    height, width = image_shape
    scale = np.array([height - 1, width - 1, height - 1, width - 1], np.float32)
    return np.around(boxes_norm * scale + np.array([0, 0, 1, 1], np.float32)).astype(np.int32)
