"""JSON files of others, and our own."""

import ast
from pathlib import Path

import pytest

from maskrcnn.project import json_files
from maskrcnn.project.errors import InputError
from maskrcnn.project.json_files import parse_json, read_json


def test_values_are_those_of_json() -> None:
    text = '\ufeff{"a": [1, -2.5, 1e-400, true, null], "b": {"a": "\u00e9"}, "c": 123456789012345678}'
    assert parse_json(text.encode()) == {"a": [1, -2.5, 0.0, True, None], "b": {"a": "é"}, "c": 123456789012345678}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "got Expecting value"),
        (b"[1", "got Expecting ',' delimiter"),
        (b"\xff\xfe", "got 'utf-8' codec can't decode"),
        (b"[NaN]", "got NaN"),
        (b"[-Infinity]", "got -Infinity"),
        (b"[1e999]", "got 1e999, which is too large"),
        (b"[-%s.5]" % (b"9" * 400), "got -9999.*, which is too large"),
        (b"[%s]" % (b"9" * 5000), "got a whole number of 5000 digits, 99999999999999999999[.]{3}"),
        (b'{"a": 1, "b": 2, "a": 1}', "got the key 'a' twice"),
        (b"[" * 100_000, "got lists or objects nested too deep"),
        (b'{"a":' * 100_000, "got lists or objects nested too deep"),
    ],
)
def test_everything_else_is_refused(content: bytes, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        parse_json(content)


def test_a_file_is_named_with_its_fault_and_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("{")
    with pytest.raises(InputError, match=r"a\.json` must be JSON; got Expecting property name.*\. Write it anew\."):
        read_json(path, " Write it anew.")
    monkeypatch.setattr(json_files, "LARGEST", 3)
    path.write_text("[12]")
    with pytest.raises(InputError, match=r"a\.json` must have at most 3 bytes; got 4\."):
        read_json(path)
    path.write_text("[1]")
    assert read_json(path) == [1]


def test_no_json_of_ours_can_hold_nan() -> None:
    root = Path(json_files.__file__).parents[2]
    checked = root / "maskrcnn/project/params.py"  # its text goes to pydantic alone, which refuses NaN by name
    calls = [
        (path, node)
        for folder in ("maskrcnn", "stages")
        for path in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.dump", "json.dumps")
    ]
    assert len(calls) > 10
    for path, call in calls:
        assert path == checked or "allow_nan=False" in map(ast.unparse, call.keywords), f"{path}:{call.lineno}"
