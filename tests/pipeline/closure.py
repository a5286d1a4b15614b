"""The code that a stage depends on: its script and every room of the package that it imports a module of.

`python tests/pipeline/closure.py stages/train.py` prints the code entries of `deps` in dvc.yaml.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

PACKAGE = "maskrcnn"
SCRIPT = re.compile(r"\bstages/\w+\.py\b")


def read_stages(path: Path) -> dict[str, dict[str, Any]]:
    """Returns the stages of a dvc.yaml by name; what `foreach` repeats stands under `do`."""
    stages = YAML(typ="safe").load(path)["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def find_script(stage: dict[str, Any]) -> str:
    """Returns the one script that the stage runs.

    Raises:
        ValueError: if there is none, or another one.
    """
    scripts = set(SCRIPT.findall(str(stage["cmd"])))
    if len(scripts) != 1:
        raise ValueError(f"`cmd` must run one script of stages/; got {stage['cmd']!r}.")
    return scripts.pop()


def find_closure(script: str, root: Path) -> set[str]:
    """Returns the script and all modules that it reaches, packages' `__init__.py` included."""
    reached: set[str] = set()
    waiting = {script}
    while waiting:
        path = waiting.pop()
        reached.add(path)
        for name in _imported_names(root / path):
            waiting |= set(_files(name, root)) - reached
    return reached


def _imported_names(path: Path) -> Iterator[str]:
    """Yields the dotted names that a file imports from the package; ruff keeps relative imports away."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == PACKAGE)


def _files(name: str, root: Path) -> Iterator[str]:
    """Yields the file of a module and of every package above it; the last part may be a function's name."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        stem = "/".join(parts[:depth])
        yield from (path for path in (f"{stem}.py", f"{stem}/__init__.py") if (root / path).is_file())


def find_rooms(modules: set[str]) -> set[str]:
    """Returns the scripts and rooms that modules lie in: folders of the package, or files beside them.

    The package's own `__init__.py` belongs to no room: it defines names that are imported when asked for.
    """
    rooms = {"/".join(Path(path).parts[:2]) for path in modules}
    return rooms - {f"{PACKAGE}/__init__.py"}


def find_code_deps(stage: dict[str, Any]) -> set[str]:
    """Returns the stage's deps that are code."""
    return {dep for dep in stage.get("deps", []) if dep.startswith((f"{PACKAGE}/", "stages/")) or dep == PACKAGE}


def find_unneeded(stage: dict[str, Any], root: Path) -> set[str]:
    """Returns the files whose change runs a stage again although it does not import them."""
    files: set[str] = set()
    for dep in find_code_deps(stage):
        paths = (root / dep).rglob("*.py") if (root / dep).is_dir() else [root / dep]
        files |= {path.relative_to(root).as_posix() for path in paths}
    return files - find_closure(find_script(stage), root)


def compare(stages: dict[str, dict[str, Any]], root: Path) -> list[str]:
    """Returns what to add to and to remove from the deps of each stage."""
    faults = []
    for name, stage in stages.items():
        needed, given = find_rooms(find_closure(find_script(stage), root)), find_code_deps(stage)
        for verb, paths in (("add to", needed - given), ("remove from", given - needed)):
            if paths:
                faults.append(f"{verb} the deps of {name}: {', '.join(sorted(paths))}")
    return faults


if __name__ == "__main__":
    print(", ".join(sorted(find_rooms(find_closure(sys.argv[1], Path())))))
