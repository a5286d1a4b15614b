"""The head of the region proposal network: objectness and box of every anchor."""

from typing import Any

import keras
from keras import layers

from maskrcnn.project.notation import Array


class RPNHead(layers.Layer):
    """Slides one small network over every level of the pyramid.

    Args:
        channels: Depth of the shared 3x3 convolution.
        anchors_per_cell: Anchors at one place of a feature map.
    Source:
        Faster R-CNN (arXiv:1506.01497), section 3.1.
    """

    def __init__(self, channels: int, anchors_per_cell: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels, self.anchors_per_cell = channels, anchors_per_cell
        self.shared = layers.Conv2D(channels, 3, padding="same", activation="relu", name="shared")
        self.logits = layers.Conv2D(2 * anchors_per_cell, 1, name="logits")
        self.deltas = layers.Conv2D(4 * anchors_per_cell, 1, name="deltas")

    def call(self, pyramid: tuple[Array, ...]) -> tuple[Array, Array]:
        """Returns logits (B, A, 2) for background and object, and deltas (B, A, 4), level by level."""
        shared = [self.shared(p) for p in pyramid]
        logits = [_flatten(self.logits(s), 2) for s in shared]
        deltas = [_flatten(self.deltas(s), 4) for s in shared]
        return keras.ops.concatenate(logits, axis=1), keras.ops.concatenate(deltas, axis=1)

    def get_config(self) -> dict[str, Any]:
        sizes = {"channels": self.channels, "anchors_per_cell": self.anchors_per_cell}
        return {**super().get_config(), **sizes}


def _flatten(x: Array, depth: int) -> Array:
    """Lists a map (B, h, w, n * depth) as (B, h * w * n, depth): rows, columns, then the anchors of a cell."""
    _, h, w, channels = x.shape
    return keras.ops.reshape(x, (-1, h * w * channels // depth, depth))
