"""The layouts of released files, told apart by the names of their tensors and translated into Matterport's.

Three are read: Matterport's own, and Keras' ImageNet ResNet50 as it was released for Keras 1 and again for Keras 2.
Keras 3's `.weights.h5` is known in order to be refused.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

TENSORS = "kernel|bias|gamma|beta|moving_mean|moving_variance"
MATTERPORT_NAME = re.compile(rf"([^/]+/[^/]+/(?:{TENSORS}))(?::0)?")
KERAS1_NAME = re.compile(r"([^/]+)/\1_(W|b|gamma|beta|running_mean|running_std)(?:_1)?(?::0)?")
KERAS2_NAME = re.compile(
    rf"(conv1|conv[2-5]_block(?:[1-9]|1[0-9]|2[0-6])_[0-3])_(conv|bn)/(?:[^/]+/)?({TENSORS})(?::0)?"
)
KERAS3_NAME = re.compile(r"(?:.*/)?vars/\d+")

# What Keras 1 called a running standard deviation is the variance.
KERAS1_TENSORS = {
    "W": "kernel",
    "b": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}
KERAS2_BRANCHES = {"0": "branch1", "1": "branch2a", "2": "branch2b", "3": "branch2c"}


@dataclass(frozen=True)
class Layout:
    """How a file names its tensors, and what they were trained with.

    Args:
        name: For people.
        translate: Returns the path in Matterport's layout of a name in this one, None for what is not its own.
        flips_channels: Whether the network saw blue first; ours sees red first.
        epsilon: What its batch norm added to the variance; None where that is what ours adds.
    """

    name: str
    translate: Callable[[str], str | None]
    flips_channels: bool = False
    epsilon: float | None = None


def recognize_layout(names: Collection[str]) -> Layout:
    """Returns the layout that some of the names are of, those of ResNet50 first; without any, Matterport's."""
    for layout in (KERAS2, KERAS1, MATTERPORT):
        if any(map(layout.translate, names)):
            return layout
    return KERAS3 if any(map(KERAS3_NAME.fullmatch, names)) else MATTERPORT


def _from_matterport(name: str) -> str | None:
    found = MATTERPORT_NAME.fullmatch(name)
    return f"{found[1]}:0" if found else None


def _from_keras1(name: str) -> str | None:
    found = KERAS1_NAME.fullmatch(name)
    return f"{found[1]}/{found[1]}/{KERAS1_TENSORS[found[2]]}:0" if found else None


def _from_keras2(name: str) -> str | None:
    """Returns `res2a_branch2a/res2a_branch2a/kernel:0` for `conv2_block1_1_conv/conv2_block1_1_conv/kernel:0`."""
    found = KERAS2_NAME.fullmatch(name)
    if found is None:
        return None
    place, kind, tensor = found.groups()
    if place == "conv1":
        layer = "conv1" if kind == "conv" else "bn_conv1"
    else:
        stage, block, branch = re.findall(r"\d+", place)
        letter = chr(ord("a") + int(block) - 1)
        layer = f"{'res' if kind == 'conv' else 'bn'}{stage}{letter}_{KERAS2_BRANCHES[branch]}"
    return f"{layer}/{layer}/{tensor}:0"


MATTERPORT = Layout("Matterport's Mask R-CNN", _from_matterport)
# Keras ran its first ResNet50 with the same epsilon as Matterport, whatever Caffe had trained it with.
KERAS1 = Layout("Keras' ResNet50 of 2017", _from_keras1, flips_channels=True)
KERAS2 = Layout("Keras' ResNet50 since 2019", _from_keras2, flips_channels=True, epsilon=1.001e-5)
KERAS3 = Layout("Keras 3's `.weights.h5`", lambda _: None)  # numbered tensors, of which none has a place
