"""Exported networks, run by what knows nothing of this package, against the network itself.

They are exported in a process of their own, because only TensorFlow can.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import maskrcnn
from maskrcnn import export

SETTINGS = {"min_confidence": 0.05, "nms_iou": 0.3, "max_count": 10}
NAMES = {"boxes", "class_ids", "scores", "masks", "proposals"}


def export_here(folder: Path) -> None:
    """Exports a small network both ways and keeps what it says of two scenes, and what TensorFlow then serves."""
    import keras
    import tensorflow as tf

    from tests.tiny import draw_scene, network

    images = np.stack([draw_scene(seed)[0] for seed in (1, 2)])
    outputs = network().call(keras.ops.convert_to_tensor(images), **SETTINGS)
    np.savez(folder / "expected.npz", images=images, **outputs)
    export.export_saved_model(network(), folder / "saved", **SETTINGS)
    served = tf.saved_model.load(folder / "saved")
    np.savez(folder / "served.npz", **served.serve(images))
    export.export_onnx(network(), folder / "network.onnx", **SETTINGS)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, __file__, str(folder)], env=environment, check=True)
    return folder


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def assert_close(outputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert outputs.keys() == NAMES
    for name, values in outputs.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_a_saved_model_serves_what_the_network_says(exported: Path):
    expected = read(exported / "expected.npz")
    assert (expected["class_ids"] > 0).sum() > 10
    assert_close(read(exported / "served.npz"), expected)


@pytest.mark.slow
def test_an_onnx_file_says_what_the_network_says(exported: Path):
    import onnxruntime

    expected = read(exported / "expected.npz")
    session = onnxruntime.InferenceSession(exported / "network.onnx")
    names = [output.name for output in session.get_outputs()]
    for images in (slice(0, 2), slice(0, 1)):  # a batch of any size
        outputs = dict(zip(names, session.run(None, {"images": expected["images"][images]}), strict=True))
        assert_close(outputs, {name: values[images] for name, values in expected.items()})


@pytest.mark.slow
def test_nothing_unfinished_is_left(exported: Path):
    assert {path.name for path in exported.iterdir()} == {"expected.npz", "network.onnx", "saved", "served.npz"}


@pytest.mark.parametrize("write", [maskrcnn.export_saved_model, maskrcnn.export_onnx])
def test_only_tensorflow_exports(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export.keras, "backend", SimpleNamespace(backend=lambda: "jax"))
    with pytest.raises(ValueError, match="`KERAS_BACKEND` must be tensorflow to export; got jax"):
        write(None, tmp_path / "network")
    assert not list(tmp_path.iterdir())


if __name__ == "__main__":
    export_here(Path(sys.argv[1]))
