"""Detections: the objects of one image, in its pixels or in those of the image that it was made from.

Boxes are `(y1, x1, y2, x2)` with an exclusive outer edge; normalised ones as in `maskrcnn.project.notation`.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from maskrcnn.data.images import Shape, fit_shape
from maskrcnn.data.mini_masks import place_parts, resize_mask
from maskrcnn.project.notation import Masks


@dataclass(frozen=True)
class ImageDetections:
    """The objects of one image in descending order of score.

    Args:
        boxes_norm: (D, 4), normalised, with an area of at least a pixel.
        class_ids: (D,), from 1.
        scores: (D,), within [0, 1].
        mask_crops: (D, h, w), for each the probabilities of its mask inside its box.
        proposals_norm: (P, 4), normalised, the proposals that the objects were found among, the best first.
        image_shape: Height and width of the image in pixels.
    """

    boxes_norm: Float[ndarray, "D 4"]
    class_ids: Int[ndarray, " D"]
    scores: Float[ndarray, " D"]
    mask_crops: Float[ndarray, "D h w"]
    proposals_norm: Float[ndarray, "P 4"]
    image_shape: Shape

    def __len__(self) -> int:
        return len(self.scores)

    @cached_property
    def boxes_px(self) -> Int[ndarray, "D 4"]:
        """The boxes in whole pixels, inside the image."""
        return np.clip(round_to_pixels(self.boxes_norm, self.image_shape), 0, np.tile(self.image_shape, 2))

    @cached_property
    def proposals_px(self) -> Int[ndarray, "P 4"]:
        """The proposals in whole pixels."""
        return round_to_pixels(self.proposals_norm, self.image_shape)

    @cached_property
    def parts(self) -> tuple[Bool[ndarray, "_ _"], ...]:
        """The mask of each object inside its box of `boxes_px`; outside of it is background."""
        whole = round_to_pixels(self.boxes_norm, self.image_shape)
        parts = []
        for crop, box, (y1, x1, y2, x2) in zip(self.mask_crops, whole, self.boxes_px, strict=True):
            top, left, bottom, right = box.tolist()
            part = resize_mask(crop, (bottom - top, right - left)) > 0.5
            parts.append(part[y1 - top : y2 - top, x1 - left : x2 - left])
        return tuple(parts)

    @property
    def masks(self) -> Masks:
        """The masks at image size, (D, H, W), made anew at every access: 200 MB for 100 objects at 1024 x 2048."""
        return place_parts(self.parts, self.boxes_px, self.image_shape)

    def select(self, kept: Bool[ndarray, " D"] | Int[ndarray, " d"]) -> "ImageDetections":
        """Returns some of the objects.

        Args:
            kept: Whether each is kept, or which are, by index.
        """
        return replace(
            self,
            boxes_norm=self.boxes_norm[kept],
            class_ids=self.class_ids[kept],
            scores=self.scores[kept],
            mask_crops=self.mask_crops[kept],
        )

    def unfit(self, raw_shape: Shape, fit: str) -> "ImageDetections":
        """Returns the objects in the pixels of the image that was fitted to this size.

        Masks are resized once, from the network's crops to the new pixels. What lies in the padding is cut off.

        Args:
            raw_shape: Height and width of that image.
            fit: How it was fitted, see `fit_shape`.
        """
        if raw_shape == self.image_shape:
            return self
        factors = np.divide(raw_shape, fit_shape(raw_shape, self.image_shape, fit))
        boxes, proposals = (
            _normalise(_to_pixels(boxes, self.image_shape) * np.tile(factors, 2), raw_shape)
            for boxes in (self.boxes_norm, self.proposals_norm)
        )
        moved = replace(self, boxes_norm=boxes, proposals_norm=proposals, image_shape=raw_shape)
        return moved.select(has_area(moved.boxes_px))


def round_to_pixels(boxes_norm: Float[ndarray, "*n 4"], image_shape: Shape) -> Int[ndarray, "*n 4"]:
    """Turns normalised boxes into whole pixels, int32; halves go to the even side.

    Rounds in float64, as Matterport does; in float32 the rounding of x.5 would depend on the order of additions.

    Source:
        Matterport `utils.denorm_boxes`.
    """
    return np.around(_to_pixels(boxes_norm, image_shape)).astype(np.int32)


def has_area(boxes: ndarray) -> Bool[ndarray, " N"]:
    """Returns which boxes have positive sides."""
    return np.all(boxes[:, 2:] > boxes[:, :2], axis=1)


def _to_pixels(boxes_norm: Float[ndarray, "*n 4"], image_shape: Shape) -> Float[ndarray, "*n 4"]:
    height, width = image_shape
    return boxes_norm * np.array([height - 1, width - 1] * 2) + [0, 0, 1, 1]


def _normalise(boxes: Float[ndarray, "*n 4"], image_shape: Shape) -> Float[ndarray, "*n 4"]:
    """The inverse of `_to_pixels`; on a side of one pixel every box covers that pixel."""
    height, width = image_shape
    return (boxes - [0, 0, 1, 1]) / np.maximum([height - 1, width - 1] * 2, 1)
