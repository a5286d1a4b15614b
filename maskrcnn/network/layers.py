"""The layers with weights: backbone, feature pyramid and the three heads. None of them sees the truth.

The backbone is the ResNet of Keras and Matterport: convolutions with bias, the stride on the first 1x1 convolution of a
block, batch norm with epsilon 1e-3. What the heads return is float32 under any dtype policy: softmax, losses and the
decoding of boxes need it.
"""

from math import prod
from typing import Any

import keras
from jaxtyping import Float
from keras import layers

from maskrcnn.network.devices import computes_parts
from maskrcnn.network.initializers import GlorotUniform
from maskrcnn.network.recomputation import recompute
from maskrcnn.project.notation import Array

Shape = tuple[int | None, ...]

BLOCK_COUNTS = {
    "resnet14": (1, 1, 1, 1),
    "resnet26": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
EXPANSION = 4
BATCH_NORM_EPSILON = 1e-3
MOVING = ("moving_mean", "moving_variance")  # the variables that a live batch norm assigns


def batch_norm(name: str) -> layers.BatchNormalization:
    """Returns a batch norm whose statistics are those of the whole batch, on however many devices its parts lie."""
    return layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, synchronized=computes_parts(), name=name)


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
        self.conv = layers.Conv2D(
            filters, kernel_size, strides, padding, kernel_initializer=GlorotUniform(), name="conv"
        )
        self.norm = batch_norm("norm")

    def build(self, input_shape: Shape) -> None:
        self.conv.build(input_shape)
        self.norm.build((*input_shape[:-1], self.conv.filters))

    def call(self, x: Float[Array, "B _ _ _"], training: bool = False) -> Float[Array, "B _ _ _"]:
        """Returns the normalised convolution; frozen statistics are folded into the kernel."""
        if training:
            return self.norm(self.conv(x), training=True)
        scale = self.norm.gamma * keras.ops.rsqrt(self.norm.moving_variance + self.norm.epsilon)
        shift = self.norm.beta + (self.conv.bias - self.norm.moving_mean) * scale
        # Batch norm is float32 under any policy; a float32 kernel would make the convolution float32 too.
        kernel, shift = (keras.ops.cast(values, x.dtype) for values in (self.conv.kernel * scale, shift))
        return keras.ops.conv(x, kernel, self.conv.strides, self.conv.padding) + shift


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
        self.filters = filters

    def build(self, input_shape: Shape) -> None:
        inner_shape = (*input_shape[:-1], self.filters)
        self.reduce.build(input_shape)
        self.spatial.build(inner_shape)
        self.expand.build(inner_shape)
        if self.shortcut is not None:
            self.shortcut.build(input_shape)

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
        remat: Whether the backward pass computes the activations inside a block again, which saves their memory.
    Source:
        Deep Residual Learning (arXiv:1512.03385), table 1.
    """

    def __init__(self, block_counts: tuple[int, ...], width: int = 64, remat: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.block_counts, self.width, self.remat = tuple(block_counts), width, remat
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
        self.channels = tuple(EXPANSION * width * 2**index for index in range(len(self.block_counts)))  # of C2 to C5

    def build(self, input_shape: Shape) -> None:
        self.stem.build(input_shape)
        depth = self.width
        for stage, channels in zip(self.stages, self.channels, strict=True):
            for block in stage:
                block.build((None, None, None, depth))
                depth = channels

    def call(self, images: Float[Array, "B H W 3"], training: bool = False) -> tuple[Float[Array, "B _ _ _"], ...]:
        """Returns (C2, C3, C4, C5) of images from which the channel means are subtracted."""
        x = keras.ops.pad(images, [[0, 0], [3, 3], [3, 3], [0, 0]])
        x = keras.ops.relu(self.stem(x, training=training))
        x = keras.ops.max_pool(x, 3, 2, padding="same")
        features = []
        for stage in self.stages:
            for block in stage:
                x = self._call_block(block, x, training)
            features.append(x)
        return tuple(features)

    def _call_block(self, block: Bottleneck, x: Float[Array, "B _ _ _"], training: bool) -> Float[Array, "B _ _ _"]:
        def call(x: Array) -> Array:
            return block(x, training=training)

        if not (self.remat and block.built):
            return call(x)
        state = [variable for variable in block.variables if training and variable.name in MOVING]
        weights = [variable for variable in block.variables if not (training and variable.name in MOVING)]
        return recompute(call, weights, state, x)

    def get_config(self) -> dict[str, Any]:
        sizes = {"block_counts": self.block_counts, "width": self.width}
        return {**super().get_config(), **sizes, "remat": self.remat}


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
        self.laterals = [
            layers.Conv2D(channels, 1, kernel_initializer=GlorotUniform(), name=f"lateral{level}")
            for level in (2, 3, 4, 5)
        ]
        self.smoothings = [
            layers.Conv2D(channels, 3, padding="same", kernel_initializer=GlorotUniform(), name=f"smoothing{level}")
            for level in (2, 3, 4, 5)
        ]

    def build(self, input_shape: tuple[Shape, ...]) -> None:
        for lateral, smoothing, shape in zip(self.laterals, self.smoothings, input_shape, strict=True):
            lateral.build(shape)
            smoothing.build((None, None, None, self.channels))

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
        self.shared = layers.Conv2D(
            channels, 3, padding="same", activation="relu", kernel_initializer=GlorotUniform(), name="shared"
        )
        self.logits = layers.Conv2D(2 * anchors_per_cell, 1, kernel_initializer=GlorotUniform(), name="logits")
        self.deltas = layers.Conv2D(4 * anchors_per_cell, 1, kernel_initializer=GlorotUniform(), name="deltas")

    def build(self, input_shape: tuple[Shape, ...]) -> None:
        self.shared.build(input_shape[0])
        for output in (self.logits, self.deltas):
            output.build((None, None, None, self.channels))

    def call(self, pyramid: tuple[Float[Array, "B _ _ C"], ...]) -> tuple[Float[Array, "B A 2"], Float[Array, "B A 4"]]:
        """Returns logits of background and object, and deltas, level by level."""
        shared = [self.shared(p) for p in pyramid]
        logits = [_flatten(self.logits(s), 2) for s in shared]
        deltas = [_flatten(self.deltas(s), 4) for s in shared]
        return _to_float32(keras.ops.concatenate(logits, axis=1)), _to_float32(keras.ops.concatenate(deltas, axis=1))

    def get_config(self) -> dict[str, Any]:
        sizes = {"channels": self.channels, "anchors_per_cell": self.anchors_per_cell}
        return {**super().get_config(), **sizes}


def _flatten(x: Float[Array, "B h w _"], depth: int) -> Float[Array, "B _ {depth}"]:
    """Reshapes a map (B, h, w, n * depth) to (B, h * w * n, depth): row by row, and in each cell its n anchors."""
    _, h, w, channels = x.shape
    return keras.ops.reshape(x, (-1, h * w * channels // depth, depth))


def _to_float32(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return keras.ops.cast(x, "float32")


class BoxHead(layers.Layer):
    """Two fully connected layers and two linear outputs.

    Args:
        class_count: Classes, background included.
        channels: Units of the fully connected layers.
    Source:
        Mask R-CNN (arXiv:1703.06870), figure 4 right, with the batch norm that Matterport added.
    """

    def __init__(self, class_count: int, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_count, self.channels = class_count, channels
        self.dense = [layers.Dense(channels, kernel_initializer=GlorotUniform(), name=f"dense{i}") for i in (1, 2)]
        self.norms = [batch_norm(f"norm{i}") for i in (1, 2)]
        self.logits = layers.Dense(class_count, kernel_initializer=GlorotUniform(), name="logits")
        self.deltas = layers.Dense(4 * class_count, kernel_initializer=GlorotUniform(), name="deltas")

    def build(self, input_shape: Shape) -> None:
        self.dense[0].build((None, prod(size for size in input_shape[2:] if size is not None)))
        self.dense[1].build((None, self.channels))
        for layer in (*self.norms, self.logits, self.deltas):
            layer.build((None, self.channels))

    def call(
        self, crops: Float[Array, "B R h w C"], training: bool = False
    ) -> tuple[Float[Array, "B R {self.class_count}"], Float[Array, "B R {self.class_count} 4"]]:
        """Returns logits and deltas of crops of 7 x 7."""
        count, *crop = crops.shape[1:]
        x = keras.ops.reshape(crops, (-1, crop[0] * crop[1] * crop[2]))
        for dense, norm in zip(self.dense, self.norms, strict=True):
            x = keras.ops.relu(norm(dense(x), training=training))
        logits = keras.ops.reshape(self.logits(x), (-1, count, self.class_count))
        deltas = keras.ops.reshape(self.deltas(x), (-1, count, self.class_count, 4))
        return _to_float32(logits), _to_float32(deltas)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_count": self.class_count, "channels": self.channels}


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
        self.logits = layers.Dense(class_count, kernel_initializer=GlorotUniform(), name="logits")

    def build(self, input_shape: Shape) -> None:
        self.convs[0].build(input_shape[1:])
        for layer in (*self.convs[1:], self.upsampling, self.logits):
            layer.build((None, None, None, self.channels))

    def call(
        self, crops: Float[Array, "B R h w C"], training: bool = False
    ) -> Float[Array, "B R {2*crops.shape[2]} {2*crops.shape[3]} {self.class_count}"]:
        """Returns mask logits, 28 x 28 of every class, of crops of 14 x 14."""
        count, h, w, depth = crops.shape[1:]
        x = keras.ops.reshape(crops, (-1, h, w, depth))
        for conv in self.convs:
            x = keras.ops.relu(conv(x, training=training))
        x = keras.ops.relu(self.upsampling(x))
        return _to_float32(keras.ops.reshape(self.logits(x), (-1, count, 2 * h, 2 * w, self.class_count)))

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

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(
            shape=(input_shape[-1], 2, 2, self.channels), initializer=GlorotUniform(), name="kernel"
        )
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
