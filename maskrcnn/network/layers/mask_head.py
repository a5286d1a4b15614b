"""The mask head: one small mask a class for every region of interest."""

from typing import Any

import keras
from keras import layers

from maskrcnn.network.layers.resnet import ConvNorm
from maskrcnn.project.notation import Array


class MaskHead(layers.Layer):
    """Four 3x3 convolutions, an upsampling by two and one mask a class.

    Args:
        class_count: Classes, background included.
        channels: Depth of the convolutions.
    Source:
        Mask R-CNN (arXiv:1703.06870), figure 4 right, with the batch norm that Matterport added.
    """

    def __init__(self, class_count: int, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_count, self.channels = class_count, channels
        self.convs = [ConvNorm(channels, 3, name=f"conv{i}") for i in (1, 2, 3, 4)]
        self.upsampling = Upsampling(channels, name="upsampling")
        self.logits = layers.Dense(class_count, name="logits")

    def call(self, crops: Array, training: bool = False) -> Array:
        """Returns mask logits (B, R, 28, 28, K) of crops (B, R, 14, 14, C)."""
        count, h, w, depth = crops.shape[1:]
        x = keras.ops.reshape(crops, (-1, h, w, depth))
        for conv in self.convs:
            x = keras.ops.relu(conv(x, training=training))
        x = keras.ops.relu(self.upsampling(x))
        return keras.ops.reshape(self.logits(x), (-1, count, 2 * h, 2 * w, self.class_count))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_count": self.class_count, "channels": self.channels}


class Upsampling(layers.Layer):
    """Doubles height and width by a learned 2x2 transposed convolution of stride 2.

    Such a kernel never overlaps itself, so it is a product at every pixel; XLA runs that 28 times
    faster on a CPU than the convolution.

    Args:
        channels: Output channels.
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], 2, 2, self.channels), name="kernel")
        self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")

    def call(self, x: Array) -> Array:
        """Returns (n, 2h, 2w, channels) of x (n, h, w, C)."""
        _, h, w, depth = x.shape
        x = keras.ops.matmul(x, keras.ops.reshape(self.kernel, (depth, 4 * self.channels)))
        x = keras.ops.reshape(x, (-1, h, w, 2, 2, self.channels))
        x = keras.ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return keras.ops.reshape(x, (-1, 2 * h, 2 * w, self.channels)) + self.bias

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels}
