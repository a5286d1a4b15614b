"""Learning: the network with its five losses, the layers that learn, the optimizer and the fit."""

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from keras import ops

from maskrcnn.config import Sampling, Schedule
from maskrcnn.data.batches import Batches
from maskrcnn.files import write_text
from maskrcnn.learning import losses
from maskrcnn.learning.targets import RoiTargets, RpnTargets, Truth, roi_targets, rpn_targets, take_rows
from maskrcnn.model import MASK_SHAPE, MaskRCNN
from maskrcnn.notation import Array
from maskrcnn.weights import write_weights

LOSS_NAMES = ("rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss")
LEARNING_STAGES = {"heads": (), "5+": (5,), "4+": (4, 5), "3+": (3, 4, 5), "all": (1, 2, 3, 4, 5)}
CLIP_NORM = 5.0


class Trainee(keras.Model):
    """A network that knows the truth: calling it on a batch returns the five losses.

    Args:
        network: What learns.
        num_proposals: Proposals that the targets are drawn from.
        num_anchors: Anchors in the RPN's minibatch.
        num_rois: Regions of interest in the heads' minibatch.
        positive_fraction: Largest share of them on objects.
        loss_weights: Weight of each of the five losses.
        weight_decay: Weight of `decayed_size`.
        live_batch_norm: Whether batch norm uses and updates batch statistics; its scale and shift
            learn either way.
        seed: Seed of the minibatches.
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
        super().__init__(name="trainee")
        self.network = network
        self.num_proposals, self.num_anchors, self.num_rois = num_proposals, num_anchors, num_rois
        self.positive_fraction = positive_fraction
        self.loss_weights = {name: 1.0 for name in LOSS_NAMES} | dict(loss_weights or {})
        self.weight_decay, self.live_batch_norm = weight_decay, live_batch_norm
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in LOSS_NAMES}

    def call(self, batch: Mapping[str, Array], training: bool = False) -> dict[str, Array]:
        """Returns the five losses of a batch of `images` and its padded truth."""
        batch_norm = training and self.live_batch_norm
        truth = Truth(batch["boxes"], batch["class_ids"], batch["is_crowd"], batch["mini_masks"])
        pyramid = self.network.extract_features(batch["images"], batch_norm)
        rpn_logits, rpn_deltas = self.network.rpn_head(pyramid)
        anchors = rpn_targets(self.network.anchors_px, truth, self.num_anchors, self.seed_generator)
        proposals, _ = self.network.propose(rpn_logits, rpn_deltas, self.num_proposals)
        regions = roi_targets(
            proposals,
            truth,
            self.network.image_shape,
            self.num_rois,
            self.positive_fraction,
            MASK_SHAPE,
            self.seed_generator,
        )
        parts = self._rpn_losses(rpn_logits, rpn_deltas, anchors)
        parts |= self._head_losses(pyramid, regions, batch_norm)
        for name, value in parts.items():
            self.add_loss(self.loss_weights[name] * value)
        if self.weight_decay:
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

    def compute_metrics(self, x: object, y: object, y_pred: dict, sample_weight: object = None) -> dict:
        """Tracks the mean of each loss; `loss` itself is Keras' own."""
        for name, value in y_pred.items():
            self.trackers[name].update_state(value)
        return self.get_metrics_result()


def decayed_size(network: MaskRCNN) -> Array:
    """Returns the sum over all learning kernels and biases of their mean square.

    Matterport's unit: published weight decays (1e-4 to 1e-2) multiply this. Scales and shifts of batch
    norm are left out.
    """
    decayed = [w for w in network.trainable_variables if w.name in ("kernel", "bias")]
    return sum((ops.mean(ops.square(w)) for w in decayed), ops.zeros(()))


def set_learning_layers(network: MaskRCNN, group: str) -> None:
    """Makes exactly the layers of a group learn.

    Args:
        network: A built network.
        group: `heads` (pyramid, RPN and heads), `5+`, `4+`, `3+` (also the backbone's last stages) or `all`.
    Raises:
        ValueError: if there is no such group.
    """
    if group not in LEARNING_STAGES:
        raise ValueError(f"`layers` must be one of {', '.join(LEARNING_STAGES)}; got {group!r}.")
    learning = LEARNING_STAGES[group]
    network.backbone.stem.trainable = 1 in learning
    for number, blocks in enumerate(network.backbone.stages, start=2):
        for block in blocks:
            block.trainable = number in learning


def make_optimizer(
    name: str, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule, momentum: float
) -> keras.optimizers.Optimizer:
    """Returns SGD or Adam with gradients clipped to a global norm of 5.

    Args:
        name: `sgd` or `adam`.
        learning_rate: A rate or a schedule of rates.
        momentum: SGD's momentum, Adam's beta_1.
    Raises:
        ValueError: if the name is another.
    Source:
        Matterport `MaskRCNN.compile`; Keras calls the global norm `global_clipnorm`.
    """
    if name == "sgd":
        return keras.optimizers.SGD(learning_rate, momentum=momentum, global_clipnorm=CLIP_NORM)
    if name == "adam":
        return keras.optimizers.Adam(learning_rate, beta_1=momentum, global_clipnorm=CLIP_NORM)
    raise ValueError(f"`optimizer` must be sgd or adam; got {name!r}.")


def build_trainee(network: MaskRCNN, batches: Batches, **arguments: Any) -> Trainee:
    """Returns a `Trainee` ready for batches of this kind; the first call is symbolic, as in `build_mask_rcnn`."""
    trainee = Trainee(network, **arguments)
    (batch,) = batches[0]
    trainee({key: keras.Input(values.shape[1:], dtype=str(values.dtype)) for key, values in batch.items()})
    return trainee


def fit(
    network: MaskRCNN,
    training: Batches,
    validation: Batches,
    *,
    layers: str,
    sampling: Sampling,
    schedule: Schedule,
    history: Path,
    checkpoint: Path,
) -> dict[str, float]:
    """Trains until the validation loss stops falling and leaves the best epoch's weights in the network.

    Args:
        network: A built network.
        training: The stream to learn from.
        validation: The images to judge by.
        layers: The layers that learn, see `set_learning_layers`.
        sampling: What the losses are taken over.
        schedule: How long and how fast.
        history: CSV file that gets the losses of every epoch.
        checkpoint: Weights of the best epoch so far; a training that is stopped leaves them behind.
    Returns:
        `best_epoch`, counted from 1, `epochs` and the losses of the best one.
    Raises:
        FloatingPointError: if a loss becomes NaN or infinite; names the epoch.
    """
    set_learning_layers(network, layers)
    trainee = build_trainee(
        network,
        training,
        weight_decay=schedule.weight_decay,
        live_batch_norm=schedule.live_batch_norm,
        seed=schedule.seed,
        **asdict(sampling),
    )
    rate = schedule.learning_rate
    if schedule.cosine:
        rate = keras.optimizers.schedules.CosineDecay(rate, schedule.epochs * schedule.steps)
    trainee.compile(make_optimizer(schedule.optimizer, rate, schedule.momentum))
    trainee.optimizer.build(trainee.trainable_variables)
    log = EpochLog(history)
    callbacks = [
        keras.callbacks.TerminateOnNaN(),
        log,
        BestEpoch(network, checkpoint),
        keras.callbacks.EarlyStopping("val_loss", patience=schedule.patience, restore_best_weights=True),
    ]
    verbose = 1 if sys.stdout.isatty() else 2  # a bar for people, a line an epoch for log files
    trainee.fit(
        training,
        validation_data=validation,
        epochs=schedule.epochs,
        shuffle=False,  # the stream is shuffled already, in an order that its seed fixes
        callbacks=callbacks,
        verbose=verbose,
    )
    checkpoint.unlink()
    return log.best()


class EpochLog(keras.callbacks.Callback):
    """Keeps the losses of every epoch in a CSV file, which is whole at any time.

    Args:
        path: The file; missing folders are made.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.rows: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {key: float(value) for key, value in (logs or {}).items()}
        if not all(math.isfinite(value) for value in logs.values()):
            raise FloatingPointError(
                f"`learning_rate` must keep the loss finite; got {logs} in epoch {epoch + 1}; lower it."
            )
        self.rows.append({"epoch": epoch + 1, **logs})
        write_text(self.path, pd.DataFrame(self.rows).to_csv(index=False))

    def best(self) -> dict[str, float]:
        """Returns the number of epochs and all of the one with the lowest validation loss."""
        row = min(self.rows, key=lambda row: row["val_loss"])
        return {"best_epoch": row["epoch"], "epochs": len(self.rows)} | {
            key: value for key, value in row.items() if key != "epoch"
        }


class BestEpoch(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the lowest validation loss in a file.

    Args:
        network: Whose weights.
        path: The `.h5` file in Matterport's layout; missing folders are made.
    """

    def __init__(self, network: MaskRCNN, path: Path):
        super().__init__()
        self.network, self.path = network, path
        self.lowest = math.inf

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["val_loss"]
        if loss < self.lowest:
            self.lowest = loss
            write_weights(self.network, self.path)


def fix_randomness(seed: int) -> None:
    """Makes every random number and every sum of this process come out the same in the next."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
