"""The network with its five losses, and the layers of it that learn."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import keras
from jaxtyping import Float
from keras import ops

from maskrcnn.data.batches import raise_faults
from maskrcnn.learning import losses
from maskrcnn.learning.accumulation import sum_parts
from maskrcnn.learning.losses import LossSum, MeanLoss, mean_loss
from maskrcnn.learning.sampling import take_rows
from maskrcnn.learning.targets import RoiTargets, RpnTargets, Truth, roi_targets, rpn_targets
from maskrcnn.network.layers import MOVING
from maskrcnn.network.model import MASK_SHAPE, MaskRCNN
from maskrcnn.project.errors import InputError
from maskrcnn.project.notation import Array

LOSS_NAMES = ("rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss")
DECAY_NAME = "weight_decay_loss"
COUNTED = {"positive_anchors": "rpn_box_loss", "positive_regions": "mask_loss"}  # counts reported, by their losses
LEARNING_STAGES = {"heads": (), "5+": (5,), "4+": (4, 5), "3+": (3, 4, 5), "all": (1, 2, 3, 4, 5)}


class LossModel(keras.Model):
    """Keras model that wraps the network and returns the losses of a labelled batch.

    The loss of a step is the weighted sum of the five losses of its batch, plus the weight decay. The reported losses
    of an epoch are means over all its anchors or regions; reported are also their weighted sum and the positives.

    Args:
        network: The network that learns.
        num_proposals: Proposals that the targets are drawn from.
        num_anchors: Anchors in the RPN's minibatch.
        num_rois: Regions of interest in the heads' minibatch.
        positive_fraction: Largest share of them on objects.
        loss_weights: Weights of losses that are not 1.
        weight_decay: Weight of `decayed_size`; a variable, so that a traced step serves every value.
        live_batch_norm: Whether batch norm uses and updates batch statistics; its scale and shift
            learn either way.
        gradient_accumulation: Parts that a training batch is computed in, one after the other; it must divide the
            batch size. Losses and gradient are those of the whole batch, except that live batch norm uses the
            statistics of a part. Activations of one part are in memory at a time; the forward pass runs twice.
    Raises:
        InputError: if `loss_weights` names an unknown loss.
    Source:
        Mask R-CNN (arXiv:1703.06870), section 3.1, "Training".
    """

    def __init__(
        self,
        network: MaskRCNN,
        *,
        num_proposals: int = 2000,
        num_anchors: int = 256,
        num_rois: int = 200,
        positive_fraction: float = 0.33,
        loss_weights: Mapping[str, float | keras.Variable] | None = None,
        weight_decay: float = 0.0,
        live_batch_norm: bool = False,
        gradient_accumulation: int = 1,
    ):
        super().__init__(name="loss_model", dtype="float32")  # truth and losses, whatever the network's precision
        self.distribution = keras.distribution.distribution()  # of JAX; on TensorFlow, Keras remembers it itself
        self.network = network
        self.num_proposals, self.num_anchors, self.num_rois = num_proposals, num_anchors, num_rois
        self.positive_fraction = positive_fraction
        if unknown := sorted(set(loss_weights or {}) - set(LOSS_NAMES)):
            raise InputError(f"`loss_weights` must name losses of {', '.join(LOSS_NAMES)}; got {', '.join(unknown)}.")
        self.loss_weights = {name: 1.0 for name in LOSS_NAMES} | dict(loss_weights or {})
        self.live_batch_norm, self.gradient_accumulation = live_batch_norm, gradient_accumulation
        self.weight_decay = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(weight_decay), trainable=False, name="weight_decay"
        )
        self.means = {name: keras.metrics.Mean(name=name) for name in (*LOSS_NAMES, DECAY_NAME)}
        self.counts = {name: keras.metrics.Sum(name=name) for name in COUNTED}
        self.built = True  # nothing is left to make; Keras would find this out in another pass through the network

    def call(self, batch: Mapping[str, Array], training: bool = False) -> dict[str, MeanLoss]:
        """Returns the five losses and the weight decay of a batch of `maskrcnn.data.batches.Batches`."""
        live_batch_norm = training and self.live_batch_norm
        if training and self.gradient_accumulation > 1:
            sums = self._sum_parts(batch, live_batch_norm)
        else:
            sums = self._sum_losses(batch, live_batch_norm)
        parts = {name: mean_loss(loss) for name, loss in sums.items()}
        for name, loss in parts.items():
            self.add_loss(self.loss_weights[name] * loss.mean)
        decay = self.weight_decay * decayed_size(self.network)
        self.add_loss(decay)
        return {**parts, DECAY_NAME: MeanLoss(decay, ops.ones(()))}

    def _sum_parts(self, batch: Mapping[str, Array], live_batch_norm: bool) -> dict[str, LossSum]:
        """Returns the sums of the five losses over a batch that is computed in parts."""
        state = [v for v in self.network.variables if live_batch_norm and v.name in MOVING]
        known = {id(variable) for variable in state}
        return sum_parts(
            partial(self._sum_losses, live_batch_norm=live_batch_norm),
            {name: LossSum(ops.zeros(()), ops.zeros(())) for name in LOSS_NAMES},
            batch,
            self.gradient_accumulation,
            weights=[variable for variable in self.network.variables if id(variable) not in known],
            state=state,
        )

    def _sum_losses(self, batch: Mapping[str, Array], live_batch_norm: bool) -> dict[str, LossSum]:
        """Returns the sums of the five losses over a batch, or over a part of one."""
        truth, seeds = Truth(*(batch[key] for key in Truth._fields)), batch["seeds"]
        pyramid = self.network.extract_features(batch["images"], live_batch_norm)
        rpn_logits, rpn_deltas = self.network.rpn_head(pyramid)
        anchor_targets = rpn_targets(self.network.anchors_px, truth, self.num_anchors, seeds)
        proposals, _ = self.network.propose(rpn_logits, rpn_deltas, self.num_proposals)
        region_targets = roi_targets(
            proposals,
            truth,
            self.network.image_shape,
            self.num_rois,
            self.positive_fraction,
            MASK_SHAPE,
            seeds,
        )
        of_rpn = self._rpn_losses(rpn_logits, rpn_deltas, anchor_targets)
        return of_rpn | self._head_losses(pyramid, region_targets, live_batch_norm)

    def _rpn_losses(
        self, logits: Float[Array, "B A 2"], deltas: Float[Array, "B A 4"], targets: RpnTargets
    ) -> dict[str, LossSum]:
        positive_slots = targets.positive.shape[1]
        logits = take_rows(logits, targets.indices)
        deltas = take_rows(deltas, targets.indices[:, :positive_slots])
        return {
            "rpn_class_loss": losses.rpn_class_loss(logits, targets.labels, targets.valid),
            "rpn_box_loss": losses.rpn_box_loss(deltas, targets.deltas, targets.positive),
        }

    def _head_losses(
        self, pyramid: tuple[Float[Array, "B _ _ C"], ...], targets: RoiTargets, live_batch_norm: bool
    ) -> dict[str, LossSum]:
        positive_slots = targets.positive.shape[1]
        rois, class_ids = targets.rois[:, :positive_slots], targets.class_ids[:, :positive_slots]
        logits, deltas = self.network.classify(pyramid, targets.rois, live_batch_norm)
        mask_logits = self.network.segment(pyramid, rois, live_batch_norm)
        deltas = deltas[:, :positive_slots]
        return {
            "class_loss": losses.class_loss(logits, targets.class_ids, targets.valid),
            "box_loss": losses.box_loss(deltas, targets.deltas, class_ids, targets.positive),
            "mask_loss": losses.mask_loss(mask_logits, targets.masks, class_ids, targets.positive),
        }

    def fit(self, x: Any = None, *args: Any, validation_data: Any = None, **kwargs: Any) -> Any:
        """Trains as Keras does, on the devices that the model was built on."""
        with self._devices(), raise_faults(x, validation_data):
            return super().fit(x, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluates as Keras does, on the devices that the model was built on."""
        with self._devices(), raise_faults(x):
            return super().evaluate(x, *args, **kwargs)

    def _devices(self) -> AbstractContextManager[Any]:
        return self.distribution.scope() if self.distribution else nullcontext()

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Does nothing: the model is built. On several devices Keras would take a mean of batches, which hold bools."""

    def compute_metrics(self, x: object, y: object, y_pred: dict[str, MeanLoss], sample_weight: object = None) -> dict:
        """Adds the losses of a batch to the means, weighted by their counts."""
        for name, loss in y_pred.items():
            self.means[name].update_state(loss.mean, sample_weight=loss.count)
        for name, counted in COUNTED.items():
            self.counts[name].update_state(y_pred[counted].count)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict:
        """Returns the means, the counts, and as `loss` the weighted sum of the means with the weight decay.

        Keras' own `loss` is a mean over batches; one without a positive region would count as a perfect one.
        """
        results = super().get_metrics_result()
        weighted = (self.loss_weights[name] * results[name] for name in LOSS_NAMES)
        return results | {"loss": sum(weighted, start=results[DECAY_NAME])}


def decayed_size(network: MaskRCNN) -> Float[Array, ""]:
    """Returns the sum over all learning kernels and biases of their mean square.

    Matterport's unit: published weight decays (1e-4 to 1e-2) multiply this. Scales and shifts of batch
    norm are left out.
    """
    decayed = [w for w in network.trainable_variables if w.name in ("kernel", "bias")]
    return sum((ops.mean(ops.square(w)) for w in decayed), ops.zeros(()))


def set_learning_layers(network: MaskRCNN, group: str, frozen: Collection[str] = ()) -> None:
    """Makes exactly the layers of a group learn.

    Args:
        network: A built network.
        group: `heads` (pyramid, RPN and heads), `5+`, `4+`, `3+` (also the backbone's last stages) or `all`.
        frozen: Parts kept frozen although the group would train them: `backbone`, `fpn`, `rpn_head`, `box_head`,
            `mask_head`.
    Raises:
        InputError: if there is no such group or part.
    """
    parts = {layer.name: layer for layer in network.layers}
    if group not in LEARNING_STAGES:
        raise InputError(f"`layers` must be one of {', '.join(LEARNING_STAGES)}; got {group!r}.")
    if unknown := sorted(set(frozen) - set(parts)):
        raise InputError(f"`frozen` must name parts of {', '.join(parts)}; got {', '.join(unknown)}.")
    for name, part in parts.items():
        part.trainable = name not in frozen
    learning = () if "backbone" in frozen else LEARNING_STAGES[group]
    network.backbone.stem.trainable = 1 in learning
    for number, blocks in enumerate(network.backbone.stages, start=2):
        for block in blocks:
            block.trainable = number in learning
