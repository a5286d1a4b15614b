"""The feature pyramid: its top-down pathway and lateral connections."""

from typing import Any

import keras
from jaxtyping import Float
from keras import layers

from maskrcnn.project.notation import Array


class FPN(layers.Layer):
    """Turns C2..C5 into P2..P6, maps of equal depth that carry semantic features at every stride.

    Args:
        channels: Depth of every map.
    Source:
        Feature Pyramid Networks (arXiv:1612.03144), section 3; P6 as in its footnote 2.
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.laterals = [layers.Conv2D(channels, 1, name=f"lateral{level}") for level in (2, 3, 4, 5)]
        self.smoothings = [
            layers.Conv2D(channels, 3, padding="same", name=f"smoothing{level}") for level in (2, 3, 4, 5)
        ]

    def call(self, features: tuple[Float[Array, "B _ _ _"], ...]) -> tuple[Float[Array, "B _ _ {self.channels}"], ...]:
        """Returns (P2, P3, P4, P5, P6); only the region proposal network uses P6."""
        merged = [lateral(c) for lateral, c in zip(self.laterals, features, strict=True)]
        for i in (2, 1, 0):
            merged[i] = merged[i] + _upsample(merged[i + 1])
        pyramid = [smooth(m) for smooth, m in zip(self.smoothings, merged, strict=True)]
        p6 = keras.ops.max_pool(pyramid[-1], 1, 2)
        return (*pyramid, p6)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels}


def _upsample(x: Float[Array, "B _ _ C"]) -> Float[Array, "B _ _ C"]:
    """Doubles the height and width of a feature map by repeating every pixel."""
    return keras.ops.repeat(keras.ops.repeat(x, 2, axis=1), 2, axis=2)
