"""The tensors of files in Matterport's layout, and the weights that the recording was made with.

The recorded weights are drawn anew from their names: kernels take two values, of the variance that He's
initialisation has. The last layers of the heads were rescaled for the recording and cannot be drawn here.
"""

import zlib
from pathlib import Path

import numpy as np

RANGES = {
    "bias": (-0.05, 0.05),
    "gamma": (0.8, 1.2),
    "beta": (-0.1, 0.1),
    "moving_mean": (-0.1, 0.1),
    "moving_variance": (0.8, 1.25),
}
LAST_GAMMA = (0.25, 0.45)  # of a residual branch, so that depth does not add up


def draw_tensor(layer: str, tensor: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a tensor of the file, such as `kernel` of `conv1`."""
    dice = np.random.RandomState(zlib.crc32(f"{layer}/{tensor}:0".encode()) & 0x7FFFFFFF)
    if tensor == "kernel":
        return (2 * dice.randint(0, 2, shape) - 1) * np.sqrt(2 / np.prod(shape[:-1]))
    is_last = tensor == "gamma" and layer.endswith("branch2c")
    return dice.uniform(*(LAST_GAMMA if is_last else RANGES[tensor]), shape)


def read_tensor_list(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all tensors of a file by their paths in it."""
    rows = (line.split("\t") for line in path.read_text().splitlines()[1:])
    return {
        f"{group}/{tensor}": tuple(int(side) for side in shape.strip("()").split(",") if side.strip())
        for group, tensor, shape in rows
    }
