"""Merges an overlay into the demo's hyperparameters.

Reads   params.yaml, scales/<name>.yaml
Writes  params.yaml

An overlay lists only what it changes. Sections merge key by key, and every key must be known. Mappings
whose keys are data (classes, cities, splits, candidates, variants) are replaced whole.
`dvc repro` never runs this script: `make cityscapes` does, and `git checkout params.yaml` undoes it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

from maskrcnn.project.command import run
from maskrcnn.project.errors import InputError
from maskrcnn.project.files import whole_file
from maskrcnn.project.params import read_params, read_yaml

Node = CommentedMap | CommentedSeq
REPLACED_WHOLE = frozenset(
    {"data.classes", "splits", "synthesize", "weights", "coarse.comparisons", "candidates", "search", "variants"}
)


def main(name: str, root: Path = Path()) -> None:
    """Rewrites `params.yaml` at the scale of that name; leaves it where it is at that scale already.

    Raises:
        FileNotFoundError: outside the root of the repository.
        InputError: if there is no such scale, if `params.yaml` is at another one than the demo's, or if the scale has
            an unknown key.
    """
    names = sorted(overlay.stem for overlay in (root / "scales").glob("*.yaml"))
    if names and name not in names:
        back = "`git checkout params.yaml` restores the demo's"
        raise InputError(f"`name` must be one of {', '.join(names)}; got {name}, {back}.")
    path, overlay_path = root / "params.yaml", root / "scales" / f"{name}.yaml"
    overlay, params = read_yaml(overlay_path), read_params(path).values
    scale = params.get("scale")
    if scale == name:
        return
    if scale != "demo":
        raise InputError(f"`{path}` must be at scale demo; got {scale}, `git checkout {path}` restores it.")
    if faults := find_faults(params, overlay):
        raise InputError(f"`{overlay_path}` must change known keys of params.yaml; got {', '.join(faults)}.")
    write_merged(path, overlay)


def find_faults(params: dict[str, Any], overlay: dict[str, Any], section: str = "") -> list[str]:
    """Returns the dotted names of the overlay's keys that the parameters lack, or hold as a section."""
    faults = []
    for key, value in overlay.items():
        name = f"{section}{key}"
        if key not in params:
            faults.append(f"`{name}`")
        elif isinstance(params[key], dict) and not isinstance(value, dict):
            faults.append(f"`{name}` without its keys")
        elif _is_merged(params, key, name):
            faults += find_faults(params[key], value, f"{name}.")
    return faults


def write_merged(path: Path, overlay: dict[str, Any]) -> None:
    """Merges the overlay into the file, comments kept; it is written whole or not at all."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    params = yaml.load(path)
    merge(params, overlay)
    with whole_file(path) as unfinished:
        yaml.dump(params, unfinished)


def merge(params: CommentedMap, overlay: dict[str, Any], section: str = "") -> None:
    """Sets every value of the overlay in the parameters, which have all its keys."""
    for key, value in overlay.items():
        name = f"{section}{key}"
        if _is_merged(params, key, name):
            merge(params[key], value, f"{name}.")
        else:
            _replace(params, key, value)


def _is_merged(params: dict[str, Any], key: str, name: str) -> bool:
    """Tells whether a key is a section that merges key by key."""
    return isinstance(params[key], dict) and name not in REPLACED_WHOLE


def _replace(params: CommentedMap, key: str, value: Any) -> None:
    """Puts the value in the place of the old one, in its style and before the lines that follow it."""
    old, new = params[key], _commented(value)
    following = _take_following_lines(*_last_entry(params, key))
    params[key] = new
    if isinstance(new, Node) and isinstance(old, Node) and old.fa.flow_style():
        new.fa.set_flow_style()
    if following:
        _add_following_lines(*_last_entry(params, key), following)


def _commented(value: Any) -> Any:
    """Returns the value in the containers that ruamel.yaml hangs comments and styles on."""
    if isinstance(value, dict):
        return CommentedMap((key, _commented(item)) for key, item in value.items())
    return CommentedSeq(map(_commented, value)) if isinstance(value, list) else value


def _last_entry(node: Node, key: Any) -> tuple[Node, Any]:
    """Returns where a value ends; ruamel.yaml keeps the lines up to the next section there."""
    value = node[key]
    if not isinstance(value, Node) or not value or value.fa.flow_style():
        return node, key
    return _last_entry(value, len(value) - 1 if isinstance(value, CommentedSeq) else next(reversed(value)))


def _take_following_lines(node: Node, key: Any) -> str:
    """Cuts the lines below an entry off its comment."""
    token = node.ca.items.get(key, [None] * 4)[_slot(node)]
    if token is None:
        return ""
    comment, _, following = token.value.partition("\n")
    token.value = f"{comment}\n"
    return following


def _add_following_lines(node: Node, key: Any, following: str) -> None:
    """Puts lines below an entry, after the comment beside it."""
    comments = node.ca.items.setdefault(key, [None] * 4)
    comments[_slot(node)] = comments[_slot(node)] or CommentToken("\n", CommentMark(0), None)
    comments[_slot(node)].value += following


def _slot(node: Node) -> int:
    """Returns where ruamel.yaml keeps the comment behind a value."""
    return 0 if isinstance(node, CommentedSeq) else 2


if __name__ == "__main__":
    run(main, __doc__, name="a file of scales/, without .yaml")
