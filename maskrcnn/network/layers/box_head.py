"""The box head: class and refined box of every region of interest."""

from typing import Any

import keras
from jaxtyping import Float
from keras import layers

from maskrcnn.network.layers.resnet import BATCH_NORM_EPSILON
from maskrcnn.project.notation import Array


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
        self.dense = [layers.Dense(channels, name=f"dense{i}") for i in (1, 2)]
        self.norms = [layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"norm{i}") for i in (1, 2)]
        self.logits = layers.Dense(class_count, name="logits")
        self.deltas = layers.Dense(4 * class_count, name="deltas")

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
        return logits, deltas

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "class_count": self.class_count, "channels": self.channels}
