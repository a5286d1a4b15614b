"""Checks the array shapes of every layer while its tests run.

The import hook of the other rooms would also wrap `__init__`, whose arguments Keras reads.
"""

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import jaxtyped

from maskrcnn.network.layers.box_head import BoxHead
from maskrcnn.network.layers.fpn import FPN
from maskrcnn.network.layers.mask_head import MaskHead, Upsampling
from maskrcnn.network.layers.resnet import Bottleneck, ConvNorm, ResNet
from maskrcnn.network.layers.rpn_head import RPNHead


@pytest.fixture(autouse=True)
def checked_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks what every layer is called on and returns."""
    check = beartype(conf=BeartypeConf(is_pep484_tower=True))
    for layer in (BoxHead, FPN, MaskHead, Upsampling, Bottleneck, ConvNorm, ResNet, RPNHead):
        monkeypatch.setattr(layer, "call", jaxtyped(layer.call, typechecker=check))
