"""Re-hashes what DVC trusts unread: outputs and raw data in the repository, DVC's cache, a remote that is a folder.

DVC notes the hash of a file with its size and times, and reads it again only where those changed. So a byte that a
disk or another program changed can be trained on, or pushed to others. The hashes of `dvc.lock` tell.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from maskrcnn.cli.findings import Finding
from maskrcnn.network.weights.released import digest
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_yaml

CODE = ("maskrcnn", "stages")  # a stage runs again when these change; a change is no damage
STORE = "files/md5"  # of a cache or a remote: a file in it has the name of its hash
FOLDER = ".dir"  # end of the hash of a folder, that of a list of its files


@dataclass(frozen=True)
class Recorded:
    """A file or folder with the hash that `dvc.lock` holds.

    Args:
        path: From the root of the repository.
        md5: Its hash; that of a folder ends with `.dir`.
        stage: The stage that makes it; empty for what the stages only read.
        out: The output that it is a part of; itself otherwise.
    """

    path: str
    md5: str
    stage: str
    out: str


@dataclass(frozen=True)
class Cache:
    """The files of a cache or a remote in a folder.

    Args:
        root: The folder that holds `files/md5`.
    """

    root: Path

    def find(self, md5: str) -> Path:
        """Returns where the content of a hash lies, if it is there."""
        return self.root / STORE / md5[:2] / md5[2:]

    def is_damaged(self, md5: str) -> bool:
        """Returns whether the content of a hash is there and has another hash."""
        path = self.find(md5)
        return path.is_file() and digest(path, "md5") != md5.removesuffix(FOLDER)


def examine_hashes(root: Path, asked: Sequence[str]) -> Iterator[Finding]:
    """Yields every damaged file with the stage that made it and what mends it, and how many files are whole.

    Args:
        root: Folder of the repository.
        asked: Files and folders of the repository, or the folder of a cache or a remote; nothing for all that
            `dvc.lock` records.
    Raises:
        FileNotFoundError: if there is no `dvc.lock`.
        InputError: if something else is asked for.
    """
    outs_and_inputs = list(read_recorded(root))  # first, since outside a repository DVC has no cache to name
    cache = Cache(find_cache(root))
    recorded = [part for whole in outs_and_inputs for part in list_parts(whole, cache)]
    stores = [Path(name) for name in asked if (root / name / STORE).is_dir()]
    names = [_relative(root, name) for name in asked if Path(name) not in stores]
    chosen = [part for part in recorded if not asked or any(_is_within(part.path, name) for name in names)]
    for name in names:
        if not any(_is_within(part.path, name) for part in chosen):
            raise InputError(f"`{name}` must be recorded in dvc.lock, or hold a cache's {STORE}; got neither.")
    count = 0
    for store in stores:
        found = list(examine_store(Cache(root / store), recorded))
        count += len(found)
        yield from filter(None, found)
    with ThreadPoolExecutor() as pool:  # hashing releases Python's lock
        for finding in pool.map(lambda part: examine_recorded(part, root, cache), chosen):
            count += 1
            if finding is not None:
                yield finding
    yield Finding("hashes", f"{count} files and folders read")


def find_cache(root: Path) -> Path:
    """Returns the folder of DVC's cache, which may be shared by several clones."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if answer.returncode != 0:
        raise InputError(f"`dvc cache dir` must work in {root.resolve()}; got {answer.stderr.strip()}")
    return Path(answer.stdout.strip())


def read_recorded(root: Path) -> Iterator[Recorded]:
    """Yields what `dvc.lock` records: the outputs of the stages, and the raw data and weights that they read."""
    stages = read_yaml(root / "dvc.lock").get("stages", {})
    outs = {out["path"]: Recorded(out["path"], out["md5"], name, out["path"]) for name, out in _entries(stages, "outs")}
    yield from outs.values()
    inputs = {dep["path"]: dep["md5"] for _, dep in _entries(stages, "deps")}
    for path, md5 in sorted(inputs.items()):
        if not any(_is_within(path, other) or _is_within(other, path) for other in (*outs, *CODE)):
            yield Recorded(path, md5, "", path)


def _entries(stages: dict, kind: str) -> Iterator[tuple[str, dict]]:
    """Yields the hashed entries of all stages, each with the name of its stage."""
    for name, stage in stages.items():
        for entry in stage.get(kind, ()):
            if "md5" in entry:
                yield name, entry


def list_parts(whole: Recorded, cache: Cache) -> Iterator[Recorded]:
    """Yields the files of a folder, where the cache holds an undamaged list of them; else the folder itself."""
    manifest = cache.find(whole.md5)
    if not whole.md5.endswith(FOLDER) or not manifest.is_file() or cache.is_damaged(whole.md5):
        yield whole
        return
    for entry in json.loads(manifest.read_bytes()):
        yield Recorded(f"{whole.path}/{entry['relpath']}", entry["md5"], whole.stage, whole.path)


def examine_recorded(part: Recorded, root: Path, cache: Cache) -> Finding | None:
    """Returns the damage of a file or folder in the repository and in the cache; None where both are whole."""
    path = root / part.path
    is_damaged = path.exists() and hash_path(path) != part.md5
    is_lost = cache.is_damaged(part.md5)
    if not (is_damaged or is_lost):
        return None
    places = [part.path] * is_damaged + [str(cache.find(part.md5))] * is_lost
    origin = f"made by `{part.stage}`" if part.stage else "read by the stages"
    return Finding(part.path, f"damaged, {origin}", f"{' and '.join(places)}: {advise(part, root, cache)}")


def hash_path(path: Path) -> str:
    """Returns the hash of a file or folder as DVC computes it."""
    if path.is_file():
        return digest(path, "md5")
    names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    entries = [{"md5": digest(path / name, "md5"), "relpath": name} for name in names]
    return hashlib.md5(json.dumps(entries, sort_keys=True, allow_nan=False).encode()).hexdigest() + FOLDER


def advise(part: Recorded, root: Path, cache: Cache) -> str:
    """Returns the commands that replace what is damaged."""
    stored, is_lost = cache.find(part.md5), cache.is_damaged(part.md5)
    if not part.stage:
        return f"put back the {part.path} that was there, or run `dvc repro` with what is there now."
    if _is_kept_by_git(root, part.path):
        return f"`git checkout {shlex.quote(part.path)}` brings the committed one back."
    if is_lost and (root / part.path).exists() and hash_path(root / part.path) == part.md5:
        return f"`rm -f {shlex.quote(str(stored))} && dvc commit --force {part.stage}` stores it again."
    if stored.is_file() and not is_lost:
        return f"`rm -rf {shlex.quote(part.path)} && dvc checkout {shlex.quote(part.out)}` brings it back."
    damaged = " ".join(shlex.quote(str(path)) for path in (part.out, *([stored] if is_lost else [])))
    return f"`rm -rf {damaged}`, then `dvc pull {part.stage}`, or `dvc repro {part.stage}` where no remote has it."


def _is_kept_by_git(root: Path, path: str) -> bool:
    """Returns whether git holds a file, and DVC's cache does not."""
    return subprocess.run(["git", "ls-files", "--error-unmatch", path], cwd=root, capture_output=True).returncode == 0


def examine_store(store: Cache, recorded: Iterable[Recorded]) -> Iterator[Finding | None]:
    """Yields the damage of each file of a cache or remote; None for one that is whole."""
    known = {part.md5.removesuffix(FOLDER): part for part in recorded}
    for path in sorted((store.root / STORE).glob("??/*")):
        md5 = path.parent.name + path.name
        if not store.is_damaged(md5):
            yield None
            continue
        part = known.get(md5.removesuffix(FOLDER))
        origin = f"{part.path}, made by `{part.stage}`" if part else "not recorded in dvc.lock"
        advice = f"`rm -f {shlex.quote(str(path))} && dvc push` from a clone that has it whole."
        yield Finding(str(path), f"damaged, {origin}", advice)


def _relative(root: Path, name: str) -> str:
    """Returns a path from the root of the repository, without a slash at its end."""
    return os.path.relpath(root / name, root)


def _is_within(path: str, folder: str) -> bool:
    """Returns whether a path is a folder or lies in it."""
    return folder in (path, ".") or path.startswith(f"{folder}/")
