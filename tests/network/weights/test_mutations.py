"""Random damage to a weight file: it is read, or refused in one message that names it."""

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from maskrcnn.network.weights.layouts import recognize_layout
from maskrcnn.network.weights.tensors import open_tensors
from maskrcnn.project.errors import InputError

COUNT = 400


def make_file(path: Path) -> bytes:
    """Returns a small file that has all that files of weights have: groups, lists of names, plain and chunked data."""
    with h5py.File(path, "w") as file:
        for layer in ("conv1", "bn_conv1", "fpn_p2"):
            file[f"{layer}/{layer}/kernel:0"] = np.arange(16, dtype=np.float32)
            file[layer].attrs["weight_names"] = [f"{layer}/kernel:0"]
        values = np.arange(64, dtype=np.float32).reshape(8, 8)
        file.create_dataset("rpn_model/shared/kernel:0", data=values, chunks=(4, 4), compression="gzip", shuffle=True)
        file.create_dataset("half/half/kernel:0", data=np.ones(4, np.float16), chunks=(2,))
        file.attrs["layer_names"] = ["conv1", "bn_conv1"]
    return path.read_bytes()


def mutate(content: bytes, dice: np.random.Generator) -> bytes:
    """Returns the content with one to eight bytes changed, half of them where there was something, or cut short."""
    spoiled = np.frombuffer(content, np.uint8).copy()
    used = np.flatnonzero(spoiled)
    for _ in range(dice.integers(1, 9)):
        place = dice.choice(used) if dice.random() < 0.5 else dice.integers(len(spoiled))
        spoiled[place] = dice.choice(
            [0, 1, 127, 128, 255, dice.integers(256), spoiled[place] ^ (1 << dice.integers(8))]
        )
    end = dice.integers(len(spoiled)) if dice.random() < 0.05 else len(spoiled)
    return spoiled[:end].tobytes()


def read_all(path: Path) -> None:
    with open_tensors(path) as tensors:
        recognize_layout(tensors)
        for tensor in tensors.values():
            tensor.read()


def test_damage_is_read_or_refused_by_name(tmp_path: Path) -> None:
    content, path = make_file(tmp_path / "small.h5"), tmp_path / "mutated.h5"
    read_all(tmp_path / "small.h5")
    dice = np.random.default_rng(13)
    refused = 0
    for _ in range(COUNT):
        path.write_bytes(mutate(content, dice))
        try:
            read_all(path)
        except InputError as fault:
            assert str(fault).startswith(f"`{path}` must ")
            assert len(str(fault)) < 700
            refused += 1
    assert COUNT / 10 < refused < COUNT  # the damage matters, and not all of it is found


def test_chunks_of_more_axes_than_the_tensor_are_refused(tmp_path: Path) -> None:
    content, path = make_file(tmp_path / "small.h5"), tmp_path / "mutated.h5"
    shape = struct.pack("<BBB5xQQ", 1, 2, 1, 8, 8)  # version, axes, flags and sizes; reading one axis never ended
    assert content.count(shape) == 1
    path.write_bytes(content.replace(shape, shape[:1] + b"\x01" + shape[2:]))
    with pytest.raises(
        InputError, match=r"in chunks of as many axes; got \(4, 4\) of shape \(8,\) at rpn_model/shared"
    ):
        read_all(path)
