"""The network with its five losses, and the layers of it that learn."""

from collections.abc import Collection, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from maskrcnn.data.batches import Batches
from maskrcnn.learning import losses
from maskrcnn.learning.targets import RoiTargets, RpnTargets, Truth, roi_targets, rpn_targets, take_rows
from maskrcnn.network.model import MASK_SHAPE, MaskRCNN
from maskrcnn.project.notation import Array

LOSS_NAMES = ("rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss")
LEARNING_STAGES = {"heads": (), "5+": (5,), "4+": (4, 5), "3+": (3, 4, 5), "all": (1, 2, 3, 4, 5)}
PARTS = ("backbone", "fpn", "rpn_head", "box_head", "mask_head")


class LossModel(keras.Model):
    """A network that knows the truth: calling it on a batch returns the five losses.

    Args:
        network: What learns.
        num_proposals: Proposals that the targets are drawn from.
        num_anchors: Anchors in the RPN's minibatch.
        num_rois: Regions of interest in the heads' minibatch.
        positive_fraction: Largest share of them on objects.
        loss_weights: Weight of each of the five losses.
        weight_decay: Weight of `decayed_size`; a variable, so that a traced step serves every value.
        live_batch_norm: Whether batch norm uses and updates batch statistics; its scale and shift
            learn either way.
        seed: Seed of the minibatches. Those of an evaluation are the same every time.
    Raises:
        ValueError: if a loss weight has another name than the losses.
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
        loss_weights: Mapping[str, float] | None = None,
        weight_decay: float = 0.0,
        live_batch_norm: bool = False,
        seed: int = 0,
    ):
        super().__init__(name="loss_model")
        self.network = network
        self.num_proposals, self.num_anchors, self.num_rois = num_proposals, num_anchors, num_rois
        self.positive_fraction = positive_fraction
        if unknown := sorted(set(loss_weights or {}) - set(LOSS_NAMES)):
            raise ValueError(f"`loss_weights` must name losses of {', '.join(LOSS_NAMES)}; got {', '.join(unknown)}.")
        self.loss_weights = {name: 1.0 for name in LOSS_NAMES} | dict(loss_weights or {})
        self.live_batch_norm = live_batch_norm
        self.weight_decay = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(weight_decay), trainable=False, name="weight_decay"
        )
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.evaluation_seed_generator = keras.random.SeedGenerator(seed)
        self.evaluation_start = np.asarray(self.evaluation_seed_generator.state)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in LOSS_NAMES}
        self.plain_trackers = {name: keras.metrics.Mean(name=f"plain_{name}") for name in LOSS_NAMES}

    def call(self, batch: Mapping[str, Array], training: bool = False) -> dict[str, Array]:
        """Returns the five losses of a batch of `images` and its padded truth."""
        batch_norm = training and self.live_batch_norm
        seed = self.seed_generator if training else self.evaluation_seed_generator
        truth = Truth(batch["boxes"], batch["class_ids"], batch["is_crowd"], batch["mini_masks"])
        pyramid = self.network.extract_features(batch["images"], batch_norm)
        rpn_logits, rpn_deltas = self.network.rpn_head(pyramid)
        anchors = rpn_targets(self.network.anchors_px, truth, self.num_anchors, seed)
        proposals, _ = self.network.propose(rpn_logits, rpn_deltas, self.num_proposals)
        regions = roi_targets(
            proposals,
            truth,
            self.network.image_shape,
            self.num_rois,
            self.positive_fraction,
            MASK_SHAPE,
            seed,
        )
        parts = self._rpn_losses(rpn_logits, rpn_deltas, anchors)
        parts |= self._head_losses(pyramid, regions, batch_norm)
        for name, value in parts.items():
            self.add_loss(self.loss_weights[name] * value)
        self.add_loss(self.weight_decay * decayed_size(self.network))
        return parts

    def _rpn_losses(self, logits: Array, deltas: Array, targets: RpnTargets) -> dict[str, Array]:
        logits = take_rows(logits, targets.indices)
        positive_slots = self.num_anchors // 2
        deltas = take_rows(deltas, targets.indices[:, :positive_slots])
        target_deltas, positive = targets.deltas[:, :positive_slots], targets.positive[:, :positive_slots]
        return {
            "rpn_class_loss": losses.rpn_class_loss(logits, targets.labels, targets.valid),
            "rpn_box_loss": losses.rpn_box_loss(deltas, target_deltas, positive),
        }

    def _head_losses(self, pyramid: tuple[Array, ...], targets: RoiTargets, batch_norm: bool) -> dict[str, Array]:
        positive_slots = targets.positive.shape[1]
        rois, class_ids = targets.rois[:, :positive_slots], targets.class_ids[:, :positive_slots]
        logits, deltas = self.network.classify(pyramid, targets.rois, batch_norm)
        mask_logits = self.network.segment(pyramid, rois, batch_norm)
        deltas = deltas[:, :positive_slots]
        return {
            "class_loss": losses.class_loss(logits, targets.class_ids, targets.valid),
            "box_loss": losses.box_loss(deltas, targets.deltas, class_ids, targets.positive),
            "mask_loss": losses.mask_loss(mask_logits, targets.masks, class_ids, targets.positive),
        }

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluates as Keras does, on minibatches that are drawn alike every time, so that epochs compare."""
        self.evaluation_seed_generator.state.assign(self.evaluation_start)
        return super().evaluate(*args, **kwargs)

    def compute_metrics(self, x: object, y: object, y_pred: dict, sample_weight: object = None) -> dict:
        """Tracks each loss over the batches that say something of it: those with positive anchors, or regions."""
        has_anchors, has_regions = y_pred["rpn_box_loss"] != 0, y_pred["mask_loss"] != 0
        telling = {"rpn_box_loss": has_anchors} | dict.fromkeys(("class_loss", "box_loss", "mask_loss"), has_regions)
        for name, value in y_pred.items():
            self.trackers[name].update_state(value, ops.cast(telling[name], value.dtype) if name in telling else None)
            self.plain_trackers[name].update_state(value)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict:
        """Returns the mean of each loss, and as `loss` their weighted sum with the weight decay.

        Keras' own `loss` counts a batch without positives as a perfect one: it would fall as objects get lost.
        """
        results = super().get_metrics_result()
        for name in LOSS_NAMES:
            results["loss"] += self.loss_weights[name] * (results[name] - results.pop(f"plain_{name}"))
        return results


def decayed_size(network: MaskRCNN) -> Array:
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
        frozen: Parts that do not learn all the same: `backbone`, `fpn`, `rpn_head`, `box_head`, `mask_head`.
    Raises:
        ValueError: if there is no such group or part.
    """
    if group not in LEARNING_STAGES:
        raise ValueError(f"`layers` must be one of {', '.join(LEARNING_STAGES)}; got {group!r}.")
    if unknown := sorted(set(frozen) - set(PARTS)):
        raise ValueError(f"`frozen` must name parts of {', '.join(PARTS)}; got {', '.join(unknown)}.")
    for part in PARTS:
        getattr(network, part).trainable = part not in frozen
    learning = () if "backbone" in frozen else LEARNING_STAGES[group]
    network.backbone.stem.trainable = 1 in learning
    for number, blocks in enumerate(network.backbone.stages, start=2):
        for block in blocks:
            block.trainable = number in learning


def build_loss_model(network: MaskRCNN, batches: Batches, **arguments: Any) -> LossModel:
    """Returns a `LossModel` ready for batches of this kind; the first call is symbolic, as in `build_mask_rcnn`."""
    loss_model = LossModel(network, **arguments)
    (batch,) = batches[0]
    loss_model({key: keras.Input(values.shape[1:], dtype=str(values.dtype)) for key, values in batch.items()})
    return loss_model
