"""The front door: what `import maskrcnn` offers and what it costs."""

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import maskrcnn
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.project.config import Model

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", maskrcnn.__all__)
def test_every_public_name_is_there_and_explained(name: str):
    assert getattr(maskrcnn, name).__doc__


def test_dir_lists_the_public_names() -> None:
    assert [name for name in dir(maskrcnn) if not name.startswith("__")] == sorted(maskrcnn.__all__)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'maskrcnn' has no attribute 'unknown'"):
        _ = maskrcnn.unknown


def test_the_package_alone_loads_no_network():
    code = "import sys, maskrcnn; assert not {'keras', 'tensorflow', 'jax'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_every_key_of_the_section_model_is_an_argument_of_the_builder() -> None:
    arguments = inspect.signature(build_mask_rcnn).parameters
    keys = {field.name for field in dataclasses.fields(Model)}
    assert arguments.keys() - keys == {"image_shape", "class_count", "num_proposals", "precision", "remat"}
    assert keys < arguments.keys()
    assert all(argument.kind is argument.KEYWORD_ONLY for argument in arguments.values())


@pytest.mark.parametrize("name", ["detect", "detect_batch", "detect_batches", "export_saved_model", "export_onnx"])
def test_all_that_finds_objects_has_matterports_settings(name: str):
    parameters = inspect.signature(getattr(maskrcnn, name)).parameters
    defaults = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert defaults == {"min_confidence": 0.7, "nms_iou": 0.3, "max_count": 100}
