"""Mask R-CNN on one screen: how the backbone, the pyramid and the heads are wired."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from maskrcnn.layers.box_head import BoxHead
from maskrcnn.layers.fpn import FPN
from maskrcnn.layers.mask_head import MaskHead
from maskrcnn.layers.resnet import BLOCK_COUNTS, ResNet
from maskrcnn.layers.rpn_head import RPNHead
from maskrcnn.notation import Array, Boxes
from maskrcnn.ops.anchors import make_anchors
from maskrcnn.ops.boxes import DELTA_STD, normalize_boxes
from maskrcnn.ops.detections import Detections, select_detections
from maskrcnn.ops.proposals import select_proposals
from maskrcnn.ops.roi_align import roi_align

CHANNEL_MEANS = (123.7, 116.8, 103.9)  # of the RGB images that the released weights were trained on
ANCHOR_RATIOS = (0.5, 1.0, 2.0)

BOX_CROP, MASK_CROP = (7, 7), (14, 14)
MASK_SHAPE = (28, 28)
SMALLEST_SIDE = 64


class MaskRCNN(keras.Model):
    """Finds and outlines objects in images of one size.

    Calling it runs the network up to the detections' masks. Its parts are public, one method a step
    of the paper, so that training and inspection use the same code.

    Source:
        Mask R-CNN (arXiv:1703.06870), with the numerics of matterport/Mask_RCNN.
    """

    def __init__(
        self,
        *,
        backbone: str,
        image_shape: tuple[int, int],
        class_count: int,
        backbone_width: int = 64,
        fpn_channels: int = 256,
        rpn_channels: int = 512,
        box_channels: int = 1024,
        mask_channels: int = 256,
        anchor_scales: Sequence[float] = (32, 64, 128, 256, 512),
        canonical_roi_size: float = 224,
        num_candidates: int = 6000,
        num_proposals: int = 1000,
        num_detections: int = 100,
        min_confidence: float = 0.7,
        detection_nms_iou: float = 0.3,
        name: str = "mask_rcnn",
    ):
        super().__init__(name=name)
        if backbone not in BLOCK_COUNTS:
            raise ValueError(f"`backbone` must be one of {', '.join(BLOCK_COUNTS)}; got {backbone!r}.")
        if any(side <= 0 or side % SMALLEST_SIDE for side in image_shape):
            raise ValueError(f"`image_shape` must hold multiples of {SMALLEST_SIDE}; got {tuple(image_shape)}.")
        height, width = image_shape
        self.image_shape, self.class_count = (height, width), class_count
        self.canonical_roi_size = canonical_roi_size
        self.num_candidates, self.num_proposals = num_candidates, num_proposals
        self.num_detections, self.min_confidence = num_detections, min_confidence
        self.detection_nms_iou = detection_nms_iou
        self.anchors_px = make_anchors(self.image_shape, anchor_scales, ANCHOR_RATIOS)
        self.backbone = ResNet(BLOCK_COUNTS[backbone], backbone_width, name="backbone")
        self.fpn = FPN(fpn_channels, name="fpn")
        self.rpn_head = RPNHead(rpn_channels, len(ANCHOR_RATIOS), name="rpn_head")
        self.box_head = BoxHead(class_count, box_channels, name="box_head")
        self.mask_head = MaskHead(class_count, mask_channels, name="mask_head")

    def call(self, images: Array, training: bool = False) -> dict[str, Array]:
        """Returns boxes (B, D, 4) normalised, class_ids and scores (B, D), masks (B, D, 28, 28) in [0, 1].

        Args:
            images: (B, H, W, 3) RGB of 0 to 255.
            training: Whether batch norm uses the batch's own statistics.
        """
        pyramid = self.extract_features(images, training)
        logits, deltas = self.rpn_head(pyramid)
        rois, _ = self.propose(logits, deltas, self.num_proposals)
        detections = self.detect(pyramid, rois, training)
        masks = self.outline(pyramid, detections, training)
        return {**detections._asdict(), "masks": masks}

    def extract_features(self, images: Array, training: bool = False) -> tuple[Array, ...]:
        """Returns the pyramid (P2, P3, P4, P5, P6) of RGB images (B, H, W, 3) of 0 to 255."""
        centered = ops.cast(images, "float32") - ops.array(CHANNEL_MEANS, dtype="float32")
        return self.fpn(self.backbone(centered, training=training))

    def propose(self, logits: Array, deltas: Array, num_proposals: int) -> tuple[Boxes, Array]:
        """Returns regions of interest (B, P, 4), normalised, and which are real, from the RPN's outputs."""
        scores = ops.softmax(logits, axis=-1)[..., 1]
        anchors = normalize_boxes(self.anchors_px, self.image_shape)
        deltas = deltas * ops.array(DELTA_STD, dtype="float32")
        return select_proposals(scores, deltas, anchors, self.num_candidates, num_proposals)

    def classify(self, pyramid: tuple[Array, ...], rois: Boxes, training: bool = False) -> tuple[Array, Array]:
        """Returns class logits (B, R, K) and deltas (B, R, K, 4) of regions of interest (B, R, 4)."""
        return self.box_head(self._crop(pyramid, rois, BOX_CROP), training=training)

    def segment(self, pyramid: tuple[Array, ...], rois: Boxes, training: bool = False) -> Array:
        """Returns mask logits (B, R, 28, 28, K) of regions of interest (B, R, 4)."""
        return self.mask_head(self._crop(pyramid, rois, MASK_CROP), training=training)

    def detect(self, pyramid: tuple[Array, ...], rois: Boxes, training: bool = False) -> Detections:
        """Returns the objects among regions of interest (B, R, 4)."""
        logits, deltas = self.classify(pyramid, rois, training)
        deltas = deltas * ops.array(DELTA_STD, dtype="float32")
        return select_detections(
            rois,
            ops.softmax(logits, axis=-1),
            deltas,
            self.num_detections,
            self.min_confidence,
            self.detection_nms_iou,
        )

    def outline(self, pyramid: tuple[Array, ...], detections: Detections, training: bool = False) -> Array:
        """Returns the mask (B, D, 28, 28) of each detection's own class, probabilities in its box."""
        logits = self.segment(pyramid, detections.boxes, training)
        one_hot = ops.one_hot(detections.class_ids, self.class_count, dtype=logits.dtype)
        return ops.sigmoid(ops.sum(logits * one_hot[:, :, None, None, :], axis=-1))

    def _crop(self, pyramid: tuple[Array, ...], rois: Boxes, size: tuple[int, int]) -> Array:
        return roi_align(pyramid[:4], rois, size, self.image_shape, self.canonical_roi_size)


def build_mask_rcnn(**arguments: Any) -> MaskRCNN:
    """Returns a `MaskRCNN` with all its weights made; it takes the same arguments.

    The first call is symbolic: an eager one would compile the network once more.
    """
    model = MaskRCNN(**arguments)
    model(keras.Input((*model.image_shape, 3), dtype="uint8"))
    return model
