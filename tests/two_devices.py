"""A process that sees two devices: `python -m tests.two_devices TASK ARGUMENTS`; see test_two_devices.py."""

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np

from maskrcnn.inference import detect_batch
from maskrcnn.learning.fit import Progress, train
from maskrcnn.learning.loss_model import LossModel
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.learning.recipe import RANDOM, Recipe
from maskrcnn.network.devices import mean_over_devices, share_images, spread
from maskrcnn.project.config import Hyperparameters, Model, Sampling, Schedule, Variant
from tests.learning.scenes import Given
from tests.tiny import SHAPE, draw_scene, make_batch, make_network, read

SPLIT = "split"
STEP = Hyperparameters("sgd", 1.0, 0.9, weight_decay=0.1)
RECIPE = Recipe(
    images="data/processed",
    image_shape=SHAPE,
    instance_cap=4,
    model=Model("resnet14", 8, 16, 24, 32, 8, (8.0, 16.0, 32.0, 48.0, 64.0), 24.0, 400),
    sampling=Sampling(num_proposals=100, num_anchors=64, num_rois=24, positive_fraction=0.33),
    variant=Variant(RANDOM, "all", augment={"flip": 0.5}),
    schedule=Schedule(seed=1, batch_size=2, epochs=3, steps=2, validation_steps=1),
    optimizer="adam",
    hyperparameters=Hyperparameters("adam", 1e-3, 0.9, 1e-3),
    training=SPLIT,
    validation=SPLIT,
)


def uneven_batch() -> dict[str, np.ndarray]:
    """Returns four images: the second half, a device's part, has one object and an image without any."""
    batch = make_batch([1, 2, 3, 4], instance_cap=4)
    for key in ("boxes", "class_ids", "mini_masks"):
        batch[key][2, 1:] = batch[key][3] = 0
    return batch


def step(live_batch_norm: bool, devices: int) -> dict[str, np.ndarray]:
    """Returns what one training step on some devices leaves, by name.

    `seen/...`: where the images were; `figures/...`: the losses of training and validation; `slots/...`: minus the
    clipped gradient, which the first step keeps as momentum; `variables/...`: the network's.
    """
    with spread(devices):
        network = make_network()
        loss_model = LossModel(network, live_batch_norm=live_batch_norm, num_rois=24)
        loss_model.compile(make_optimizer(STEP.optimizer))
        loss_model.optimizer.build(loss_model.trainable_variables)
    set_hyperparameters(loss_model.optimizer, STEP)
    loss_model.weight_decay.assign(STEP.weight_decay)
    seen = watch(loss_model)
    batches = Given(uneven_batch())
    history = loss_model.fit(batches, validation_data=batches, verbose=0, shuffle=False).history
    trained = loss_model.trainable_variables
    return {
        "seen/images": np.array(sorted(seen)),
        **{f"figures/{name}": np.array(figures) for name, figures in history.items()},
        **{f"slots/{v.path}": slot for v, slot in zip(trained, read(loss_model.optimizer.momentums), strict=True)},
        **{f"variables/{v.path}": value for v, value in zip(network.variables, read(network.variables), strict=True)},
    }


def watch(loss_model: LossModel) -> set[int]:
    """Returns a set that will hold, of every device that a training step runs on, the first image it has."""
    seen: set[int] = set()
    if keras.backend.backend() == "jax":
        loss_model.make_train_function()
        run = loss_model.train_function

        def look(state: Any, batches: Any) -> Any:
            batch = next(batches)
            images = keras.ops.convert_to_tensor(batch[0]["images"])
            seen.update(shard.index[0].start or 0 for shard in images.addressable_shards)
            return run(state, iter([batch]))

        loss_model.train_function = look
    else:
        import tensorflow as tf

        count, call = loss_model.distribute_strategy.num_replicas_in_sync, loss_model.call
        part = len(uneven_batch()["images"]) // count

        def look_and_call(batch: Any, training: bool = False) -> Any:
            if training:
                seen.add(part * tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))
            return call(batch, training=training)

        loss_model.call = look_and_call  # type: ignore[method-assign]
    return seen


def compare(folder: str, live_batch_norm: str) -> None:
    """Writes what a step leaves on one device and on two; `live_batch_norm` is 0 or 1."""
    for devices in (1, 2):
        np.savez(Path(folder) / f"{devices}.npz", allow_pickle=False, **step(live_batch_norm == "1", devices))


def find(folder: str) -> None:
    """Writes what is found in four images on one device and on two, and in one image, which two cannot share."""
    images = np.stack([draw_scene(seed)[0] for seed in range(4)])
    for devices in (1, 2):
        with spread(devices):
            network = make_network()
        assert (share_images(network, images) is images) == (devices == 1)
        found = [detect_batch(network, some, min_confidence=0.0, max_count=5) for some in (images, images[:1])]
        names = ("boxes_px", "class_ids", "scores", "proposals_px")
        joined = {name: np.concatenate([getattr(objects, name) for objects in chain(*found)]) for name in names}
        np.savez(Path(folder) / f"{devices}.npz", allow_pickle=False, **joined)


def average() -> None:
    """Computes means of arrays of two sizes, each on the devices of a `spread` of its own."""
    import tensorflow as tf

    def compute(size: int) -> Any:
        return mean_over_devices(tf.ones(size))

    for size in (3, 5):
        with spread(2):
            strategy = tf.distribute.get_strategy()
            means = strategy.run(tf.function(partial(compute, size)))
        assert [mean.numpy().tolist() for mean in strategy.experimental_local_results(means)] == [[1.0] * size] * 2


class Killed(Progress):
    """Ends the process within its second epoch, as `kill -9` does."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if len(self.rows) == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def learn(inputs: str, root: str, kill: str = "") -> None:
    """Trains on all devices, and is killed if `kill` is given."""
    if kill:
        from maskrcnn.learning import fit

        fit.Progress = Killed  # type: ignore[misc]
    train(RECIPE, inputs=Path(inputs), root=Path(root), stage="train", name="small")


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    if keras.backend.backend() == "tensorflow" and os.environ.get("DEVICES") == "2":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tasks: dict[str, Callable[..., None]] = {"average": average, "compare": compare, "find": find, "learn": learn}
    tasks[task](*arguments)
