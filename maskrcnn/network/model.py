"""Mask R-CNN: how the backbone, the pyramid, the RPN and the heads are wired, and the builder of the whole network."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from jaxtyping import Bool, Float, Float32, Int, Num, Shaped
from keras import ops
from numpy import ndarray

from maskrcnn.network.facts import PREPROCESSING, Facts
from maskrcnn.network.layers import BLOCK_COUNTS, FPN, BoxHead, MaskHead, ResNet, RPNHead
from maskrcnn.network.ops.boxes import DELTA_STD, make_anchors, normalize_boxes
from maskrcnn.network.ops.proposals import Detections, select_detections, select_proposals
from maskrcnn.network.ops.roi_align import roi_align
from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import SIDE_MULTIPLE, Array

CHANNEL_MEANS = PREPROCESSING.channel_means
ANCHOR_RATIOS = (0.5, 1.0, 2.0)

BOX_CROP, MASK_CROP = (7, 7), (14, 14)
MASK_SHAPE = (28, 28)

Images = Num[Array, "B H W 3"]
Pyramid = tuple[Float[Array, "B _ _ C"], ...]
Rois = Float[Array, "B R 4"]


class MaskRCNN(keras.Model):
    """Finds the objects in images of one size, with a box, a class and a mask of each.

    Calling it runs the whole inference. Every step is also a method, which training and inspection use.

    Args:
        backbone: Images to maps of strides 4 to 32.
        fpn: Those maps to the pyramid.
        rpn_head: Pyramid to a score and a delta of every anchor.
        box_head: Crops to classes and deltas.
        mask_head: Crops to masks.
        anchors_px: (A, 4), in the order of the RPN's outputs.
        image_shape: Height and width of the images in pixels.
        canonical_roi_size: Side in pixels of the region that is cropped from P4.
        num_candidates: Anchors that go into non-maximum suppression.
        num_proposals: Most proposals of an image that come out of it at inference.
    Source:
        Mask R-CNN (arXiv:1703.06870), with the numerics of matterport/Mask_RCNN.
    """

    def __init__(
        self,
        *,
        backbone: ResNet,
        fpn: FPN,
        rpn_head: RPNHead,
        box_head: BoxHead,
        mask_head: MaskHead,
        anchors_px: Float32[ndarray, "A 4"],
        image_shape: tuple[int, int],
        canonical_roi_size: float,
        num_candidates: int,
        num_proposals: int,
        name: str = "mask_rcnn",
    ):
        super().__init__(name=name)
        self.backbone, self.fpn = backbone, fpn
        self.rpn_head, self.box_head, self.mask_head = rpn_head, box_head, mask_head
        self.anchors_px, self.image_shape, self.class_count = anchors_px, image_shape, box_head.class_count
        self.canonical_roi_size = canonical_roi_size
        self.num_candidates, self.num_proposals = num_candidates, num_proposals
        self.facts: Facts | None = None  # classes and more, which `maskrcnn.load` fills in and `write_weights` writes
        # What `maskrcnn.inference` has compiled, by the function that it compiled
        self.compiled_steps: dict[Callable[..., Any], Callable[..., Any]] = {}

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights from the shapes alone; a symbolic pass, as Keras would make, takes seconds."""
        self.backbone.build(input_shape)
        self.fpn.build(tuple((None, None, None, channels) for channels in self.backbone.channels))
        self.rpn_head.build(((None, None, None, self.fpn.channels),))
        self.box_head.build((None, None, *BOX_CROP, self.fpn.channels))
        self.mask_head.build((None, None, *MASK_CROP, self.fpn.channels))

    def call(
        self,
        images: Images,
        *,
        min_confidence: float | Float[Array, ""] = 0.7,
        nms_iou: float = 0.3,
        max_count: int = 100,
        mask_slots: int = 8,
    ) -> dict[str, Array]:
        """Finds and outlines the objects of a batch.

        Args:
            images: RGB of 0 to 255.
            min_confidence: Smallest score kept.
            nms_iou: IoU above which the weaker of two objects of one class is removed.
            max_count: Most objects kept of an image (D).
            mask_slots: Objects of an image that the mask head outlines at a time; groups without objects are skipped.
        Returns:
            By name: `boxes` (B, D, 4) normalised, `class_ids` and `scores` (B, D), `masks` (B, D, 28, 28)
            probabilities; and the `proposals` (B, P, 4), normalised, that they were found among. Zeros are padding.
        """
        pyramid = self.extract_features(images)
        logits, deltas = self.rpn_head(pyramid)
        proposals, _ = self.propose(logits, deltas, self.num_proposals)
        detections = self.detect(pyramid, proposals, max_count, min_confidence, nms_iou)
        masks = self.outline(pyramid, detections, mask_slots)
        return {**detections._asdict(), "masks": masks, "proposals": proposals}

    def extract_features(self, images: Images, training: bool = False) -> Pyramid:
        """Returns the pyramid (P2, P3, P4, P5, P6) of RGB images of 0 to 255.

        Args:
            images: Of any size that is a multiple of 64.
            training: Whether batch norm uses and updates the statistics of the batch; so in the methods below.
        """
        return self.fpn(self.encode(images, training))

    def encode(self, images: Images, training: bool = False) -> tuple[Float[Array, "B _ _ _"], ...]:
        """Returns the backbone's maps (C2, C3, C4, C5) of RGB images of 0 to 255."""
        centered = ops.cast(images, "float32") - ops.array(CHANNEL_MEANS, dtype="float32")
        return self.backbone(centered, training=training)

    def propose(
        self, logits: Float[Array, "B A 2"], deltas: Float[Array, "B A 4"], num_proposals: int
    ) -> tuple[Float[Array, "B P 4"], Bool[Array, "B P"]]:
        """Returns the proposals, normalised, zeros as padding, and which of them are real, from the RPN's outputs."""
        scores = ops.softmax(logits, axis=-1)[..., 1]
        anchors = normalize_boxes(self.anchors_px, self.image_shape)
        deltas = deltas * ops.array(DELTA_STD, dtype="float32")
        return select_proposals(scores, deltas, anchors, self.num_candidates, num_proposals)

    def classify(
        self, pyramid: Pyramid, rois: Rois, training: bool = False
    ) -> tuple[Float[Array, "B R K"], Float[Array, "B R K 4"]]:
        """Returns class logits and deltas of regions of interest."""
        return self.box_head(self.crop(pyramid, rois, BOX_CROP), training=training)

    def segment(self, pyramid: Pyramid, rois: Rois, training: bool = False) -> Float[Array, "B R 28 28 K"]:
        """Returns mask logits of regions of interest."""
        return self.mask_head(self.crop(pyramid, rois, MASK_CROP), training=training)

    def detect(
        self, pyramid: Pyramid, rois: Rois, max_count: int, min_confidence: float | Float[Array, ""], nms_iou: float
    ) -> Detections:
        """Returns the objects among regions of interest; see `call`."""
        logits, deltas = self.classify(pyramid, rois)
        deltas = deltas * ops.array(DELTA_STD, dtype="float32")
        return select_detections(rois, ops.softmax(logits, axis=-1), deltas, max_count, min_confidence, nms_iou)

    def outline(self, pyramid: Pyramid, detections: Detections, mask_slots: int) -> Float[Array, "B D 28 28"]:
        """Returns the mask of each detection's own class: probabilities in its box.

        The mask head is the costliest part, and most slots are padding. Objects come first, so it runs on `mask_slots`
        slots of every image at a time; where no image has an object in them it does not run, and the masks are 0.
        """
        count = detections.boxes.shape[1]
        if count <= mask_slots:
            return self._outline(pyramid, detections.boxes, detections.class_ids)

        def outline_group(slots: tuple[Array, Array]) -> Array:
            return ops.cond(
                ops.any(slots[1] > 0),
                lambda: self._outline(pyramid, *slots),
                lambda: ops.zeros((*ops.shape(slots[1]), *MASK_SHAPE), "float32"),
            )

        groups = tuple(_group(values, mask_slots) for values in (detections.boxes, detections.class_ids))
        masks = ops.swapaxes(ops.map(outline_group, groups), 0, 1)
        return ops.reshape(masks, (-1, masks.shape[1] * mask_slots, *MASK_SHAPE))[:, :count]

    def _outline(self, pyramid: Pyramid, boxes: Rois, class_ids: Int[Array, "B R"]) -> Float[Array, "B R 28 28"]:
        logits = self.segment(pyramid, boxes)
        one_hot = ops.one_hot(class_ids, self.class_count, dtype=logits.dtype)
        return ops.sigmoid(ops.sum(logits * one_hot[:, :, None, None, :], axis=-1))

    def crop(self, pyramid: Pyramid, rois: Rois, size: tuple[int, int]) -> Float[Array, "B R h w C"]:
        """Returns a crop of every region of interest, from the pyramid level that suits its size."""
        return roi_align(pyramid[:4], rois, size, self.image_shape, self.canonical_roi_size)


def _group(values: Shaped[Array, "B D ..."], size: int) -> Shaped[Array, "n B {size} ..."]:
    """Splits the slots into groups; the last one is filled up with zeros."""
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
    precision: str = "float32",
    remat: bool = False,
) -> MaskRCNN:
    """Builds the network with random weights.

    The defaults are Matterport's. Released weights fit their widths and anchors only.

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
        num_proposals: Most proposals of an image that come out of it at inference.
        precision: Dtype policy of the layers, `float32` or `mixed_bfloat16`. With the latter activations are bfloat16;
            weights, boxes, probabilities and losses stay float32.
        remat: Whether training computes the backbone's activations again in the backward pass instead of keeping them:
            less memory, the same gradients, more time.
    Raises:
        InputError: if the backbone is not known, a side is no multiple of 64, or a setting of Keras does not suit the
            network.
    """
    _check_keras()
    if backbone not in BLOCK_COUNTS:
        raise InputError(f"`backbone` must be one of {', '.join(BLOCK_COUNTS)}; got {backbone!r}.")
    if any(side <= 0 or side % SIDE_MULTIPLE for side in image_shape):
        raise InputError(f"`image_shape` must hold multiples of {SIDE_MULTIPLE}; got {tuple(image_shape)}.")
    height, width = image_shape
    with _dtype_policy(precision):
        parts: dict[str, Any] = {
            "backbone": ResNet(BLOCK_COUNTS[backbone], backbone_width, remat, name="backbone"),
            "fpn": FPN(fpn_channels, name="fpn"),
            "rpn_head": RPNHead(rpn_channels, len(ANCHOR_RATIOS), name="rpn_head"),
            "box_head": BoxHead(class_count, box_channels, name="box_head"),
            "mask_head": MaskHead(class_count, mask_channels, name="mask_head"),
        }
    with _dtype_policy("float32"):
        network = MaskRCNN(
            **parts,
            anchors_px=make_anchors(image_shape, anchor_scales, ANCHOR_RATIOS),
            image_shape=(height, width),
            canonical_roi_size=canonical_roi_size,
            num_candidates=num_candidates,
            num_proposals=num_proposals,
        )
    network.build((None, height, width, 3))
    return network


def _check_keras() -> None:
    """Refuses settings of Keras that would fail, or change results, deep within; those of the pipeline are right."""
    rules = {
        "backend": (("tensorflow", "jax"), "set the variable KERAS_BACKEND"),
        "floatx": (("float32",), "call `keras.config.set_floatx`"),
        "image_data_format": (("channels_last",), "call `keras.config.set_image_data_format`"),
    }
    for name, (allowed, fix) in rules.items():
        if (value := getattr(keras.config, name)()) not in allowed:
            raise InputError(f"`keras.config.{name}()` must be {' or '.join(allowed)}; got {value}, {fix}.")


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Gives layers that are made inside a dtype policy, whatever Keras' configuration says."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
