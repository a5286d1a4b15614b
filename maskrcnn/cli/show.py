"""The table of what a weight file holds."""

from pathlib import Path

from rich.table import Column, Table
from rich.text import Text

from maskrcnn.network.weights.layouts import recognize_layout
from maskrcnn.network.weights.tensors import open_tensors


def list_tensors(path: Path) -> Table:
    """Returns every tensor of a file with its place in Matterport's layout; no values are read."""
    with open_tensors(path) as tensors:
        layout = recognize_layout(tensors)
        columns = (Column(name, overflow="fold") for name in ("Tensor", "Shape", "Type", "In Matterport's layout"))
        lines = Table(*columns, title=Text(f"{path}: {layout.name}"))
        for name, tensor in tensors.items():
            row = (name, str(tensor.shape), str(tensor.dtype), layout.translate(name) or "")
            lines.add_row(*map(Text, row))  # names may hold brackets, which rich reads as styles
    return lines
