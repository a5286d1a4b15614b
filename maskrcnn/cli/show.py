"""The tables of what a weight file holds."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from maskrcnn.network.facts import Preprocessing
from maskrcnn.network.weights.attributes import read_facts_of
from maskrcnn.network.weights.layouts import recognize_layout
from maskrcnn.network.weights.tensors import open_file, open_tensors
from maskrcnn.project.config import Model


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


def list_facts(path: Path) -> Table | None:
    """Returns what a file of this package says of its model; None for a file of another program.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if the facts are damaged.
    """
    with open_file(path) as file:
        facts = read_facts_of(file, path)
    if facts is None:
        return None
    lines = Table(Column("Fact"), Column("Value", overflow="fold"), title=Text(f"{path}: the model"))
    for field in fields(facts):
        lines.add_row(field.name, Text(_describe(getattr(facts, field.name))))
    return lines


def _describe(value: Any) -> str:
    """Returns a fact in words: lists and mappings without brackets."""
    if isinstance(value, Model | Preprocessing):
        value = asdict(value)
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_describe(each)}" for name, each in value.items())
    if isinstance(value, tuple):
        return ", ".join(f"({_describe(each)})" if isinstance(each, tuple) else _describe(each) for each in value)
    return "" if value is None else str(value)
