"""Measures what the exported files cost for one image on a CPU, on two threads.

    python bench/export.py

The network is that of the demo, untrained, at 256x512. Prints JSON: milliseconds an image, medians of alternating runs,
of the SavedModel, of the ONNX file, and of an ONNX file that keeps TensorFlow's own kernel for the crops; and whether
all three return the same objects. Needs `onnx`, `onnxruntime` and `tf2onnx`.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"  # the only one that exports
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

from maskrcnn.export import _export, export_onnx, export_saved_model
from maskrcnn.network.model import MaskRCNN, build_mask_rcnn
from maskrcnn.project.config import Model
from maskrcnn.project.params import read_params

ROOT = Path(__file__).parents[1]
SHAPE, CLASS_COUNT, NUM_PROPOSALS = (256, 512), 9, 1000
THREADS, REPEATS = 2, 15
SETTINGS = {"min_confidence": 0.0, "nms_iou": 0.3, "max_count": 100}


def main() -> dict[str, float | bool]:
    """Returns the milliseconds of every file and whether their objects are the same."""
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    keras.utils.set_random_seed(1)
    network = build_mask_rcnn(
        image_shape=SHAPE,
        class_count=CLASS_COUNT,
        num_proposals=NUM_PROPOSALS,
        **asdict(read_params(ROOT / "params.yaml").section(Model)),
    )
    images = np.random.default_rng(1).integers(0, 256, (1, *SHAPE, 3)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(network, Path(folder))
        outputs = {name: run(images) for name, run in files.items()}
        costs = time_all({name: lambda run=run: run(images) for name, run in files.items()})
    same = all(np.allclose(boxes, outputs["saved_model"], atol=1e-4) for boxes in outputs.values())
    return {**costs, "same_objects": same}


def write_files(network: MaskRCNN, folder: Path) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Exports the network and returns, by name, functions from images to the boxes of the objects."""
    export_saved_model(network, folder / "saved_model", **SETTINGS)
    export_onnx(network, folder / "onnx", [str(i) for i in range(CLASS_COUNT)], **SETTINGS)
    slots = {"mask_slots": SETTINGS["max_count"]}
    _export(network, folder / "onnx_native_crops", "onnx", {**SETTINGS, **slots})
    served = tf.saved_model.load(folder / "saved_model")
    files = {"saved_model": lambda images: served.serve(images)["boxes"].numpy()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    for name in ("onnx", "onnx_native_crops"):
        session = onnxruntime.InferenceSession(folder / name, options)
        names = [output.name for output in session.get_outputs()]
        files[name] = lambda images, session=session, names=names: dict(
            zip(names, session.run(None, {"images": images}), strict=True)
        )["boxes"]
    return files


def time_all(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Returns the median milliseconds of every call; they take turns, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {f"{name}_ms": round(1e3 * statistics.median(values), 1) for name, values in seconds.items()}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))
