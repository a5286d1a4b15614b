"""Our side of `bench/gpu.py`: ours_gpu.py NAME [--compile]; prints one JSON line."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from statistics import mean

import keras
import numpy as np
from street import CLASS_COUNT, SHAPE, SMALL, STEPS, TRUTH_SLOTS, WARM_UPS, device_alone, make_batch

from maskrcnn.data.batches import Batches
from maskrcnn.data.detections import ImageDetections
from maskrcnn.inference import detect_batch
from maskrcnn.learning.trainer import Trainer
from maskrcnn.network.model import MaskRCNN, build_mask_rcnn
from maskrcnn.project.config import Hyperparameters, Sampling

STARTED = float(os.environ["BENCH_STARTED"])  # of the process, as time.time() counts
SIDE, CHAINED = 8192, 20  # of the matrices of the ceilings, and products in a row
SMALL_NETWORK = {
    "backbone": "resnet14",
    "backbone_width": 8,
    "fpn_channels": 16,
    "rpn_channels": 16,
    "box_channels": 32,
    "mask_channels": 8,
    "num_candidates": 200,
    "num_proposals": 100,
}
COPIED = 2**30  # bytes


def main(name: str, compiles: bool) -> dict:
    """Returns one figure; with `compiles` only what its first step took."""
    if name.endswith("ceilings"):
        return measure_ceilings()
    _, work, backbone, precision, size, *extra = name.split("-")
    network = build_mask_rcnn(
        image_shape=SHAPE,
        class_count=CLASS_COUNT,
        precision=precision,
        remat="remat" in extra,
        **(SMALL_NETWORK if SMALL else {"backbone": backbone}),
    )
    batch_size, steps = int(size[1:]), 1 if compiles or work == "start" else WARM_UPS + STEPS
    if work == "inference":
        return detect(network, batch_size, steps)
    if "files" not in extra:
        return train(network, Constant(make_batch(batch_size), steps), batch_size)
    with tempfile.TemporaryDirectory() as folder:
        return train_on_files(network, batch_size, Path(folder))


class Constant(keras.utils.PyDataset):
    """The same batch again and again: what feeding costs at least.

    Args:
        batch: The batch.
        steps: Batches in an epoch.
    """

    def __init__(self, batch: dict[str, np.ndarray], steps: int):
        super().__init__()
        self.batch, self.steps, self.epoch, self.batch_size = batch, steps, 0, len(batch["images"])

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray]]:
        return (self.batch,)


class Clock(keras.callbacks.Callback):
    """Notes when the first step, the warm-up and the last step were done; between them nothing waits for the device."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps, self.times = steps, {}

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if batch in (0, WARM_UPS - 1, self.steps - 1):
            float(logs["loss"])
            self.times[batch] = time.time()

    def milliseconds(self) -> float:
        """Returns the time of a step after the warm-up."""
        return 1e3 * (self.times[self.steps - 1] - self.times[WARM_UPS - 1]) / (self.steps - WARM_UPS)


def train(network: MaskRCNN, batches: Constant | Batches, batch_size: int) -> dict:
    """Returns what a step of SGD on all layers takes, with Matterport's sampling."""
    size = 20 if SMALL else 200
    sampling = Sampling(num_proposals=10 * size, num_anchors=256, num_rois=size, positive_fraction=0.33)
    trainer = Trainer(network, batches, layers="all", optimizer="sgd", sampling=sampling)
    trainer.reset(Hyperparameters("sgd", learning_rate=1e-6, momentum=0.9, weight_decay=1e-4))
    clock = Clock(len(batches))
    with nullcontext(0.0) if len(batches) == 1 else device_alone() as waited:
        trainer.learn(batches, None, epochs=1, callbacks=[clock])
    figure = {"first_step_after_s": round(clock.times[0] - STARTED - waited, 1), "peak_gb": peak_memory()}
    if len(batches) == 1:
        return figure
    ms = clock.milliseconds()
    flops = count_flops(trainer, batches[0][0])
    return {"ms": round(ms, 2), "images_per_s": round(1e3 * batch_size / ms, 2), **figure, **flops}


def train_on_files(network: MaskRCNN, batch_size: int, folder: Path) -> dict:
    """Returns what a step takes that is fed with PNG files through `Batches`, and how busy the GPU is meanwhile.

    `share_of_constant` compares its rate with that of the first of these batches again and again, in the same process:
    other images can give the network another number of boxes to compare.
    """
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from feeder import make_photos

    steps = WARM_UPS + (3 if SMALL else 100)
    records = make_photos(folder, SHAPE)
    batches = Batches(
        records, folder, batch_size=batch_size, instance_cap=TRUTH_SLOTS, steps=steps, seed=1, augment={"flip": 0.5}
    )
    constant = train(network, Constant(batches[0][0], steps), batch_size)
    with busy_share() as shares:
        figure = train(network, batches, batch_size)
    batches.close()
    return {
        **figure,
        "first_step_after_s": constant["first_step_after_s"],
        "share_of_constant": round(constant["ms"] / figure["ms"], 3),
        "threads": batches.samples_ahead.workers,
        "gpu_busy": round(mean(shares), 3) if shares else None,
    }


class busy_share:
    """Lists the share of time that the GPU was busy in each fifth of a second, as `nvidia-smi` reports it."""

    def __enter__(self) -> list[float]:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
        self.shares: list[float] = []
        try:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        except FileNotFoundError:
            self.process = None
        return self.shares

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.terminate()
            lines = self.process.communicate()[0].split()
            self.shares += [int(line) / 100 for line in lines][-15:-3]  # the last steps, without the end


def detect(network: MaskRCNN, batch_size: int, steps: int) -> dict:
    """Returns what the detection of 100 objects in each image takes, with their masks at image size.

    `detect_ms` is without these masks, which the host makes; random weights give boxes as large as the image.
    """
    images = make_batch(batch_size)["images"]

    def find() -> list[ImageDetections]:
        return detect_batch(network, images, min_confidence=0.0)

    def find_masks() -> int:
        return sum(len(found.masks) for found in find())

    if steps == 1:
        return {"objects": find_masks()}
    with device_alone() as waited:
        found = find_masks()
        figure = {"first_step_after_s": round(time.time() - STARTED - waited, 1), "objects": found}
        detect_ms, ms = (measure(work, steps - WARM_UPS) for work in (find, find_masks))
    speeds = {"ms": round(ms, 2), "images_per_s": round(1e3 * batch_size / ms, 2), "detect_ms": round(detect_ms, 2)}
    return {**speeds, **figure, "peak_gb": peak_memory()}


def measure(work: Callable[[], object], repeats: int) -> float:
    """Returns the milliseconds of one call."""
    for _ in range(WARM_UPS):
        work()
    start = time.monotonic()
    for _ in range(repeats):
        work()
    return 1e3 * (time.monotonic() - start) / repeats


def peak_memory() -> float | None:
    """Returns the most memory that the device held, in GB; None where the backend does not count it."""
    if keras.backend.backend() == "jax":
        import jax

        return round((jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0) / 2**30, 2)
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    return round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**30, 2)


def count_flops(trainer: Trainer, batch: dict[str, np.ndarray]) -> dict[str, float]:
    """Returns the floating-point operations of a step, as XLA counts them in its program; loops count once.

    Nothing where XLA does not count them, as for GPUs in JAX 0.11.
    """
    if keras.backend.backend() != "jax":
        return {}
    import jax

    model = trainer.loss_model
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    state = tuple([variable.value for variable in group] for group in groups)
    cost = jax.jit(model.train_step).lower(state, (batch,)).cost_analysis()
    return {"tflop": round(cost["flops"] / 1e12, 3)} if cost else {}


def measure_ceilings() -> dict:
    """Returns the device's name, and what its matrix products and copies reach at most."""
    device = keras.distribution.list_devices()[0]
    if keras.backend.backend() != "jax":
        return {"device": device}
    import jax
    from jax import numpy as jnp

    if jax.default_backend() == "cpu":
        return {"device": device}

    def chain(a: jax.Array, b: jax.Array) -> jax.Array:
        for _ in range(CHAINED):
            a = a @ b
        return a

    tflops = {}
    for name, dtype in (("bfloat16", "bfloat16"), ("tf32", "float32")):
        a, b = (jax.random.normal(jax.random.key(seed), (SIDE, SIDE), dtype) / SIDE**0.5 for seed in (1, 2))
        run = jax.jit(chain)
        ms = measure(lambda run=run, a=a, b=b: run(a, b).block_until_ready(), 5)
        tflops[name] = round(2 * SIDE**3 * CHAINED / ms / 1e9, 1)
    x, add = jnp.zeros(COPIED // 4, "float32"), jax.jit(lambda x: x + 1)
    ms = measure(lambda: add(x).block_until_ready(), 20)
    names = {"device": jax.devices()[0].device_kind, "jax": jax.__version__, "keras": keras.__version__}
    return {**names, "tflops": tflops, "copy_gb_per_s": round(2 * COPIED / ms / 1e6)}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], "--compile" in sys.argv)))
