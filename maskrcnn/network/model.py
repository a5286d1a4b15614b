"""Mask R-CNN on one screen: how the backbone, the pyramid and the heads are wired."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import keras
from keras import ops

from maskrcnn.network.layers.box_head import BoxHead
from maskrcnn.network.layers.fpn import FPN
from maskrcnn.network.layers.mask_head import MaskHead
from maskrcnn.network.layers.resnet import BLOCK_COUNTS, ResNet
from maskrcnn.network.layers.rpn_head import RPNHead
from maskrcnn.network.ops.anchors import make_anchors
from maskrcnn.network.ops.boxes import DELTA_STD, normalize_boxes
from maskrcnn.network.ops.detections import Detections, select_detections
from maskrcnn.network.ops.proposals import select_proposals
from maskrcnn.network.ops.roi_align import roi_align
from maskrcnn.project.notation import Array, Boxes

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
        self.anchors_px = make_anchors(self.image_shape, anchor_scales, ANCHOR_RATIOS)
        self.backbone = ResNet(BLOCK_COUNTS[backbone], backbone_width, name="backbone")
        self.fpn = FPN(fpn_channels, name="fpn")
        self.rpn_head = RPNHead(rpn_channels, len(ANCHOR_RATIOS), name="rpn_head")
        self.box_head = BoxHead(class_count, box_channels, name="box_head")
        self.mask_head = MaskHead(class_count, mask_channels, name="mask_head")

    def call(
        self,
        images: Array,
        training: bool = False,
        *,
        min_confidence: float | Array = 0.7,
        nms_iou: float = 0.3,
        max_count: int = 100,
        mask_slots: int = 8,
    ) -> dict[str, Array]:
        """Returns boxes (B, D, 4) normalised, class_ids and scores (B, D), masks (B, D, 28, 28) in [0, 1].

        Also the `proposals` (B, P, 4) that they were found among, normalised, zeros as padding.

        Args:
            images: (B, H, W, 3) RGB of 0 to 255.
            training: Whether batch norm uses the batch's own statistics.
            min_confidence: Smallest score kept.
            nms_iou: IoU above which the weaker of two objects of one class goes.
            max_count: Objects kept of an image at most.
            mask_slots: Objects that are outlined at a time; none are spent on images without.
        """
        pyramid = self.extract_features(images, training)
        logits, deltas = self.rpn_head(pyramid)
        rois, _ = self.propose(logits, deltas, self.num_proposals)
        detections = self.detect(pyramid, rois, max_count, min_confidence, nms_iou, training)
        masks = self.outline(pyramid, detections, mask_slots, training)
        return {**detections._asdict(), "masks": masks, "proposals": rois}

    def extract_features(self, images: Array, training: bool = False) -> tuple[Array, ...]:
        """Returns the pyramid (P2, P3, P4, P5, P6) of RGB images (B, H, W, 3) of 0 to 255."""
        return self.fpn(self.encode(images, training))

    def encode(self, images: Array, training: bool = False) -> tuple[Array, ...]:
        """Returns the backbone's maps (C2, C3, C4, C5) of RGB images (B, H, W, 3) of 0 to 255."""
        centered = ops.cast(images, "float32") - ops.array(CHANNEL_MEANS, dtype="float32")
        return self.backbone(centered, training=training)

    def propose(self, logits: Array, deltas: Array, num_proposals: int) -> tuple[Boxes, Array]:
        """Returns regions of interest (B, P, 4), normalised, and which are real, from the RPN's outputs."""
        scores = ops.softmax(logits, axis=-1)[..., 1]
        anchors = normalize_boxes(self.anchors_px, self.image_shape)
        deltas = deltas * ops.array(DELTA_STD, dtype="float32")
        return select_proposals(scores, deltas, anchors, self.num_candidates, num_proposals)

    def classify(self, pyramid: tuple[Array, ...], rois: Boxes, training: bool = False) -> tuple[Array, Array]:
        """Returns class logits (B, R, K) and deltas (B, R, K, 4) of regions of interest (B, R, 4)."""
        return self.box_head(self.crop(pyramid, rois, BOX_CROP), training=training)

    def segment(self, pyramid: tuple[Array, ...], rois: Boxes, training: bool = False) -> Array:
        """Returns mask logits (B, R, 28, 28, K) of regions of interest (B, R, 4)."""
        return self.mask_head(self.crop(pyramid, rois, MASK_CROP), training=training)

    def detect(
        self,
        pyramid: tuple[Array, ...],
        rois: Boxes,
        max_count: int,
        min_confidence: float | Array,
        nms_iou: float,
        training: bool = False,
    ) -> Detections:
        """Returns the objects among regions of interest (B, R, 4)."""
        logits, deltas = self.classify(pyramid, rois, training)
        deltas = deltas * ops.array(DELTA_STD, dtype="float32")
        return select_detections(rois, ops.softmax(logits, axis=-1), deltas, max_count, min_confidence, nms_iou)

    def outline(
        self, pyramid: tuple[Array, ...], detections: Detections, mask_slots: int, training: bool = False
    ) -> Array:
        """Returns the mask (B, D, 28, 28) of each detection's own class, probabilities in its box.

        The mask head is the costly one, and most slots are padding. Objects come first, so it runs on
        `mask_slots` of every image at a time, and not at all where none holds an object: those masks are 0.
        """
        count = detections.boxes.shape[1]
        if count <= mask_slots:
            return self._outline(pyramid, detections.boxes, detections.class_ids, training)

        def outline_some(slots: tuple[Boxes, Array]) -> Array:
            return ops.cond(
                ops.any(slots[1] > 0),
                lambda: self._outline(pyramid, *slots, training),
                lambda: ops.zeros((*ops.shape(slots[1]), *MASK_SHAPE)),
            )

        groups = tuple(_deal(values, mask_slots) for values in (detections.boxes, detections.class_ids))
        masks = ops.swapaxes(ops.map(outline_some, groups), 0, 1)
        return ops.reshape(masks, (-1, masks.shape[1] * mask_slots, *MASK_SHAPE))[:, :count]

    def _outline(self, pyramid: tuple[Array, ...], boxes: Boxes, class_ids: Array, training: bool) -> Array:
        logits = self.segment(pyramid, boxes, training)
        one_hot = ops.one_hot(class_ids, self.class_count, dtype=logits.dtype)
        return ops.sigmoid(ops.sum(logits * one_hot[:, :, None, None, :], axis=-1))

    def crop(self, pyramid: tuple[Array, ...], rois: Boxes, size: tuple[int, int]) -> Array:
        """Returns crops (B, R, h, w, C) of regions of interest (B, R, 4), each out of the level of its size."""
        return roi_align(pyramid[:4], rois, size, self.image_shape, self.canonical_roi_size)

    @cached_property  # which Keras does not track
    def compiled_steps(self) -> dict[Callable[..., Any], Callable[..., Any]]:
        """What `maskrcnn.inference` compiled for this network, by the function that it compiled."""
        return {}


def _deal(values: Array, size: int) -> Array:
    """Cuts the slots of (B, D, ...), padded with zeros, into groups: (D / size, B, size, ...)."""
    count, *rest = values.shape[1:]
    padding = -count % size
    values = ops.pad(values, [[0, 0], [0, padding]] + [[0, 0]] * len(rest))
    return ops.swapaxes(ops.reshape(values, (-1, (count + padding) // size, size, *rest)), 0, 1)


def build_mask_rcnn(
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
) -> MaskRCNN:
    """Makes a network with all its weights, random for now.

    Every default is Matterport's, and released weights depend on those of widths and anchors.

    Args:
        backbone: `resnet50` or `resnet101`; for small studies `resnet14` or `resnet26`, of the same kind.
        image_shape: Height and width of the images in pixels, multiples of 64.
        class_count: Classes, background included.
        backbone_width: Channels of the first convolution; all others of the backbone are multiples of it.
        fpn_channels: Channels of every map of the pyramid.
        rpn_channels: Channels of the region proposal network.
        box_channels: Units of the two fully connected layers of the box head.
        mask_channels: Channels of the mask head.
        anchor_scales: Side in pixels of a square anchor, one for each of P2 to P6.
        canonical_roi_size: Side in pixels of the region that is cropped from P4.
        num_candidates: Anchors that go into non-maximum suppression.
        num_proposals: Regions that come out of it at most, at inference.
    Raises:
        ValueError: if the backbone is not known or a side is no multiple of 64.
    """
    model = MaskRCNN(
        backbone=backbone,
        image_shape=image_shape,
        class_count=class_count,
        backbone_width=backbone_width,
        fpn_channels=fpn_channels,
        rpn_channels=rpn_channels,
        box_channels=box_channels,
        mask_channels=mask_channels,
        anchor_scales=anchor_scales,
        canonical_roi_size=canonical_roi_size,
        num_candidates=num_candidates,
        num_proposals=num_proposals,
    )
    # Symbolic: an eager first call would compile the network once more.
    model(keras.Input((*model.image_shape, 3), dtype="uint8"))
    return model
