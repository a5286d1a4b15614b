"""The strict reader of `params.yaml`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from maskrcnn.project.config import Runtime, Split
from maskrcnn.project.params import Params, read_params, read_runtime, read_whole, read_yaml
from maskrcnn.project.ranges import Name, Positive, one_of


@dataclass(frozen=True)
class Kiln:
    """A section with a field of every kind."""

    name: str
    heat: Positive
    bricks: int
    is_hot: bool
    shape: tuple[int, int]
    rates: Annotated[tuple[float, ...], Field(min_length=1)]
    crew: list[str]
    loads: dict[Name, int]
    chimney: str | None
    glaze: Annotated[str, Field(pattern=one_of("shiny", "5+"))] = "shiny"


VALUES: dict[str, Any] = {
    "name": "north",
    "heat": 900,
    "bricks": 12,
    "is_hot": True,
    "shape": [3, 4],
    "rates": [1, 0.5, 0.25],
    "crew": ["ada", "bo"],
    "loads": {"monday": 2},
    "chimney": None,
}


def read_kiln(values: Any) -> Kiln:
    return Params(Path("params.yaml"), {"kiln": values}).section(Kiln)


def test_values_become_the_annotated_types() -> None:
    kiln = read_kiln(VALUES)
    assert kiln == Kiln("north", 900.0, 12, True, (3, 4), (1.0, 0.5, 0.25), ["ada", "bo"], {"monday": 2}, None)
    assert type(kiln.heat) is float
    assert {type(rate) for rate in kiln.rates} == {float}


def test_optional_value_may_be_given() -> None:
    assert read_kiln(VALUES | {"chimney": "brick"}).chimney == "brick"


TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # surrogates are no text


@given(st.builds(Split, TEXT, TEXT, st.booleans(), st.none() | st.lists(TEXT)))
def test_reading_undoes_asdict(split: Split) -> None:
    params = Params(Path("params.yaml"), {"splits": {"test": asdict(split)}})
    assert params.section(Split, "splits.test") == split


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("name", 3, r"`kiln\.name` must be a text; got 3"),
        ("heat", True, r"`kiln\.heat` must be a number; got True"),
        ("heat", "900", r"`kiln\.heat` must be a number; got '900', remove the quotes"),
        ("bricks", 12.0, r"`kiln\.bricks` must be a whole number; got 12\.0"),
        ("bricks", True, r"`kiln\.bricks` must be a whole number; got True"),
        ("bricks", None, r"`kiln\.bricks` must be a whole number; got None"),
        ("is_hot", 1, r"`kiln\.is_hot` must be true or false; got 1"),
        ("shape", [3], r"`kiln\.shape` must have 2 entries; got \[3\]"),
        ("shape", [3, 4.5], r"`kiln\.shape\[1\]` must be a whole number; got 4\.5"),
        ("rates", 0.5, r"`kiln\.rates` must be a list; got 0\.5"),
        ("crew", "ada", r"`kiln\.crew` must be a list; got 'ada'"),
        ("loads", {"monday": "two"}, r"`kiln\.loads\.monday` must be a whole number; got 'two'"),
        ("shape", [3, 4, 5], r"`kiln\.shape` must have 2 entries; got \[3, 4, 5\]"),
        ("glaze", "matt", r"`kiln\.glaze` must be one of shiny, 5\+; got 'matt'"),
        ("heat", 0, r"`kiln\.heat` must be above 0; got 0"),
        ("heat", float("nan"), r"`kiln\.heat` must be a finite number; got nan"),
        ("rates", [], r"`kiln\.rates` must have at least 1 entries; got \[\]"),
        ("loads", {"../monday": 2}, r"`kiln\.loads` must have keys that are of letters, digits, `_` and `-`; got '../"),
        ("chimney", 1, r"`kiln\.chimney` must be a text; got 1"),
    ],
)
def test_mistyped_value_is_refused(key: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        read_kiln(VALUES | {key: value})


def test_all_faults_are_named_at_once() -> None:
    values = VALUES | {"bricks": "many", "heta": 3}
    del values["name"]
    with pytest.raises(ValueError, match=r"`params\.yaml` must be valid; ") as error:
        read_kiln(values)
    for fault in (
        "`kiln.bricks` must be a whole number",
        "`kiln.heta` is unknown, the nearest key is `heat`",
        "`kiln.name` is missing",
    ):
        assert fault in str(error.value)


@pytest.mark.parametrize("values", [None, 3, ["name"]])
def test_section_must_be_a_mapping(values: Any) -> None:
    with pytest.raises(ValueError, match=r"`params\.yaml` must be valid; `kiln` must be a section; got"):
        read_kiln(values)


def test_an_unknown_section_is_told_with_those_there_are() -> None:
    params = Params(Path("params.yaml"), {"oven": {}, "splits": {"training": {}, "test": {}}})
    with pytest.raises(ValueError, match=r"^`params\.yaml` must have the section `kiln`; got oven, splits\.$"):
        params.section(Kiln)
    with pytest.raises(ValueError, match=r"must have the section `splits\.tset`; got training, test\.$"):
        params.section(Split, "splits.tset")
    with pytest.raises(ValueError, match=r"must have the section `kilns\.north`; got none\.$"):
        params.section(Kiln, "kilns.north")


@pytest.mark.parametrize("key", ["../test", "/tmp/test", "a/b", "", "a.b"])
def test_a_key_that_could_lead_elsewhere_is_refused(key: str) -> None:
    params = Params(Path("params.yaml"), {"splits": {key: {}}})
    with pytest.raises(ValueError, match=r"`splits` must have keys that are of letters, digits|must have the section"):
        params.section(Split, f"splits.{key}")


@pytest.mark.parametrize("key", [7, True, None, 1.5, (1, 2)])
def test_a_key_that_is_no_text_is_refused(key: object) -> None:
    with pytest.raises(ValueError, match=r"`kiln\.loads` must have keys that are texts; got .*, quote it"):
        read_kiln(VALUES | {"loads": {key: 1}})


def test_values_that_contain_themselves_are_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ValueError, match=r"must not be nested that deep, or contain itself"):
        read_kiln(VALUES | {"crew": endless})


def test_a_whole_file_is_one_section(tmp_path: Path) -> None:
    (tmp_path / "test.yaml").write_text("images: a\ntruth: b\ncities: [munster]\ninstance_maps: true\n")
    assert read_whole(Split, tmp_path / "test.yaml") == Split("a", "b", True, ["munster"])
    (tmp_path / "test.yaml").write_text("images: a\ntruth: b\ncities: munster\ninstance_maps: true\n")
    with pytest.raises(ValueError, match=r"test\.yaml` must be valid; `test\.cities` must be a list"):
        read_whole(Split, tmp_path / "test.yaml")


RUNTIME = {"backend": "jax", "precision": "mixed_bfloat16", "deterministic": False, "devices": 2}


def test_the_runtime_has_no_section() -> None:
    params = Params(Path("params.yaml"), {"scale": "demo", **RUNTIME})
    assert read_runtime(params) == Runtime("jax", "mixed_bfloat16", False, 2)


@pytest.mark.parametrize("key", RUNTIME)
def test_every_key_of_the_runtime_must_be_there(key: str) -> None:
    values = {name: value for name, value in RUNTIME.items() if name != key}
    with pytest.raises(ValueError, match=rf"`params\.yaml` must have the keys backend, .*, devices; got no {key}\.$"):
        read_runtime(Params(Path("params.yaml"), values))


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("backend", "torch", r"`backend` must be one of tensorflow, jax; got 'torch'"),
        ("precision", "float16", r"`precision` must be one of float32, mixed_bfloat16; got 'float16'"),
        ("deterministic", "yes", r"`deterministic` must be true or false; got 'yes'"),
        ("devices", 0, r"`devices` must be at least 1, or all; got 0"),
        ("devices", True, r"`devices` must be at least 1, or all; got True"),
        ("devices", 1.5, r"`devices` must be at least 1, or all; got 1\.5"),
        ("devices", "two", r"`devices` must be at least 1, or all; got 'two'"),
        ("devices", None, r"valid; `devices` must be at least 1, or all; got None\.$"),
    ],
)
def test_a_wrong_runtime_is_refused(key: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        read_runtime(Params(Path("params.yaml"), RUNTIME | {key: value}))


def test_params_are_yaml_1_2(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("rate: 1e-05\ncountry: no\n")
    assert read_yaml(tmp_path / "params.yaml") == {"rate": 1e-5, "country": "no"}


def test_missing_params_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"params\.yaml` must exist; run the command in the root"):
        read_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    "text", ["a: [1", "a:\tb: c", "a: 1\na: 2", "a: &b [*b", "a: !!python/object:os.system {}", "\x00"]
)
def test_what_is_not_yaml_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"params\.yaml` must be YAML; got "):
        read_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(("text", "kind"), [("", "NoneType"), ("- data", "list"), ("3", "int")])
def test_params_must_be_sections(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"params\.yaml` must be a mapping of sections; got {kind}"):
        read_params(tmp_path / "params.yaml")
