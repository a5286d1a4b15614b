"""The mask head: for every region of interest a small mask of each class."""

from typing import Any

import keras
from jaxtyping import Float
from keras import layers

from maskrcnn.network.layers.resnet import ConvNorm
from maskrcnn.project.notation import Array


class MaskHead(layers.Layer):
    """Four 3x3 convolutions, an upsampling by two and a 1x1 convolution with one output for each class.

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

    def call(
        self, crops: Float[Array, "B R h w C"], training: bool = False
    ) -> Float[Array, "B R {2*crops.shape[2]} {2*crops.shape[3]} {self.class_count}"]:
        """Returns mask logits, 28 x 28 of every class, of crops of 14 x 14."""
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

    The stride equals the kernel's size, so outputs do not overlap and it is a matrix product at every pixel. XLA runs
    that faster on a CPU than a transposed convolution.

    Args:
        channels: Output channels.
    """

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], 2, 2, self.channels), name="kernel")
        self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")

    def call(self, x: Float[Array, "n h w C"]) -> Float[Array, "n {2*x.shape[1]} {2*x.shape[2]} {self.channels}"]:
        """Returns a map of twice the height and width."""
        _, h, w, depth = x.shape
        x = keras.ops.matmul(x, keras.ops.reshape(self.kernel, (depth, 4 * self.channels)))
        x = keras.ops.reshape(x, (-1, h, w, 2, 2, self.channels))
        x = keras.ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return keras.ops.reshape(x, (-1, 2 * h, 2 * w, self.channels)) + self.bias

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels}
