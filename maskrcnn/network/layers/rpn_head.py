"""The head of the region proposal network: the objectness and the delta of every anchor."""

from typing import Any

import keras
from jaxtyping import Float
from keras import layers

from maskrcnn.project.notation import Array


class RPNHead(layers.Layer):
    """A 3x3 convolution and two linear outputs, the same for every level of the pyramid.

    Args:
        channels: Depth of the shared 3x3 convolution.
        anchors_per_cell: Anchors of every pixel of a feature map.
    Source:
        Faster R-CNN (arXiv:1506.01497), section 3.1.
    """

    def __init__(self, channels: int, anchors_per_cell: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels, self.anchors_per_cell = channels, anchors_per_cell
        self.shared = layers.Conv2D(channels, 3, padding="same", activation="relu", name="shared")
        self.logits = layers.Conv2D(2 * anchors_per_cell, 1, name="logits")
        self.deltas = layers.Conv2D(4 * anchors_per_cell, 1, name="deltas")

    def call(self, pyramid: tuple[Float[Array, "B _ _ C"], ...]) -> tuple[Float[Array, "B A 2"], Float[Array, "B A 4"]]:
        """Returns logits of background and object, and deltas, level by level."""
        shared = [self.shared(p) for p in pyramid]
        logits = [_flatten(self.logits(s), 2) for s in shared]
        deltas = [_flatten(self.deltas(s), 4) for s in shared]
        return keras.ops.concatenate(logits, axis=1), keras.ops.concatenate(deltas, axis=1)

    def get_config(self) -> dict[str, Any]:
        sizes = {"channels": self.channels, "anchors_per_cell": self.anchors_per_cell}
        return {**super().get_config(), **sizes}


def _flatten(x: Float[Array, "B h w _"], depth: int) -> Float[Array, "B _ {depth}"]:
    """Reshapes a map (B, h, w, n * depth) to (B, h * w * n, depth): row by row, and in each cell its n anchors."""
    _, h, w, channels = x.shape
    return keras.ops.reshape(x, (-1, h * w * channels // depth, depth))
