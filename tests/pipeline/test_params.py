"""Each stage of dvc.yaml declares the params that its script names and reads, and no others."""

import ast
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from maskrcnn.project.config import Runtime, Study
from tests.pipeline.closure import find_script, read_stages

ROOT = Path(__file__).parents[2]
WHOLE = {"params.yaml": None}
UNTRACKED = {"feeder"}  # changes no result


def declared(stage: dict[str, Any]) -> set[str]:
    """The stage's params in dvc.yaml; what is filled in for each item becomes a star, the whole file `all`."""
    return {"all" if entry == WHOLE else re.sub(r"\$\{.*?\}", "*", entry) for entry in stage.get("params", [])}


def documented(source: str) -> set[str]:
    """The names of the docstring's line `Params  data, splits.<split>`; what varies becomes a star.

    A line that ends with a comma is continued by the next.
    """
    text = re.search(r"^Params +((?:.*,\n)*.*)$", ast.get_docstring(ast.parse(source)) or "", re.MULTILINE)
    return {re.sub(r"<.*?>", "*", name.strip()) for name in text[1].split(",")} if text else set()


def read(source: str) -> Iterator[str]:
    """The sections that a script takes from what it calls `params`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(ast.Name("check_study")):
                yield "all"
            case ast.Call(ast.Name("read_images_root")):
                yield "data"
            case ast.Call(ast.Name("prepare_runtime")):
                yield from ("backend", "deterministic")
            case ast.Call(ast.Name("read_runtime")):
                yield from (field.name for field in fields(Runtime))
            case ast.Subscript(ast.Attribute(ast.Name("params"), "values"), ast.Constant(section)):
                yield section
            case ast.Call(ast.Attribute(ast.Name("params"), "section"), [ast.Name(kind)]):
                yield kind.lower()
            case ast.Call(ast.Attribute(ast.Name("params"), "section"), [_, ast.Constant(name)]):
                yield name.partition(".")[0]
            case ast.Call(ast.Attribute(ast.Name("params"), "section"), [_, ast.JoinedStr([ast.Constant(name), *_])]):
                yield name.partition(".")[0]


def find_faults(stages: dict[str, dict[str, Any]], root: Path) -> list[str]:
    """What each stage must declare in dvc.yaml, and what its script must name in its docstring."""
    faults = []
    for name, stage in stages.items():
        script = find_script(stage)
        source = (root / script).read_text()
        names, sections = documented(source), set(read(source)) - UNTRACKED
        if (given := declared(stage)) != names:
            faults.append(f"`params` of {name} must be {sorted(names)} as {script} says; got {sorted(given)}")
        if (named := {entry.partition(".")[0] for entry in names}) != sections:
            faults.append(f"`Params` of {script} must name {sorted(sections)}; got {sorted(named)}")
    return faults


def test_stages_declare_what_they_read() -> None:
    if faults := find_faults(read_stages(ROOT / "dvc.yaml"), ROOT):
        pytest.fail("\n".join(faults), pytrace=False)


def find_optional(stages: dict[str, dict[str, Any]]) -> list[str]:
    """The keys of sections that a stage follows one by one and that params.yaml may leave out."""
    entries = {entry for stage in stages.values() for entry in declared(stage) if "." in entry and "*" not in entry}
    return [entry for entry in sorted(entries) if has_default(Study, entry)]


def has_default(kind: Any, entry: str) -> bool:
    """Whether a dotted key, or a part of it, may be left out of a section of this kind."""
    name, _, rest = entry.partition(".")
    if get_origin(kind) is dict:  # its keys are the user's; the rules name the one that must be there
        return has_default(get_args(kind)[1], rest)
    (field,) = (each for each in fields(kind) if each.name == name)
    is_optional = (field.default, field.default_factory) != (MISSING, MISSING)
    return is_optional or (bool(rest) and has_default(get_type_hints(kind)[name], rest))


def test_no_key_that_a_stage_follows_may_be_left_out() -> None:
    # DVC stops at a missing one only when it comes to the stage, hours later.
    assert find_optional(read_stages(ROOT / "dvc.yaml")) == []


def test_keys_that_may_be_left_out_are_told() -> None:
    assert find_optional({"train": {"params": ["data.root", "data.format", "predict.batch_size"]}}) == ["data.format"]


SCRIPT = '''"""Trains.

Reads   data/processed/training.npz
Params  train, variants.<variant>
"""
train = params.section(Train)
variant = params.section(Variant, f"variants.{name}")
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one script, which reads `train` and `variants`."""
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/train.py").write_text(SCRIPT)
    return tmp_path


def test_params_in_step_are_accepted(tree: Path) -> None:
    stage = {"cmd": "python stages/train.py ${key}", "params": ["train", "variants.${key}"]}
    assert find_faults({"train": stage}, tree) == []


def test_a_line_that_ends_with_a_comma_is_continued() -> None:
    source = SCRIPT.replace("train, variants", "train,\n        variants")
    assert documented(source) == documented(SCRIPT) == {"train", "variants.*"}


def test_undeclared_params_are_told(tree: Path) -> None:
    (fault,) = find_faults({"train": {"cmd": "python stages/train.py", "params": ["train"]}}, tree)
    assert fault == "`params` of train must be ['train', 'variants.*'] as stages/train.py says; got ['train']"


def test_undocumented_params_are_told(tree: Path) -> None:
    (tree / "stages/train.py").write_text(SCRIPT.replace("Params  train, ", "Params  "))
    (fault,) = find_faults({"train": {"cmd": "python stages/train.py", "params": ["variants.${key}"]}}, tree)
    assert fault == "`Params` of stages/train.py must name ['train', 'variants']; got ['variants']"
