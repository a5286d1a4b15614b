"""Checks the array shapes of every layer while its tests run.

The import hook of the other rooms would also wrap `__init__`, whose arguments Keras reads.
"""

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import jaxtyped

from maskrcnn.network.layers import FPN, Bottleneck, BoxHead, ConvNorm, MaskHead, ResNet, RPNHead, Upsampling


@pytest.fixture(autouse=True)
def checked_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks what every layer is called on and returns."""
    check = beartype(conf=BeartypeConf(is_pep484_tower=True))
    for layer in (BoxHead, FPN, MaskHead, Upsampling, Bottleneck, ConvNorm, ResNet, RPNHead):
        monkeypatch.setattr(layer, "call", jaxtyped(layer.call, typechecker=check))
