"""The table "Matterport's tensor -> our variable"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from maskrcnn.network import PARTS

if TYPE_CHECKING:  # importing Keras takes seconds
    from maskrcnn.network.layers import ConvNorm
    from maskrcnn.network.model import MaskRCNN

BRANCHES = {"reduce": "branch2a", "spatial": "branch2b", "expand": "branch2c", "shortcut": "branch1"}
BLOCK_LETTERS = "abcdefghijklmnopqrstuvwxyz"
CLASS_DEPTHS = {"mrcnn_class_logits": 1, "mrcnn_bbox_fc": 4, "mrcnn_mask": 1}


@dataclass(frozen=True)
class Entry:
    """One row of the table: where a tensor lies in their file and which variable of ours holds it.

    Args:
        part: One of `PARTS`, or a residual block without projection shortcut, such as `4b`.
        group: Their layer group, `rpn_model` for all of the RPN.
        layer: Their layer.
        tensor: `kernel`, `bias`, `gamma`, `beta`, `moving_mean` or `moving_variance`.
        variable: Our Keras variable.
        their_shape: The tensor's shape in their file.
        transposed: Whether the kernel is that of a transposed convolution, which they keep as
            (height, width, out, in) and we as (in, height, width, out).
        epsilon: What our batch norm adds to the variance; None in other layers.
    """

    part: str
    group: str
    layer: str
    tensor: str
    variable: Any
    their_shape: tuple[int, ...]
    transposed: bool = False
    epsilon: float | None = None

    @property
    def path(self) -> str:
        """Where the tensor lies in their file."""
        return f"{self.group}/{self.layer}/{self.tensor}:0"

    @property
    def variance_path(self) -> str:
        """Where the variance of the same batch norm lies."""
        return f"{self.group}/{self.layer}/moving_variance:0"

    @property
    def class_depth(self) -> int:
        """Numbers that the last axis holds for each class; 0 where it does not count classes."""
        return CLASS_DEPTHS.get(self.layer, 0)

    def shape_for(self, class_count: int) -> tuple[int, ...] | None:
        """Returns their shape in a network of as many classes; None where it does not depend on them."""
        return (*self.their_shape[:-1], class_count * self.class_depth) if self.class_depth else None

    @property
    def is_backbone(self) -> bool:
        """Whether the tensor is the stem's or a residual block's."""
        return self.part not in PARTS[1:]

    @property
    def silences_block(self) -> bool:
        """Whether it is gamma or beta of the block's last batch norm; zeroing both makes the block an identity."""
        return self.layer.endswith(BRANCHES["expand"]) and self.tensor in ("gamma", "beta")

    def to_ours(self, values: np.ndarray) -> np.ndarray:
        """Returns their tensor in the shape of our variable."""
        values = np.transpose(values, (3, 0, 1, 2)) if self.transposed else values
        return values.reshape(self.variable.shape).astype(np.float32)

    def to_theirs(self, values: np.ndarray) -> np.ndarray:
        """Returns our variable's values in their shape; the inverse of `to_ours`."""
        values = np.transpose(values, (1, 2, 3, 0)) if self.transposed else values
        return values.reshape(self.their_shape)


def table(network: MaskRCNN) -> Iterator[Entry]:
    """Yields every variable of the network beside its place in Matterport's files."""
    yield from _backbone(network)
    yield from _pyramid(network)
    yield from _rpn(network)
    yield from _box_head(network)
    yield from _mask_head(network)


def _backbone(network: MaskRCNN) -> Iterator[Entry]:
    yield from _conv_norm("backbone", network.backbone.stem, "conv1", "bn_conv1")
    for stage, blocks in enumerate(network.backbone.stages, start=2):
        for block, letter in zip(blocks, BLOCK_LETTERS, strict=False):
            part = "backbone" if block.shortcut is not None else f"{stage}{letter}"
            for name, branch in BRANCHES.items():
                layer = getattr(block, name)
                if layer is not None:
                    theirs = f"{stage}{letter}_{branch}"
                    yield from _conv_norm(part, layer, f"res{theirs}", f"bn{theirs}")


def _pyramid(network: MaskRCNN) -> Iterator[Entry]:
    for level, (lateral, smoothing) in enumerate(
        zip(network.fpn.laterals, network.fpn.smoothings, strict=True), start=2
    ):
        yield from _weights("fpn", lateral, f"fpn_c{level}p{level}")
        yield from _weights("fpn", smoothing, f"fpn_p{level}")


def _rpn(network: MaskRCNN) -> Iterator[Entry]:
    head = network.rpn_head
    for layer, theirs in (
        (head.shared, "rpn_conv_shared"),
        (head.logits, "rpn_class_raw"),
        (head.deltas, "rpn_bbox_pred"),
    ):
        yield from _weights("rpn_head", layer, theirs, group="rpn_model")


def _box_head(network: MaskRCNN) -> Iterator[Entry]:
    head = network.box_head
    for i, (dense, norm) in enumerate(zip(head.dense, head.norms, strict=True), start=1):
        inputs, outputs = dense.kernel.shape
        side = 7 if i == 1 else 1  # they convolve where we multiply
        shape = (side, side, inputs // side**2, outputs)
        yield from _weights("box_head", dense, f"mrcnn_class_conv{i}", shape=shape)
        yield from _weights("box_head", norm, f"mrcnn_class_bn{i}")
    yield from _weights("box_head", head.logits, "mrcnn_class_logits")
    yield from _weights("box_head", head.deltas, "mrcnn_bbox_fc")


def _mask_head(network: MaskRCNN) -> Iterator[Entry]:
    head = network.mask_head
    for i, conv in enumerate(head.convs, start=1):
        yield from _conv_norm("mask_head", conv, f"mrcnn_mask_conv{i}", f"mrcnn_mask_bn{i}")
    inputs, h, w, outputs = head.upsampling.kernel.shape
    shape = (h, w, outputs, inputs)
    yield from _weights("mask_head", head.upsampling, "mrcnn_mask_deconv", shape=shape, transposed=True)
    yield from _weights("mask_head", head.logits, "mrcnn_mask", shape=(1, 1, *head.logits.kernel.shape))


def _conv_norm(part: str, layer: ConvNorm, conv: str, norm: str) -> Iterator[Entry]:
    yield from _weights(part, layer.conv, conv)
    yield from _weights(part, layer.norm, norm)


def _weights(
    part: str,
    layer: Any,
    theirs: str,
    group: str | None = None,
    shape: tuple[int, ...] | None = None,
    transposed: bool = False,
) -> Iterator[Entry]:
    """Yields the entries of one layer; `shape` is that of their kernel where it is not ours."""
    for variable in layer.weights:
        is_kernel = variable.name == "kernel"
        yield Entry(
            part=part,
            group=group or theirs,
            layer=theirs,
            tensor=variable.name,
            variable=variable,
            their_shape=tuple(shape if is_kernel and shape else variable.shape),
            transposed=is_kernel and transposed,
            epsilon=getattr(layer, "epsilon", None),
        )
