"""Which backbone, which parts and how many classes a set of tensors belongs to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from maskrcnn.network import PARTS

LOGITS_BIAS = "mrcnn_class_logits/mrcnn_class_logits/bias:0"
BLOCK = re.compile(r"res([2-5])([a-z])_branch2a/")
PREFIXES = {
    "fpn": ("fpn_",),
    "rpn_head": ("rpn_model/",),
    "box_head": ("mrcnn_class", "mrcnn_bbox"),
    "mask_head": ("mrcnn_mask",),
}
WIDTHS = {  # arguments of `build_mask_rcnn`, and the tensors whose last axis is as long
    "backbone_width": "conv1/conv1/kernel:0",
    "fpn_channels": "fpn_c5p5/fpn_c5p5/kernel:0",
    "rpn_channels": "rpn_model/rpn_conv_shared/kernel:0",
    "box_channels": "mrcnn_class_conv1/mrcnn_class_conv1/kernel:0",
    "mask_channels": "mrcnn_mask_conv1/mrcnn_mask_conv1/kernel:0",
}


@dataclass(frozen=True)
class Architecture:
    """What a network or a file consists of.

    Args:
        block_counts: Residual blocks of the stages 2 to 5.
        parts: Those of `PARTS` beside the backbone.
        class_count: Classes of the heads, background included; None without a box head.
    """

    block_counts: tuple[int, ...]
    parts: tuple[str, ...]
    class_count: int | None

    @property
    def backbone(self) -> str | None:
        """The backbone's name as the settings have it; None for one that they do not have."""
        from maskrcnn.network.layers import BLOCK_COUNTS  # imports Keras, which takes seconds

        return next((name for name, counts in BLOCK_COUNTS.items() if counts == self.block_counts), None)

    def describe(self) -> str:
        """Returns it in a few words."""
        words = f"a {self.backbone}" if self.backbone else f"a backbone of {self.block_counts} blocks"
        if not any(self.block_counts):
            words = "no backbone"
        if self.class_count is not None:
            words += f" with {self.class_count} classes"
        absent = [part for part in PARTS[1:] if part not in self.parts]
        return words + (f" without {', '.join(absent)}" if absent else "")


def recognize_architecture(shapes: Mapping[str, tuple[int, ...]]) -> Architecture:
    """Returns what tensors with these paths and shapes in Matterport's layout belong to."""
    blocks = {found.groups() for path in shapes if (found := BLOCK.match(path))}
    parts = tuple(part for part, prefix in PREFIXES.items() if any(path.startswith(prefix) for path in shapes))
    logits = shapes.get(LOGITS_BIAS, ())
    return Architecture(
        block_counts=tuple(sum(block[0] == stage for block in blocks) for stage in "2345"),
        parts=parts,
        class_count=logits[0] if len(logits) == 1 else None,
    )


def measure_widths(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int | None]:
    """Returns the widths of the network that these tensors belong to, as arguments of `build_mask_rcnn`.

    Args:
        shapes: By paths in Matterport's layout; a width is None if its tensor is absent.
    """
    return {name: shapes[path][-1] if shapes.get(path) else None for name, path in WIDTHS.items()}
