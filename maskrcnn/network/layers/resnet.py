"""The backbone: a bottleneck ResNet as Matterport and Keras 2 built it.

Its convolutions have biases, the stride is that of the first 1x1 convolution of a stage, and batch norm
has epsilon 1e-3: released weights depend on all three.
"""

from typing import Any

import keras
from jaxtyping import Float
from keras import layers

from maskrcnn.project.notation import Array

BLOCK_COUNTS = {
    "resnet14": (1, 1, 1, 1),
    "resnet26": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
EXPANSION = 4
BATCH_NORM_EPSILON = 1e-3


class ConvNorm(layers.Layer):
    """A convolution followed by batch norm.

    Args:
        filters: Output channels.
        kernel_size: Side of the square kernel in pixels.
        strides: Step of the kernel in pixels.
        padding: As in `keras.layers.Conv2D`.
    """

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, padding: str = "same", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(filters, kernel_size, strides, padding, name="conv")
        self.norm = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name="norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.conv.build(input_shape)
        self.norm.build(self.conv.compute_output_shape(input_shape))

    def call(self, x: Float[Array, "B _ _ _"], training: bool = False) -> Float[Array, "B _ _ _"]:
        """Returns the normalised convolution; frozen statistics are folded into the kernel."""
        if training:
            return self.norm(self.conv(x), training=True)
        scale = self.norm.gamma * keras.ops.rsqrt(self.norm.moving_variance + self.norm.epsilon)
        shift = self.norm.beta + (self.conv.bias - self.norm.moving_mean) * scale
        return keras.ops.conv(x, self.conv.kernel * scale, self.conv.strides, self.conv.padding) + shift


class Bottleneck(layers.Layer):
    """A residual block of 1x1, 3x3 and 1x1 convolutions.

    Args:
        filters: Channels of the first two convolutions; the block returns four times as many.
        strides: Step of the first convolution.
        projects: Whether the shortcut is a 1x1 convolution, as in the first block of every stage.
    Source:
        Deep Residual Learning (arXiv:1512.03385), figure 5 right, with the stride of its first version.
    """

    def __init__(self, filters: int, strides: int, projects: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reduce = ConvNorm(filters, 1, strides, name="reduce")
        self.spatial = ConvNorm(filters, 3, name="spatial")
        self.expand = ConvNorm(EXPANSION * filters, 1, name="expand")
        self.shortcut = ConvNorm(EXPANSION * filters, 1, strides, name="shortcut") if projects else None

    def call(self, x: Float[Array, "B _ _ _"], training: bool = False) -> Float[Array, "B _ _ _"]:
        """Returns the sum of the residual branch and the shortcut."""
        y = keras.ops.relu(self.reduce(x, training=training))
        y = keras.ops.relu(self.spatial(y, training=training))
        y = self.expand(y, training=training)
        if self.shortcut is not None:
            x = self.shortcut(x, training=training)
        return keras.ops.relu(x + y)


class ResNet(layers.Layer):
    """Turns images into the feature maps C2 to C5, of strides 4 to 32.

    Args:
        block_counts: Bottleneck blocks of the stages 2 to 5.
        width: Channels of the stem; stage `s` returns `width * 2**s` channels. 64 is the published width.
    Source:
        Deep Residual Learning (arXiv:1512.03385), table 1.
    """

    def __init__(self, block_counts: tuple[int, ...], width: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.block_counts, self.width = tuple(block_counts), width
        self.stem = ConvNorm(width, 7, 2, "valid", name="stem")
        self.stages = [
            [
                Bottleneck(
                    filters=width * 2**index,
                    strides=2 if index > 0 and block == 0 else 1,
                    projects=block == 0,
                    name=f"stage{index + 2}_block{block + 1}",
                )
                for block in range(count)
            ]
            for index, count in enumerate(self.block_counts)
        ]

    def call(self, images: Float[Array, "B H W 3"], training: bool = False) -> tuple[Float[Array, "B _ _ _"], ...]:
        """Returns (C2, C3, C4, C5) of images from which the channel means are subtracted."""
        x = keras.ops.pad(images, [[0, 0], [3, 3], [3, 3], [0, 0]])
        x = keras.ops.relu(self.stem(x, training=training))
        x = keras.ops.max_pool(x, 3, 2, padding="same")
        features = []
        for stage in self.stages:
            for block in stage:
                x = block(x, training=training)
            features.append(x)
        return tuple(features)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "block_counts": self.block_counts, "width": self.width}
