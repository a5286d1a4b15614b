"""The front door: what `import maskrcnn` offers and what it costs."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import maskrcnn
from maskrcnn.network.model import MaskRCNN, build_mask_rcnn

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", maskrcnn.__all__)
def test_every_public_name_is_there_and_explained(name: str):
    assert getattr(maskrcnn, name).__doc__
    assert name in dir(maskrcnn)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="module 'maskrcnn' has no attribute 'unknown'"):
        _ = maskrcnn.unknown


def test_the_package_alone_loads_no_network():
    code = "import sys, maskrcnn; assert not {'keras', 'tensorflow', 'jax'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_builder_takes_what_the_network_takes():
    given, taken = (inspect.signature(function).parameters for function in (build_mask_rcnn, MaskRCNN))
    assert {name: parameter.default for name, parameter in given.items()} == {
        name: parameter.default for name, parameter in taken.items() if name != "name"
    }
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in given.values())


@pytest.mark.parametrize("name", ["detect", "detect_batch", "export_saved_model", "export_onnx"])
def test_all_that_finds_objects_has_matterports_settings(name: str):
    parameters = inspect.signature(getattr(maskrcnn, name)).parameters
    defaults = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    assert defaults == {"min_confidence": 0.7, "nms_iou": 0.3, "max_count": 100}
