"""A learning rate that rises linearly over the first steps of a training."""

from typing import Any

from jaxtyping import Float
from keras import ops

from maskrcnn.project.notation import Array


class WarmUp:
    """Base of optimizers of Keras, named before Keras' own: the rate of step i is `learning_rate * i / warmup_steps`.

    Steps are counted from 1; from step `warmup_steps` on the rate is `learning_rate`. With 0, the value at first, it is
    so from the beginning. The rate is computed on the device, from the optimizer's own count of its steps: the host
    need not assign it step by step, and a training that is resumed goes on where it was.

    Source:
        Accurate, Large Minibatch SGD (arXiv:1706.02677), section 2.2, "Gradual warmup", here from 0.
    """

    def __init__(self, **arguments: Any):
        super().__init__(**arguments)
        self.warmup_steps = self.add_variable((), name="warmup_steps")  # type: ignore[attr-defined]

    def _get_current_learning_rate(self) -> Float[Array, ""]:
        step = ops.cast(self.iterations, "float32") + 1  # type: ignore[attr-defined]
        share = ops.minimum(step / ops.maximum(self.warmup_steps, 1.0), 1.0)
        return super()._get_current_learning_rate() * share  # type: ignore[misc]
