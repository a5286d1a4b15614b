"""Export of the inference network to files that run without this package: SavedModel and ONNX.

Both take `images` (B, H, W, 3), uint8 RGB, and return by name what `MaskRCNN.call` returns: normalised boxes,
class_ids, scores, masks in their boxes, and proposals. The caller has to round the boxes to pixels and to paste the
masks, as `maskrcnn.inference` does.
"""

from pathlib import Path

import keras

from maskrcnn.network.model import MaskRCNN
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_file, whole_folder


def export_saved_model(
    network: MaskRCNN, path: Path, *, min_confidence: float = 0.7, nms_iou: float = 0.3, max_count: int = 100
) -> None:
    """Writes a TensorFlow SavedModel, completely or not at all; its endpoint is `serve`.

    Args:
        network: A built network.
        path: The folder to write; an existing one is replaced.
        min_confidence: Smallest score kept.
        nms_iou: IoU above which the weaker of two objects of one class is removed.
        max_count: Most objects kept of an image.
    Raises:
        InputError: if Keras does not run on TensorFlow.
    """
    _check_backend()
    settings = {"min_confidence": min_confidence, "nms_iou": nms_iou, "max_count": max_count}
    with whole_folder(path) as folder:
        _export(network, folder, "tf_saved_model", settings)


def export_onnx(
    network: MaskRCNN, path: Path, *, min_confidence: float = 0.7, nms_iou: float = 0.3, max_count: int = 100
) -> None:
    """Writes an ONNX file, completely or not at all; see `export_saved_model`.

    Its mask head runs on all `max_count` slots, because the converter does not fold weights inside a branch.

    Args:
        path: The `.onnx` file.
    """
    _check_backend()
    settings = {"min_confidence": min_confidence, "nms_iou": nms_iou, "max_count": max_count}
    with whole_file(path) as file:
        _export(network, file, "onnx", {**settings, "mask_slots": max_count})


def _export(network: MaskRCNN, path: Path, form: str, settings: dict[str, float]) -> None:
    shape = (*network.image_shape, 3)
    images = keras.Input(shape, dtype="uint8", name="images")
    signature = [keras.InputSpec(shape=(None, *shape), dtype="uint8", name="images")]
    model = keras.Model(images, network(images, **settings))
    model.export(path, format=form, verbose=False, input_signature=signature)


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"`KERAS_BACKEND` must be tensorflow to export; got {keras.backend.backend()}. "
            "Write the weights there with `maskrcnn.write_weights` and read them on TensorFlow."
        )
