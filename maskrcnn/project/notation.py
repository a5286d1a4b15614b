"""Letters of the array shapes, and the named array types of the signatures.

    B images in a batch     H, W image height and width     G truths of one image, padded
    A anchors of one image  R regions of interest           N any number of boxes
    K classes, background included                          C feature channels

Boxes are `(y1, x1, y2, x2)` with an exclusive outer edge. Names end in `_px` or `_norm` where both
frames occur; normalised means `(px - (0, 0, 1, 1)) / (H-1, W-1, H-1, W-1)`.

An array type accepts any array with a shape and a dtype: NumPy, TensorFlow or JAX.
"""

from typing import Any

from jaxtyping import Bool, Float, Int, Num, UInt8, UInt16

SIDE_MULTIPLE = 64  # of H and W: the coarsest level of the feature pyramid has stride 64

Array = Any
Boxes = Num[Array, "... 4"]
Deltas = Float[Array, "... 4"]
ClassIds = Int[Array, "..."]
Scores = Float[Array, "..."]
Image = UInt8[Array, "H W 3"]
Masks = Bool[Array, "N H W"]
MiniMasks = Bool[Array, "N h w"]
InstanceMap = UInt16[Array, "H W"]
