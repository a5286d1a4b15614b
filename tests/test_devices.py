"""TensorFlow on a GPU, as far as a CPU can show it: the operations that a GPU runs, their values and XLA.

A test forces the GPU's choice of operations by listing a GPU among TensorFlow's visible devices (`gpu_listed`).
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

from maskrcnn.learning.loss_model import LOSS_NAMES, LossModel, set_learning_layers
from maskrcnn.learning.optimizers import make_optimizer, set_hyperparameters
from maskrcnn.network.ops import uses_native_kernels
from maskrcnn.project.config import Hyperparameters
from tests.tiny import make_batch, network, read, reset

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="XLA compiles all that JAX runs")

# Operations whose GPU kernels raise UnimplementedError under `tf.config.experimental.enable_op_determinism`: those that
# the messages with "eterminis" in libtensorflow_cc.so.2 of the CUDA wheel of tensorflow 2.21.0 name. The messages on
# segment reductions are left out: since TensorFlow 2.8 they are met on Windows alone (segment_reduction_ops_gpu.cu.h).
REFUSED = {
    "AdjustContrast",
    "AdjustContrastv2",
    "Bincount",
    "CropAndResizeGradBoxes",
    "CropAndResizeGradImage",
    "DebugNumericSummaryV2",
    "DenseBincount",
    "DepthwiseConv2dNativeBackpropFilter",
    "Dilation2DBackpropFilter",
    "Dilation2DBackpropInput",
    "FakeQuantWithMinMaxVarsGradient",
    "FakeQuantWithMinMaxVarsPerChannelGradient",
    "FusedBatchNormGrad",  # this and its versions where batch norm is frozen
    "FusedBatchNormGradV2",
    "FusedBatchNormGradV3",
    "MaxPoolGradWithArgmax",
    "ResizeNearestNeighborGrad",
    "ScatterAdd",  # this and the next with reference variables
    "ScatterDiv",
    "ScatterMax",
    "ScatterMin",
    "ScatterMul",
    "ScatterSub",
    "ScatterUpdate",
    "SoftmaxCrossEntropyWithLogits",
    "SparseSoftmaxCrossEntropyWithLogits",
    "SparseTensorDenseMatMul",
    "Svd",
    "Timestamp",
}
# TensorFlow's own kernels that XLA cannot compile, or that only compute what `REFUSED` takes the gradient of
NATIVE = {"CropAndResize", "NonMaxSuppressionV4"}

VARIANTS = {
    "heads": ("heads", "sgd", False),
    "all": ("all", "sgd", False),
    "all_live_batch_norm": ("all", "adam", True),
}
# Every anchor and every region is drawn, so that random numbers, which XLA draws otherwise, decide nothing.
SAMPLING = {"num_proposals": 300, "num_anchors": 2048, "num_rois": 1000, "positive_fraction": 0.003}
SETTINGS = {"min_confidence": 0.05, "nms_iou": 0.3, "max_count": 20}


@pytest.fixture(autouse=True)
def untrained() -> Iterator[None]:
    """Starts every test with the network as it was made, and nothing compiled that depends on the device."""
    reset()
    network().compiled_steps.clear()
    yield
    network().compiled_steps.clear()


@pytest.fixture
def gpu_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes TensorFlow list a GPU, so that operations are chosen for it."""
    list_gpu(monkeypatch)


def list_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    devices = [tf.config.PhysicalDevice(f"/physical_device:{kind}:0", kind) for kind in ("CPU", "GPU")]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda *_: devices)


def batch() -> dict[str, np.ndarray]:
    return make_batch([1, 2], instance_cap=6)


def make_loss_model(variant: str, **arguments: Any) -> LossModel:
    """Returns the training step of a variant; `arguments` go to `compile`."""
    layers, optimizer, live_batch_norm = VARIANTS[variant]
    set_learning_layers(network(), layers)
    loss_model = LossModel(network(), **SAMPLING, live_batch_norm=live_batch_norm)
    loss_model.compile(make_optimizer(optimizer), **arguments)
    loss_model.optimizer.build(loss_model.trainable_variables)
    set_hyperparameters(loss_model.optimizer, Hyperparameters(optimizer, 1.0, momentum=0.9, weight_decay=0.0))
    return loss_model


def take_step(**arguments: Any) -> tuple[dict[str, float], list[np.ndarray]]:
    """Returns the losses of one training step of all layers, and by how much it changes every variable."""
    before = read(network().variables)
    losses = make_loss_model("all", **arguments).train_on_batch(batch(), return_dict=True)
    return losses, [new - old for new, old in zip(read(network().variables), before, strict=True)]


def traced_operations(function: Any, *inputs: Any) -> set[str]:
    """Returns the types of all operations in the graph of a function, with those of every function that it calls."""
    import tensorflow as tf

    graph = tf.function(function, autograph=False).get_concrete_function(*inputs).graph.as_graph_def()
    nodes = [*graph.node, *(node for called in graph.library.function for node in called.node_def)]
    return {node.op for node in nodes}


def test_a_cpu_runs_tensorflows_own_kernels() -> None:
    assert uses_native_kernels()


def test_any_other_device_runs_operations_of_keras(gpu_listed: None) -> None:
    assert not uses_native_kernels()


@pytest.mark.parametrize("variant", VARIANTS)
def test_determinism_refuses_no_operation_of_a_training_step(variant: str, gpu_listed: None) -> None:
    loss_model = make_loss_model(variant)
    operations = traced_operations(lambda values: loss_model.train_step((values,)), batch())
    assert {"Conv2DBackpropFilter", "StatelessWhile"} <= operations  # the gradient, and loops that are functions
    assert not operations & (REFUSED | NATIVE)


def test_tensorflows_own_kernels_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_DETERMINISTIC_OPS", "1")  # without it their gradient is that of the gather
    loss_model = make_loss_model("heads")
    operations = traced_operations(lambda values: loss_model.train_step((values,)), batch())
    assert operations & REFUSED == {"CropAndResizeGradBoxes", "CropAndResizeGradImage"}
    assert operations >= NATIVE


def test_determinism_refuses_no_operation_of_detection(gpu_listed: None) -> None:
    operations = traced_operations(lambda images: network().call(images, **SETTINGS), batch()["images"])
    assert "Conv2D" in operations
    assert not operations & (REFUSED | NATIVE)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_training_step_is_the_same_on_a_gpu(jit_compile: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    expected_losses, expected_changes = take_step(run_eagerly=True)  # compiling takes longer
    list_gpu(monkeypatch)
    reset()
    losses, changes = take_step(jit_compile=jit_compile)
    assert all(losses[name] > 0 for name in LOSS_NAMES)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for change, expected in zip(changes, expected_changes, strict=True):
        np.testing.assert_allclose(change, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("jit_compile", [False, True])
def test_detections_are_the_same_on_a_gpu(jit_compile: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    images = tf.constant(batch()["images"])
    expected = network().call(images, **SETTINGS)
    list_gpu(monkeypatch)
    found = tf.function(lambda images: network().call(images, **SETTINGS), jit_compile=jit_compile)(images)
    assert np.asarray(expected["class_ids"]).any()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-4, err_msg=name)
