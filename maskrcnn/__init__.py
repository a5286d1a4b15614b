"""Mask R-CNN on Keras 3: its parts, its training and its evaluation on Cityscapes.

Its public names are imported on first use, so that reading files and scoring never load Keras.
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "CLASS_NAMES": "network.weights.released",
    "Facts": "network.facts",
    "ImageDetections": "data.detections",
    "MaskRCNN": "network.model",
    "build_mask_rcnn": "network.model",
    "detect": "inference",
    "detect_batch": "inference",
    "detect_batches": "inference",
    "export_onnx": "export",
    "export_saved_model": "export",
    "inspect": "inference",
    "load": "network.weights",
    "load_matterport": "network.weights",
    "read_facts": "network.weights",
    "read_weights": "network.weights",
    "write_weights": "network.weights",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    """Imports a public name from the module that it lives in."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
