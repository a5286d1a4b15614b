"""The other backend, in a process of its own: the same values, and no TensorFlow behind JAX."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from keras import backend, ops

from maskrcnn.network.ops.boxes import IMAGE_WINDOW, clip_boxes, decode_deltas, encode_deltas, pairwise_iou
from maskrcnn.network.ops.proposals import batched_nms, separate_classes
from maskrcnn.network.ops.roi_align import crop_and_resize_flat, roi_align
from maskrcnn.project.notation import Array


def example() -> dict[str, Array]:
    """Runs one small example through everything that differs between backends."""
    rng = np.random.default_rng(0)
    low = rng.random((2, 60, 2))
    boxes = np.concatenate([low, low + 10 ** rng.uniform(-1.5, 0, low.shape)], axis=-1).astype(np.float32)
    boxes = clip_boxes(boxes, IMAGE_WINDOW)
    pyramid = [ops.convert_to_tensor(rng.random((2, n, 2 * n, 4)), "float32") for n in (16, 8, 4, 2)]
    apart = separate_classes(boxes, rng.integers(0, 3, (2, 60)))
    indices, valid = batched_nms(apart, ops.convert_to_tensor(rng.random((2, 60)), "float32"), 30, 0.3, 0.1)
    return {
        "decoded": decode_deltas(encode_deltas(boxes, boxes[:, ::-1]), boxes),
        "iou": pairwise_iou(boxes, boxes),
        "indices": indices,
        "valid": valid,
        "crops": crop_and_resize_flat(pyramid[0], boxes[0], ops.arange(60) % 2, (7, 7)),
        "aligned": roi_align(pyramid, boxes, (7, 7), (64, 128), 32),
    }


def compute() -> dict[str, np.ndarray]:
    """Runs the example in one piece where the backend would otherwise compile every operation by itself."""
    run = example
    if backend.backend() == "jax":
        import jax

        run = jax.jit(example)
    return {name: ops.convert_to_numpy(result) for name, result in run().items()}


def test_both_backends_compute_the_same(tmp_path: Path):
    here = backend.backend()
    there = {"tensorflow": "jax", "jax": "tensorflow"}[here]
    environment = os.environ | {"KERAS_BACKEND": there, "PYTHONPATH": str(Path(__file__).parents[3])}
    results = tmp_path / "results.npz"
    subprocess.run([sys.executable, __file__, str(results)], env=environment, check=True)
    with np.load(results) as other:
        for name, mine in compute().items():
            np.testing.assert_allclose(mine, other[name], atol=2e-5, err_msg=name)


if __name__ == "__main__":
    np.savez(sys.argv[1], **compute())
    assert backend.backend() != "jax" or "tensorflow" not in sys.modules, "the path of JAX is free of TensorFlow"
