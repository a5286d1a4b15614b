"""Exported networks, run by what knows nothing of this package, against the network itself.

They are exported in a process of their own, because only TensorFlow can.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import maskrcnn
from maskrcnn import export
from maskrcnn.inference import round_to_pixels
from maskrcnn.project.errors import InputError

SETTINGS = {"min_confidence": 0.05, "nms_iou": 0.3, "max_count": 10}
DESCRIPTION = {
    "class_names": ["background", "red", "green", "blue"],
    "fit": "letterbox",
    "color_order": "RGB",
    "image_shape": [64, 64],
    "boxes": {
        "order": ["y1", "x1", "y2", "x2"],
        "frame": "normalized",
        "scale": [63, 63, 63, 63],
        "offset": [0, 0, 1, 1],
        "rounding": "float64, half to even",
    },
    "masks": {"shape": [28, 28], "values": "probabilities inside the box", "set_above": 0.5},
    **SETTINGS,
}
NAMES = {"boxes", "class_ids", "scores", "masks", "proposals"}


def export_here(folder: Path) -> None:
    """Exports a small network both ways and keeps what it says of two scenes, and what TensorFlow then serves."""
    import keras
    import tensorflow as tf

    from tests.network.weights.facts import FACTS
    from tests.tiny import draw_scene, network

    images = np.stack([draw_scene(seed)[0] for seed in (1, 2)])
    outputs = network().call(keras.ops.convert_to_tensor(images), **SETTINGS)
    np.savez(folder / "expected.npz", images=images, **outputs)
    network().facts = FACTS
    export.export_saved_model(network(), str(folder / "saved"), **SETTINGS)
    served = tf.saved_model.load(folder / "saved")
    np.savez(folder / "served.npz", **served.serve(images))
    export.export_onnx(network(), str(folder / "network.onnx"), **SETTINGS)


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


@pytest.mark.slow
def test_an_onnx_file_describes_itself(exported: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported / "network.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    described = {key: json.loads(text) for key, text in metadata.items()}
    assert described == DESCRIPTION
    assert [array.shape[0] for array in (*session.get_inputs(), *session.get_outputs())] == ["batch"] * 6
    assert session.get_inputs()[0].shape[1:] == [*described["image_shape"], 3]


@pytest.mark.slow
def test_a_saved_model_describes_itself(exported: Path) -> None:
    assert json.loads((exported / "saved/assets.extra/maskrcnn.json").read_text()) == DESCRIPTION


@pytest.mark.slow
def test_boxes_in_pixels_follow_from_the_metadata(exported: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported / "network.onnx")
    frame = json.loads(session.get_modelmeta().custom_metadata_map["boxes"])
    (boxes,) = session.run(["boxes"], {"images": read(exported / "expected.npz")["images"]})
    pixels = np.around(boxes.astype(np.float64) * frame["scale"] + frame["offset"])
    np.testing.assert_array_equal(pixels, round_to_pixels(boxes, (64, 64)))


@pytest.mark.slow
def test_an_onnx_file_has_no_loop_over_regions(exported: Path) -> None:
    # One loop is left: over the images of a batch, in non-maximum suppression, once for proposals and objects each.
    import onnx

    nodes = [node.op_type for node in onnx.load(exported / "network.onnx").graph.node]
    assert nodes.count("Loop") == 2
    assert not {"RoiAlign", "CropAndResize"} & set(nodes)


def test_every_class_must_have_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_check_backend", lambda: None)
    network = SimpleNamespace(class_count=4, facts=None)
    with pytest.raises(
        ValueError, match="`class_names` must name all 4 classes of the network, background first; got 2: car, person"
    ):
        maskrcnn.export_onnx(network, tmp_path / "network.onnx", ["car", "person"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("run", [maskrcnn.export_onnx, maskrcnn.export_saved_model])
def test_a_path_that_cannot_be_written_is_found_before_the_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., None]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(export, "_check_backend", lambda: None)
    monkeypatch.setattr(export, "_export", None)
    network = SimpleNamespace(class_count=4, facts=None, image_shape=(64, 64))
    with pytest.raises(InputError, match=r"file/network` must be in a folder that can be written; got: "):
        run(network, str(tmp_path / "file/network"))


def test_missing_packages_are_named_before_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_check_backend", lambda: None)
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnx" else name)
    with pytest.raises(InputError, match=r"must be installed to export ONNX; got no onnx\. `pip install onnx`"):
        maskrcnn.export_onnx(SimpleNamespace(facts=None), tmp_path / "network.onnx")  # type: ignore[arg-type]


@pytest.mark.parametrize(("write", "more"), [(maskrcnn.export_saved_model, ()), (maskrcnn.export_onnx, (["car"],))])
def test_only_tensorflow_exports(write, more, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export.keras, "backend", SimpleNamespace(backend=lambda: "jax"))
    with pytest.raises(ValueError, match="`KERAS_BACKEND` must be tensorflow to export; got jax"):
        write(SimpleNamespace(facts=None), tmp_path / "network", *more)
    assert not list(tmp_path.iterdir())


if __name__ == "__main__":
    export_here(Path(sys.argv[1]))
