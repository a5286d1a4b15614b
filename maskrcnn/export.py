"""Export of the inference network to files that run without this package: SavedModel and ONNX.

Both take `images` (B, H, W, 3), uint8 RGB, and return by name what `MaskRCNN.call` returns: normalised boxes,
class_ids, scores, masks in their boxes, and proposals. The caller has to round the boxes to pixels and to paste the
masks, as `maskrcnn.inference` does; the metadata of an ONNX file say how.
"""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras

from maskrcnn.network.facts import BACKGROUND
from maskrcnn.network.model import MASK_SHAPE, MaskRCNN, Pyramid, Rois
from maskrcnn.network.ops.roi_align import roi_align
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import check_writable, whole_file, whole_folder, write_text
from maskrcnn.project.notation import Array


def export_saved_model(
    network: MaskRCNN,
    path: str | Path,
    *,
    min_confidence: float = 0.7,
    nms_iou: float = 0.3,
    max_count: int = 100,
) -> None:
    """Writes a TensorFlow SavedModel, completely or not at all; its endpoint is `serve`.

    `assets.extra/maskrcnn.json` in it describes what goes in and comes out, as the metadata of an ONNX file do; class
    names and fit only if the network has facts.

    Args:
        network: A built network.
        path: The folder to write; an existing one is replaced.
        min_confidence: Smallest score kept.
        nms_iou: IoU above which the weaker of two objects of one class is removed.
        max_count: Most objects kept of an image.
    Raises:
        InputError: if Keras does not run on TensorFlow, or the path cannot be written.
    """
    path = Path(path)
    _check_backend()
    check_writable(path)
    settings = {"min_confidence": min_confidence, "nms_iou": nms_iou, "max_count": max_count}
    description = {**_describe_facts(network), **_interface(network.image_shape), **settings}
    with whole_folder(path) as folder:
        _export(network, folder, "tf_saved_model", settings)
        write_text(folder / "assets.extra/maskrcnn.json", json.dumps(description, indent=2, allow_nan=False))


def export_onnx(
    network: MaskRCNN,
    path: str | Path,
    class_names: Sequence[str] | None = None,
    *,
    min_confidence: float = 0.7,
    nms_iou: float = 0.3,
    max_count: int = 100,
) -> None:
    """Writes an ONNX file, completely or not at all; see `export_saved_model`.

    Regions are cropped by gathering pixels, because the converter turns TensorFlow's own kernel into a loop over the
    regions. The mask head runs on all `max_count` slots, because the converter does not fold weights inside a branch.

    The metadata of the file, JSON texts by key, describe what goes in and comes out: `class_names`, `color_order`,
    `image_shape`, `boxes`, `masks`, `min_confidence`, `nms_iou` and `max_count`; and `fit`, how images are brought to
    that shape, if the network has facts.

    Args:
        path: The `.onnx` file.
        class_names: The name of every class id, background first; None for those of the network's facts.
    Raises:
        InputError: if there is not one name for each class, a package is missing, Keras does not run on TensorFlow, or
            the path cannot be written.
    """
    path, description = Path(path), _describe_facts(network)
    _check_backend()
    _check_packages("onnx", "tf2onnx")
    check_writable(path)
    class_names = description.get("class_names", ()) if class_names is None else class_names
    if len(class_names) != network.class_count:
        raise InputError(
            f"`class_names` must name all {network.class_count} classes of the network, background first; "
            f"got {len(class_names)}: {', '.join(class_names)}."
        )
    settings = {"min_confidence": min_confidence, "nms_iou": nms_iou, "max_count": max_count}
    description |= {"class_names": list(class_names), **_interface(network.image_shape), **settings}
    with whole_file(path) as file:
        _export(_Portable(network), file, "onnx", {**settings, "mask_slots": max_count})
        _describe(file, description)


class _Portable(MaskRCNN):
    """The same network, with the same weights, that crops regions by gathering pixels."""

    def __init__(self, network: MaskRCNN):
        super().__init__(
            backbone=network.backbone,
            fpn=network.fpn,
            rpn_head=network.rpn_head,
            box_head=network.box_head,
            mask_head=network.mask_head,
            anchors_px=network.anchors_px,
            image_shape=network.image_shape,
            canonical_roi_size=network.canonical_roi_size,
            num_candidates=network.num_candidates,
            num_proposals=network.num_proposals,
        )
        self.built = True  # its parts have their weights

    def crop(self, pyramid: Pyramid, rois: Rois, size: tuple[int, int]) -> Array:
        """Returns a crop of every region of interest, as `MaskRCNN.crop` does."""
        return roi_align(pyramid[:4], rois, size, self.image_shape, self.canonical_roi_size, portable=True)


def _export(network: MaskRCNN, path: Path, form: str, settings: dict[str, float]) -> None:
    shape = (*network.image_shape, 3)
    images = keras.Input(shape, dtype="uint8", name="images")
    signature = [keras.InputSpec(shape=(None, *shape), dtype="uint8", name="images")]
    model = keras.Model(images, network(images, **settings))
    model.export(path, format=form, verbose=False, input_signature=signature)


def _describe_facts(network: MaskRCNN) -> dict[str, Any]:
    """Returns the class names, background first, and the fit; nothing if the network has no facts."""
    facts = network.facts
    return {"class_names": [BACKGROUND, *facts.class_names], "fit": facts.fit} if facts else {}


def _interface(image_shape: tuple[int, int]) -> dict[str, Any]:
    """Returns what a caller has to know of the arrays that go in and come out; padding has the class id 0."""
    height, width = image_shape
    return {
        "color_order": "RGB",
        "image_shape": [height, width],
        "boxes": {
            "order": ["y1", "x1", "y2", "x2"],
            "frame": "normalized",
            # pixels = round(box * scale + offset), the outer edge excluded
            "scale": [height - 1, width - 1, height - 1, width - 1],
            "offset": [0, 0, 1, 1],
            "rounding": "float64, half to even",
        },
        "masks": {"shape": list(MASK_SHAPE), "values": "probabilities inside the box", "set_above": 0.5},
    }


def _describe(path: Path, metadata: dict[str, Any]) -> None:
    """Names the first dimension of all inputs and outputs of an ONNX file, and writes the metadata into it."""
    import onnx

    model = onnx.load(path)
    for array in (*model.graph.input, *model.graph.output):
        array.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(model, {key: json.dumps(value, allow_nan=False) for key, value in metadata.items()})
    onnx.save(model, path)


def _check_packages(*names: str) -> None:
    if missing := [name for name in names if find_spec(name) is None]:
        raise InputError(
            f"The packages {', '.join(names)} must be installed to export ONNX; got no {', '.join(missing)}. "
            f"`pip install {' '.join(missing)}` installs them."
        )


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"`KERAS_BACKEND` must be tensorflow to export; got {keras.backend.backend()}. "
            "Write the weights there with `maskrcnn.write_weights` and read them on TensorFlow."
        )
