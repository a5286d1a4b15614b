"""Weights as Matterport lays them out in HDF5: the table "their tensor -> our variable", read and write.

Everything goes through h5py as plain numbers; no file is unpickled or executed, and no link is followed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from maskrcnn.files import whole_file
from maskrcnn.layers.resnet import ConvNorm
from maskrcnn.model import MaskRCNN

BRANCHES = {"reduce": "branch2a", "spatial": "branch2b", "expand": "branch2c", "shortcut": "branch1"}
CLASS_TENSORS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")


@dataclass(frozen=True)
class Entry:
    """One row of the table: where a tensor lies in their file and which variable of ours holds it.

    Args:
        group: Their layer group, `rpn_model` for all of the RPN.
        layer: Their layer.
        tensor: `kernel`, `bias`, `gamma`, `beta`, `moving_mean` or `moving_variance`.
        variable: Our Keras variable.
        their_shape: The tensor's shape in their file.
        transposed: Whether the kernel is that of a transposed convolution, which they keep as
            (height, width, out, in) and we as (in, height, width, out).
    """

    group: str
    layer: str
    tensor: str
    variable: Any
    their_shape: tuple[int, ...]
    transposed: bool = False

    @property
    def path(self) -> str:
        return f"{self.group}/{self.layer}/{self.tensor}:0"

    def to_ours(self, values: np.ndarray) -> np.ndarray:
        """Returns their tensor in the shape of our variable."""
        values = np.transpose(values, (3, 0, 1, 2)) if self.transposed else values
        return values.reshape(self.variable.shape).astype(np.float32)

    def to_theirs(self, values: np.ndarray) -> np.ndarray:
        """Returns our variable's values in their shape; the inverse of `to_ours`."""
        values = np.transpose(values, (1, 2, 3, 0)) if self.transposed else values
        return values.reshape(self.their_shape)


@dataclass
class Report:
    """What became of every tensor, as paths in the file.

    Args:
        loaded: Read into a variable.
        zeroed: Biases that the file's convolutions do not have, set to 0.
        skipped: Class-dependent tensors left as they were, because the file has other classes.
        missing: Variables without a tensor.
        misshapen: Tensors of another shape, with both shapes.
        unused: Tensors that no variable asked for.
    """

    loaded: list[str] = field(default_factory=list)
    zeroed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def read_weights(network: MaskRCNN, path: Path) -> Report:
    """Fills a network from a file in Matterport's layout; the inverse of `write_weights`.

    Class-dependent tensors of a file with other classes are skipped; convolutions without bias get 0;
    tensors that the network has no place for, such as the deeper blocks of a ResNet101, are unused.

    Args:
        network: A built network. It is left untouched when the file does not fit.
        path: The `.h5` file.
    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: listing all missing and all misshapen tensors.
    """
    tensors = _read_tensors(path)
    report, values = Report(), {}
    entries = list(table(network))
    for entry in entries:
        tensor = tensors.get(entry.path)
        if tensor is None and entry.tensor == "bias" and entry.group.startswith(("conv1", "res")):
            report.zeroed.append(entry.path)
            values[entry.path] = np.zeros(entry.their_shape, np.float32)
        elif tensor is None:
            report.missing.append(entry.path)
        elif tensor.shape == entry.their_shape:
            report.loaded.append(entry.path)
            values[entry.path] = tensor
        elif entry.layer in CLASS_TENSORS and tensor.shape[:-1] == entry.their_shape[:-1]:
            report.skipped.append(entry.path)
        else:
            report.misshapen.append(f"{entry.path} {tensor.shape} instead of {entry.their_shape}")
    report.unused = sorted(tensors.keys() - {entry.path for entry in entries})
    if report.missing or report.misshapen:
        raise ValueError(_complaint(path, report))
    for entry in entries:
        if entry.path in values:
            entry.variable.assign(entry.to_ours(values[entry.path]))
    return report


def write_weights(network: MaskRCNN, path: Path, kernel_dtype: str = "float32") -> None:
    """Writes a network in Matterport's layout, whole or not at all.

    Args:
        network: A built network.
        path: The `.h5` file; missing folders are made.
        kernel_dtype: Numbers that kernels are stored as, `float32` or `float16`; all else is float32.
    """
    with whole_file(path) as unfinished, h5py.File(unfinished, "w") as file:
        for entry in table(network):
            values = entry.to_theirs(np.asarray(entry.variable))
            dtype = kernel_dtype if entry.tensor == "kernel" else "float32"
            file.create_dataset(entry.path, data=values.astype(dtype))


def table(network: MaskRCNN) -> Iterator[Entry]:
    """Yields every variable of the network beside its place in Matterport's files."""
    yield from _backbone(network)
    yield from _pyramid(network)
    yield from _rpn(network)
    yield from _box_head(network)
    yield from _mask_head(network)


def _backbone(network: MaskRCNN) -> Iterator[Entry]:
    yield from _conv_norm(network.backbone.stem, "conv1", "bn_conv1")
    for stage, blocks in enumerate(network.backbone.stages, start=2):
        for block, letter in zip(blocks, "abcdefghijklmnopqrstuvwxyz", strict=False):
            for part, branch in BRANCHES.items():
                layer = getattr(block, part)
                if layer is not None:
                    yield from _conv_norm(layer, f"res{stage}{letter}_{branch}", f"bn{stage}{letter}_{branch}")


def _pyramid(network: MaskRCNN) -> Iterator[Entry]:
    for level, (lateral, smoothing) in enumerate(
        zip(network.fpn.laterals, network.fpn.smoothings, strict=True), start=2
    ):
        yield from _weights(lateral, f"fpn_c{level}p{level}")
        yield from _weights(smoothing, f"fpn_p{level}")


def _rpn(network: MaskRCNN) -> Iterator[Entry]:
    head = network.rpn_head
    for layer, theirs in (
        (head.shared, "rpn_conv_shared"),
        (head.logits, "rpn_class_raw"),
        (head.deltas, "rpn_bbox_pred"),
    ):
        yield from _weights(layer, theirs, group="rpn_model")


def _box_head(network: MaskRCNN) -> Iterator[Entry]:
    head = network.box_head
    for i, (dense, norm) in enumerate(zip(head.dense, head.norms, strict=True), start=1):
        inputs, outputs = dense.kernel.shape
        side = 7 if i == 1 else 1  # they convolve where we multiply
        yield from _weights(dense, f"mrcnn_class_conv{i}", shape=(side, side, inputs // side**2, outputs))
        yield from _weights(norm, f"mrcnn_class_bn{i}")
    yield from _weights(head.logits, "mrcnn_class_logits")
    yield from _weights(head.deltas, "mrcnn_bbox_fc")


def _mask_head(network: MaskRCNN) -> Iterator[Entry]:
    head = network.mask_head
    for i, conv in enumerate(head.convs, start=1):
        yield from _conv_norm(conv, f"mrcnn_mask_conv{i}", f"mrcnn_mask_bn{i}")
    inputs, h, w, outputs = head.upsampling.kernel.shape
    yield from _weights(head.upsampling, "mrcnn_mask_deconv", shape=(h, w, outputs, inputs), transposed=True)
    yield from _weights(head.logits, "mrcnn_mask", shape=(1, 1, *head.logits.kernel.shape))


def _conv_norm(layer: ConvNorm, conv: str, norm: str) -> Iterator[Entry]:
    yield from _weights(layer.conv, conv)
    yield from _weights(layer.norm, norm)


def _weights(
    layer: Any, theirs: str, group: str | None = None, shape: tuple | None = None, transposed: bool = False
) -> Iterator[Entry]:
    """Yields the entries of one layer; `shape` is that of their kernel where it is not ours."""
    for variable in layer.weights:
        is_kernel = variable.name == "kernel"
        their_shape = tuple(shape if is_kernel and shape else variable.shape)
        yield Entry(group or theirs, theirs, variable.name, variable, their_shape, is_kernel and transposed)


def _read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads all tensors of a file by their paths, without following a link."""
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` must exist; it holds the start weights.")
    try:
        with h5py.File(path, "r") as file:
            return {name.removeprefix("model_weights/"): values for name, values in _walk(file, path)}
    except OSError as fault:
        raise ValueError(f"`{path}` must be an HDF5 file; got {fault}.") from None


def _walk(group: h5py.Group, path: Path, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yields the path and values of every dataset below a group."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"`{path}` must hold its tensors itself; got a link at {prefix}{name}.")
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _walk(item, path, f"{prefix}{name}/")
        elif item.external is not None or item.is_virtual:
            raise ValueError(f"`{path}` must hold its tensors itself; got outside storage at {prefix}{name}.")
        else:
            yield prefix + name, item[()]


def _complaint(path: Path, report: Report) -> str:
    """Returns the error for a file that does not fit, with all that is wrong."""
    faults = []
    if report.missing:
        faults.append(f"missing {', '.join(report.missing)}")
    if report.misshapen:
        faults.append(f"misshapen {', '.join(report.misshapen)}")
    return f"`{path}` must hold the weights of this network; got {'; '.join(faults)}."
