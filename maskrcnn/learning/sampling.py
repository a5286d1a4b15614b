"""A random minibatch of anchors or proposals, with static shapes.

S is the number of its slots, filled or not.
"""

import keras
from jaxtyping import Bool, Float, Int, Shaped
from keras import ops

from maskrcnn.project.notation import Array


def sample_labels(
    labels: Int[Array, "B N"],
    positive_slots: int,
    negative_slots: int,
    negative_counts: Int[Array, "B"] | None,
    seed: keras.random.SeedGenerator,
) -> tuple[Int[Array, "B S"], Bool[Array, "B S"]]:
    """Draws positives and negatives without replacement.

    Args:
        labels: 1 positive, -1 negative, 0 never drawn.
        positive_slots: Most positives drawn of an image.
        negative_slots: Most negatives drawn of an image.
        negative_counts: Negatives wanted of each image; None: `negative_slots` minus the positives drawn.
        seed: Source of randomness.
    Returns:
        Indices of the drawn, in `positive_slots` slots for positives and `negative_slots` slots for negatives
        after them; and whether each slot is filled. The index of an empty slot has no meaning.
    """
    keys = keras.random.uniform(ops.shape(labels), seed=seed)
    positives, is_positive = _draw(keys, labels > 0, positive_slots)
    negatives, is_negative = _draw(keys, labels < 0, negative_slots)
    if negative_counts is None:
        negative_counts = negative_slots - ops.sum(ops.cast(is_positive, "int32"), axis=1)
    rank = ops.arange(negative_slots, dtype="int32")
    is_negative = is_negative & (ops.expand_dims(rank, 0) < ops.expand_dims(negative_counts, 1))
    indices = ops.concatenate([positives, negatives], axis=1)
    return indices, ops.concatenate([is_positive, is_negative], axis=1)


def take_rows(values: Shaped[Array, "B N *rest"], indices: Int[Array, "B S"]) -> Shaped[Array, "B S *rest"]:
    """Takes rows of each image's values by their indices."""
    count, rest = values.shape[1], values.shape[2:]
    indices = ops.cast(indices, "int32")
    starts = count * ops.arange(ops.shape(indices)[0], dtype="int32")
    return ops.take(ops.reshape(values, (-1, *rest)), indices + starts[:, None], axis=0)


def _draw(
    keys: Float[Array, "B N"], allowed: Bool[Array, "B N"], slots: int
) -> tuple[Int[Array, "B S"], Bool[Array, "B S"]]:
    """Returns the indices of the `slots` largest keys among the allowed, and which slots are filled."""
    drawn = min(slots, keys.shape[1])
    values, indices = ops.top_k(ops.where(allowed, keys, -1.0), drawn)
    padding = ((0, 0), (0, slots - drawn))
    return ops.pad(indices, padding), ops.pad(values >= 0, padding)
