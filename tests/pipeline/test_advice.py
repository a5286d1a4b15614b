"""Each command that an error or a report of the package names exists, with the arguments that it needs."""

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from maskrcnn import __main__
from maskrcnn.project.params import read_yaml
from maskrcnn.project.runtime import LOCKS
from stages import scale

ROOT = Path(__file__).parents[2]
PROGRAMS = ("dvc", "git", "make", "maskrcnn", "mv", "pip", "python", "rm")
BLANK = "{}"  # what an f-string fills in
SCALES = ("demo", *(path.stem for path in sorted((ROOT / "scales").glob("*.yaml"))))


def find_texts(node: ast.AST) -> Iterator[str]:
    """Yields the texts of a module except docstrings, with `{}` for what is filled in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else BLANK for part in child.values)
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        else:
            yield from find_texts(child)


def find_commands(source: str) -> list[str]:
    """Returns the commands in backticks among the texts of a module."""
    quoted = [command for text in find_texts(ast.parse(source)) for command in re.findall("`([^`\n]+)`", text)]
    return [part.strip() for command in quoted for part in command.split("&&") if part.split()[0] in PROGRAMS]


def find_addresses(name: str, folder: Path) -> set[str]:
    """Returns the stages of a scale as `dvc repro` takes them: `train`, `train@base`."""
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "scales", folder / "scales")
    if name != "demo":
        scale.main(name, folder)
    params = read_yaml(folder / "params.yaml")
    addresses = set()
    for stage, settings in YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].items():
        items = params[settings["foreach"][2:-1]] if "foreach" in settings else None
        addresses |= {stage} if items is None else {f"{stage}@{item}" for item in items} | ({stage} if items else set())
    return addresses


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The stages of every scale."""
    return {name: find_addresses(name, tmp_path_factory.mktemp(name)) for name in SCALES}


def matches(word: str, known: set[str]) -> bool:
    """Returns whether a word with blanks can be one of the known ones."""
    pattern = ".+".join(map(re.escape, word.split(BLANK)))
    return any(re.fullmatch(pattern, name) for name in known)


def count_arguments(script: Path) -> int:
    """Returns how many words a script of stages/ takes: those that it describes to `run`."""
    calls = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.Call)]
    (call,) = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "run"]
    return len(call.keywords)


def find_fault(command: str, addresses: dict[str, set[str]]) -> str:
    """Returns why a command would fail; nothing where it would not."""
    program, *words = shlex.split(command)
    plain = [word for word in words if not word.startswith("-")]
    match program:
        case "dvc":
            return find_fault_of_dvc(words, plain, addresses)
        case "maskrcnn":
            return find_fault_of_cli(words)
        case "python":
            script = ROOT / plain[0]
            if not script.is_file():
                return f"there is no {plain[0]}"
            needed = count_arguments(script)
            return "" if len(plain) == needed + 1 else f"{plain[0]} takes {needed} arguments"
        case "make":
            targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
            return "" if {word for word in plain if "=" not in word} <= targets else "the Makefile has no such target"
        case "pip":
            return "" if matches(plain[-1], {*LOCKS.values()}) else f"there is no {plain[-1]}"
        case "git" if plain[0] == "checkout":
            return "" if BLANK in plain[-1] or (ROOT / plain[-1]).exists() else f"there is no {plain[-1]}"
    return "" if plain else "it needs paths"


def find_fault_of_dvc(words: list[str], plain: list[str], addresses: dict[str, set[str]]) -> str:
    from dvc.cli import DvcParserError
    from dvc.cli.parser import get_main_parser

    try:
        get_main_parser().parse_args(words)
    except (DvcParserError, SystemExit):
        return "DVC has no such command"
    targets = plain[1:] if plain[0] in ("repro", "commit") else []
    lost = [
        f"{target} at the scale {name}" for target in targets for name in SCALES if not matches(target, addresses[name])
    ]
    return f"there is no stage {', '.join(lost)}" if lost else ""


def find_fault_of_cli(words: list[str]) -> str:
    filled = ["coco" if word == BLANK and "fetch" in words else word for word in words]
    try:
        __main__._parser().parse_args(filled)
    except SystemExit as exit:
        return "maskrcnn has no such command" if exit.code else ""  # 0: the help
    return ""


SOURCES = sorted(path for room in ("maskrcnn", "stages") for path in (ROOT / room).rglob("*.py"))
FOUND = {(path.relative_to(ROOT), command) for path in SOURCES for command in find_commands(path.read_text())}


@pytest.mark.parametrize(("source", "command"), sorted((str(path), command) for path, command in FOUND))
def test_advised_commands_work(source: str, command: str, addresses: dict[str, set[str]]) -> None:
    assert find_fault(command, addresses) == ""


def test_stages_that_are_filled_in_exist(addresses: dict[str, set[str]]) -> None:
    # the readers of findings and metrics put the name of a stage, their last argument, into their advice
    names = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("read_finding", "read_metrics"):
                names.add(next(find_texts(ast.Module([ast.Expr(ast.List([node.args[-1]]))], [])), "a variable"))
    assert len(names) > 3
    assert not [name for name in names for stages in addresses.values() if not matches(name, stages)]


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("python stages/synthesize.py", "takes 1 arguments"),
        ("python stages/draw_city.py", "there is no"),
        ("dvc repro synthesize@city", "there is no stage synthesize@city at the scale cityscapes"),
        ("dvc repro paint", "there is no stage"),
        ("dvc brew", "DVC has no such command"),
        ("maskrcnn weights show", "maskrcnn has no such command"),
        ("make coffee", "the Makefile has no such target"),
        ("pip install -r requirements/none.txt", "there is no"),
    ],
)
def test_commands_that_fail_are_found(command: str, fault: str, addresses: dict[str, set[str]]) -> None:
    source = f'"""`dvc repro mine` is no advice here."""\nraise ValueError(f"`{{path}}` must exist; run `{command}`.")'
    (found,) = find_commands(source)
    assert fault in find_fault(found, addresses)
