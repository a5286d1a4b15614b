"""Facts in HDF5 files, honest and hostile."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskrcnn.network.facts import encode_facts
from maskrcnn.network.weights import read_facts
from maskrcnn.network.weights.attributes import NAME, write_facts
from maskrcnn.project.errors import InputError
from tests.network.weights.facts import FACTS

COUNT = 300
OTHERS = [None, True, -1, 0, 2**31, 1e308, 10**400, "", "../x", "\0", "x" * 600, [], {}, [[[]]], {"a": 1}, [1] * 99]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.h5"
    make_file(path)
    return path


def make_file(path: Path) -> None:
    """Writes a file with facts and one tensor."""
    with h5py.File(path, "w") as file:
        file["conv1/conv1/bias:0"] = np.zeros(4, np.float32)
        file.attrs["layer_names"] = ["conv1"]
        write_facts(file, FACTS)


def test_write_and_read_are_inverses(path: Path) -> None:
    assert read_facts(path) == read_facts(str(path)) == FACTS


def test_facts_are_replaced(path: Path) -> None:
    with h5py.File(path, "a") as file:
        write_facts(file, FACTS)
    assert read_facts(path) == FACTS


def test_the_attribute_is_a_json_text_of_fixed_length(path: Path) -> None:
    with h5py.File(path) as file:
        text = file.attrs[NAME]
    assert isinstance(text, np.bytes_)
    assert json.loads(text)["class_names"] == ["red", "green", "blue"]


def put(path: Path, value: Any, **settings: Any) -> None:
    """Replaces the facts by another attribute."""
    with h5py.File(path, "a") as file:
        file.attrs.create(NAME, value, **settings)


@pytest.mark.parametrize(
    "value",
    [
        encode_facts(FACTS).decode(),  # of variable length, which is known only after it is read
        np.array([encode_facts(FACTS)]),
        np.zeros(8, np.uint8),
        np.int64(7),
        h5py.Empty("S10"),
        np.array((1, 2.0), dtype=[("a", "i4"), ("b", "f8")]),
        np.bytes_(b" " * 64_001),
    ],
    ids=["variable", "array", "bytes", "number", "empty", "compound", "long"],
)
def test_an_attribute_of_another_form_is_refused(path: Path, value: Any) -> None:
    put(path, value)
    with pytest.raises(InputError, match=r"model\.h5` must carry its facts as one text of fixed length, of at"):
        read_facts(path)


def test_a_reference_is_not_followed(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.attrs.create(NAME, file["conv1"].ref, dtype=h5py.ref_dtype)
    with pytest.raises(InputError, match="must carry its facts as one text of fixed length"):
        read_facts(path)


def test_a_heap_of_attributes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path, size = tmp_path / "model.h5", 64_000_000
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs[NAME] = np.bytes_(b"[" * size)
    assert path.stat().st_size > size
    before = count_read_bytes()
    with pytest.raises(InputError, match=r"model\.h5` must keep its attributes in the header of its root; got a heap"):
        read_facts(path)
    assert count_read_bytes() - before < size / 10


def count_read_bytes() -> int:
    """Returns the bytes that this process has read from files."""
    return int(Path("/proc/self/io").read_text().split()[1])


def test_a_claim_of_a_gigabyte_is_refused(path: Path) -> None:
    content, size = path.read_bytes(), len(encode_facts(FACTS))
    claim = content.replace(size.to_bytes(4, "little"), (10**9).to_bytes(4, "little"))
    assert claim != content
    path.write_bytes(claim)
    with pytest.raises(InputError, match=r"`.*model\.h5` must "):
        read_facts(path)


def test_other_attributes_are_not_read(path: Path) -> None:
    with h5py.File(path, "a") as file:
        for index in range(50):
            file.attrs[f"other_{index}"] = np.zeros(60_000, np.uint8)
    assert read_facts(path) == FACTS


@pytest.mark.parametrize("name", ["../../{marker}", "/{marker}", "a/../{marker}", "{marker}\0"])
def test_a_path_in_a_name_is_refused_and_touches_nothing(path: Path, tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    marker.write_text("mine")
    os.utime(marker, ns=(10**9, 10**9))
    values = json.loads(encode_facts(FACTS)) | {"class_names": ["a", "b", name.format(marker=marker)]}
    put(path, np.bytes_(json.dumps(values)))
    with pytest.raises(InputError, match=r"must hold names, not paths|must be printable"):
        read_facts(path)
    assert (marker.stat().st_atime_ns, marker.stat().st_mtime_ns) == (10**9, 10**9)


def test_groups_nested_by_the_thousand_are_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        group = file.id
        for _ in range(3000):
            group = h5py.h5g.create(group, b"a")
    from maskrcnn.network.weights.tensors import open_tensors

    with pytest.raises(InputError, match=r"model\.h5` must nest at most 8 groups"), open_tensors(path):
        pass


def break_text(text: bytes, dice: np.random.Generator) -> bytes:
    """Returns facts of which one value is another one, or some bytes are others."""
    if dice.random() < 0.5:
        values = json.loads(text)
        where: Any = values
        key: Any = dice.choice(list(values))
        while isinstance(where[key], dict | list) and where[key] and dice.random() < 0.7:
            where = where[key]
            key = dice.choice(list(where)) if isinstance(where, dict) else int(dice.integers(len(where)))
        others = [
            None,
            True,
            -1,
            0,
            2**31,
            1e308,
            10**400,
            "",
            "../x",
            "\0",
            "x" * 600,
            [],
            {},
            [[[]]],
            {"a": 1},
            [1] * 99,
        ]
        where[key] = others[dice.integers(len(others))]
        return json.dumps(values).encode()
    spoiled = np.frombuffer(text, np.uint8).copy()
    for _ in range(dice.integers(1, 9)):
        spoiled[dice.integers(len(spoiled))] = dice.choice([*b'[]{}",:0e-\\ \0', dice.integers(256)])
    return spoiled.tobytes()


def break_file(content: bytes, dice: np.random.Generator) -> bytes:
    """Returns a file of which some bytes in or near the header are others, or the facts are broken."""
    text = encode_facts(FACTS)
    if dice.random() < 0.5:
        return content.replace(text, break_text(text, dice)[: len(text)].ljust(len(text)))
    spoiled = np.frombuffer(content, np.uint8).copy()
    used = np.flatnonzero(spoiled)
    for _ in range(dice.integers(1, 9)):
        place = dice.choice(used)
        spoiled[place] = dice.choice([0, 1, 127, 128, 255, spoiled[place] ^ (1 << dice.integers(8))])
    return spoiled.tobytes()


def fuzz(folder: Path, count: int, seed: int, spoil: Callable[[bytes, np.random.Generator], bytes]) -> int:
    """Reads facts from files with random damage; returns how many were refused. Others must be read."""
    path, dice, refused = folder / "model.h5", np.random.default_rng(seed), 0
    make_file(path)
    content = path.read_bytes()
    for _ in range(count):
        path.write_bytes(spoil(content, dice))
        try:
            read_facts(path)
        except InputError as fault:
            assert str(fault).startswith(f"`{path}` must ")
            assert len(str(fault)) < 1500
            refused += 1
    return refused


def test_random_damage_is_read_or_refused_by_name(tmp_path: Path) -> None:
    assert COUNT / 10 < fuzz(tmp_path, COUNT, 14, break_file) < COUNT
