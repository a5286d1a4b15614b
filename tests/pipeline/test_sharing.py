"""Results that are shared through a folder, SSH and S3: what arrives, what never leaves, and what is damaged."""

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from maskrcnn.project.params import read_yaml
from tests.pipeline import study
from tests.pipeline.remotes import Remote, serve
from tests.pipeline.study import LICENSED, TRAINING, call, clone, commit, dvc, find_stages, read_shared, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MADE_HERE = {"preprocess", "draw", "report"}  # what is not shared: a clone with images makes it


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository after one `dvc repro`, all of it committed."""
    root = tmp_path_factory.mktemp("finished")
    study.make_study(root)
    dvc(root, "repro")
    commit(root, "The study")
    return root


@dataclass(frozen=True)
class Shared:
    """A repository, and the remote that it was pushed to."""

    origin: Path
    remote: Remote


@pytest.fixture(scope="module", params=["folder", "ssh", "s3"])
def shared(
    request: pytest.FixtureRequest, finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shared]:
    """The repository after `dvc push --run-cache`, which sends all that DVC can send."""
    with serve(request.param, tmp_path_factory.mktemp(request.param)) as remote:
        origin = copy(finished, tmp_path_factory.mktemp("origin"))
        remote.use(origin)
        dvc(origin, "push", "--run-cache")
        yield Shared(origin, remote)


def copy(origin: Path, folder: Path) -> Path:
    return Path(shutil.copytree(origin, folder / "study", symlinks=True))


def test_a_second_clone_trains_nothing(shared: Shared, tmp_path: Path) -> None:
    second = clone(shared.origin, tmp_path / "second")
    shared.remote.use(second)
    ran = {stage.partition("@")[0] for stage in find_stages(dvc(second, "repro", "--pull"))}
    assert ran == MADE_HERE
    assert len(read_shared(second)) > 10
    assert read_shared(second) == read_shared(shared.origin)
    assert "up to date" in dvc(second, "status")


def test_nothing_licensed_is_in_the_remote(shared: Shared) -> None:
    stored = shared.remote.read()
    licensed = {path for path in shared.origin.rglob("*") if path.is_file() and LICENSED in path.read_bytes()}
    made = {path.relative_to(shared.origin).parts[:2] for path in licensed}
    assert made > {("data", "cityscapes"), ("data", "processed"), ("pictures", "truth"), ("pictures", "found")}
    assert not [name for name, content in stored.items() if LICENSED in content]
    assert set(read_shared(shared.origin).values()) <= set(stored.values())  # the rest is there, unchanged


def flip_byte(content: bytes) -> bytes:
    """Returns content of the same length that differs in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def damage(path: Path) -> None:
    """Changes one byte as a failing disk does: mode and times stay, so DVC does not read the file again."""
    state = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        content = flip_byte(file.read())
        file.seek(0)
        file.write(content)
    path.chmod(state.st_mode)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def find_stored(store: Path, path: Path) -> Path:
    """Returns where a cache or a remote has the content of a file."""
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    return store / "files/md5" / md5[:2] / md5[2:]


def doctor(root: Path, *paths: str | Path) -> tuple[int, str]:
    """Returns the exit code and the report on hashes."""
    process = call(root, sys.executable, "-m", "maskrcnn", "doctor", "--hashes", *map(str, paths))
    return process.returncode, process.stdout + process.stderr


def follow(root: Path, report: str, which: int = 0) -> None:
    """Runs a command that a report advises."""
    commands = [command for command in re.findall("`([^`]+)`", report) if command.startswith(("rm ", "dvc ", "git "))]
    run(root, "sh", "-euc", commands[which].replace("dvc ", f"{sys.executable} -m dvc "))


def test_a_flipped_byte_in_a_remote_is_refused(shared: Shared, tmp_path: Path) -> None:
    second = clone(shared.origin, tmp_path / "second")
    shared.remote.use(second)
    start = (shared.origin / "models/start/coco.h5").read_bytes()
    name = next(name for name, content in shared.remote.read().items() if content == start)
    shared.remote.write(name, flip_byte(start))
    try:
        pull = call(second, sys.executable, "-m", "dvc", "pull", "train@base", "weights@coco")
    finally:
        shared.remote.write(name, start)
    assert pull.returncode != 0
    assert "models/start/coco.h5" in pull.stderr
    kept = [path for path in second.rglob("*") if path.is_file() and path.read_bytes() == flip_byte(start)]
    assert not kept


def test_a_flipped_byte_in_a_folder_of_a_remote_is_found(finished: Path, tmp_path: Path) -> None:
    origin = copy(finished, tmp_path)
    remote = tmp_path / "remote"
    dvc(origin, "remote", "add", "--local", "--default", "team", str(remote))
    dvc(origin, "push")
    assert doctor(origin, remote)[0] == 0
    stored = find_stored(remote, origin / "models/base.h5")
    damage(stored)
    code, report = doctor(origin, remote)
    assert code == 1
    assert f"{stored} damaged, models/base.h5, made by `train@base`" in report
    follow(origin, report)
    assert doctor(origin, remote)[0] == 0
    assert stored.read_bytes() == (origin / "models/base.h5").read_bytes()


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("name", ["models/base.h5", "tuning/hyperband/sgd/second.csv"])
def test_a_flipped_byte_in_a_cache_is_found(finished: Path, tmp_path: Path, link: str, name: str) -> None:
    origin = copy(finished, tmp_path)
    dvc(origin, "remote", "add", "--local", "--default", "team", str(tmp_path / "remote"))
    dvc(origin, "push")
    dvc(origin, "config", "--local", "cache.type", link)
    dvc(origin, "checkout", "--relink")
    assert doctor(origin)[0] == 0
    path, whole = origin / name, (origin / name).read_bytes()
    stored = find_stored(origin / ".dvc/cache", path)
    damage(stored)
    assert (path.read_bytes() == whole) == (link == "copy")
    code, report = doctor(origin)
    assert code == 1
    stage = "train@base" if name.startswith("models") else "hyperband@sgd"
    assert f"damaged, made by `{stage}`" in report
    assert str(stored) in report
    for which in range(1 if link == "copy" else 2):  # `rm ...`, then `dvc pull ...`
        follow(origin, report, which)
    assert doctor(origin)[0] == 0
    assert path.read_bytes() == stored.read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("models/start/coco.h5", "weights@coco"),
        ("tuning/babysit/first.csv", "babysit"),
        ("models/pretrained.h5", "pretrain"),  # which git keeps
    ],
)
def test_a_flipped_byte_in_the_repository_is_found(finished: Path, tmp_path: Path, name: str, stage: str) -> None:
    origin = copy(finished, tmp_path)
    whole = (origin / name).read_bytes()
    damage(origin / name)
    code, report = doctor(origin, Path(name).parent)
    assert code == 1
    assert f"damaged, made by `{stage}`" in report
    follow(origin, report)
    assert doctor(origin)[0] == 0
    assert (origin / name).read_bytes() == whole


def test_a_damaged_output_that_is_nowhere_else_is_made_again(finished: Path, tmp_path: Path) -> None:
    origin = copy(finished, tmp_path)
    damage(origin / "models/base.h5")
    find_stored(origin / ".dvc/cache", finished / "models/base.h5").unlink()
    code, report = doctor(origin, "models/base.h5")
    assert code == 1
    follow(origin, report, 0)
    follow(origin, report, 2)
    assert doctor(origin)[0] == 0
    assert (origin / "models/base.h5").read_bytes() != (finished / "models/base.h5").read_bytes()  # was trained anew


def test_a_flipped_byte_in_an_image_is_found(finished: Path, tmp_path: Path) -> None:
    origin = copy(finished, tmp_path)
    damage(origin / "data/cityscapes/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png")
    code, report = doctor(origin, "data/cityscapes")
    assert code == 1
    assert "data/cityscapes/leftImg8bit/train damaged, read by the stages" in report
    assert doctor(origin, "models")[0] == 0


def test_clones_that_share_a_cache_come_together_by_one_command(finished: Path, tmp_path: Path) -> None:
    cache = Path(shutil.copytree(finished / ".dvc/cache", tmp_path / "cache"))
    clones = {name: clone(finished, tmp_path / name) for name in ("first", "second", "all")}
    for root in clones.values():
        dvc(root, "cache", "dir", "--local", str(cache))
        change_augmentations(root)
    come_together(clones, ["repro"])


def test_clones_that_share_a_remote_come_together_by_one_command(finished: Path, tmp_path: Path) -> None:
    origin = copy(finished, tmp_path)
    dvc(origin, "remote", "add", "--local", "--default", "team", str(tmp_path / "remote"))
    dvc(origin, "push", "--run-cache")
    clones = {name: clone(finished, tmp_path / name) for name in ("first", "second", "all")}
    for root in clones.values():
        dvc(root, "remote", "add", "--local", "--default", "team", str(tmp_path / "remote"))
        change_augmentations(root)
    come_together(clones, ["repro", "--pull"], ["push", "--run-cache"])


def change_augmentations(root: Path) -> None:
    """Changes two variants, as a commit that all clones have."""
    params = read_yaml(root / "params.yaml")
    params["variants"] |= {"flip": params["variants"]["flip"] | {"augment": {"flip": 0.4}}}
    params["variants"] |= {"blur": params["variants"]["flip"] | {"augment": {"blur": 1.0}}}
    YAML().dump(params, root / "params.yaml")
    script = json.loads((root / "outputs.json").read_text())
    for command, outputs in list(script.items()):
        if command.endswith(" flip"):
            script[command.replace(" flip", " blur")] = {
                name.replace("flip", "blur"): is_pushed for name, is_pushed in outputs.items()
            }
    (root / "outputs.json").write_text(json.dumps(script))


def come_together(clones: dict[str, Path], gather: list[str], *after: list[str]) -> None:
    """Runs a variant in each of two clones; the third one gets both with the command of the runbook.

    Args:
        clones: `first`, `second` and `all`.
        gather: The arguments of that command of DVC.
        after: What the first two run at their end.
    """
    for name, variant in (("first", "flip"), ("second", "blur")):
        for arguments in ([*gather, f"predict@{variant}"], *after):
            dvc(clones[name], *arguments)
    ran = {stage.partition("@")[0] for stage in find_stages(dvc(clones["all"], *gather))}
    assert not ran & {*TRAINING, "predict"}
    for name, variant in (("first", "flip"), ("second", "blur")):
        for path in (f"models/{variant}.h5", f"predictions/{variant}.json"):
            assert (clones["all"] / path).read_bytes() == (clones[name] / path).read_bytes()
    assert "up to date" in dvc(clones["all"], "status")
