"""A random minibatch of anchors or proposals, with static shapes."""

import keras
from keras import ops

from maskrcnn.project.notation import Array


def sample_labels(
    labels: Array,
    positive_slots: int,
    negative_slots: int,
    negative_counts: Array | None,
    seed: keras.random.SeedGenerator,
) -> tuple[Array, Array]:
    """Draws positives and negatives without replacement.

    Args:
        labels: (B, N): 1 positive, -1 negative, 0 never drawn.
        positive_slots: Most positives drawn.
        negative_slots: Most negatives drawn.
        negative_counts: (B,) negatives wanted of each image; None fills what the positives leave of
            `negative_slots`.
        seed: Source of randomness.
    Returns:
        Indices (B, positive_slots + negative_slots), positives first, and whether each slot is filled; an
        empty slot points anywhere.
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


def _draw(keys: Array, allowed: Array, slots: int) -> tuple[Array, Array]:
    """Returns the indices of the `slots` largest keys among the allowed, and which slots are filled."""
    drawn = min(slots, keys.shape[1])
    values, indices = ops.top_k(ops.where(allowed, keys, -1.0), drawn)
    padding = ((0, 0), (0, slots - drawn))
    return ops.pad(indices, padding), ops.pad(values >= 0, padding)
