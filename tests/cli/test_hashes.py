"""What `maskrcnn doctor --hashes` finds in the repository, in a cache and in a remote."""

import hashlib
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from maskrcnn.cli import doctor, hashes
from maskrcnn.cli.hashes import Cache, examine_hashes, hash_path
from maskrcnn.project.errors import InputError

TRIALS = {"history.csv": b"epoch,loss\n", "search.yaml": b"best: 1\n"}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def store(root: Path, name: str, content: bytes) -> None:
    path = root / "cache/files/md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a model, a folder of trials, raw images and a cache, as DVC records them."""
    for name, content in {"models/base.h5": b"weights", "data/raw/a/1.png": b"one", "data/raw/2.png": b"two"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "tuning/sgd").mkdir(parents=True)
    for name, content in TRIALS.items():
        (tmp_path / "tuning/sgd" / name).write_bytes(content)
        store(tmp_path, md5(content), content)
    store(tmp_path, md5(b"weights"), b"weights")
    manifest = json.dumps([{"md5": md5(content), "relpath": name} for name, content in TRIALS.items()], sort_keys=True)
    folder = f"{md5(manifest.encode())}.dir"
    store(tmp_path, folder, manifest.encode())
    raw = [("2.png", b"two"), ("a/1.png", b"one")]
    raw_text = json.dumps([{"md5": md5(content), "relpath": name} for name, content in raw])
    deps = [
        {"path": "maskrcnn/data", "md5": f"{'0' * 32}.dir"},  # code that has changed since
        {"path": "tuning", "md5": f"{'1' * 32}.dir"},  # made of outputs
        {"path": "data/raw", "md5": f"{md5(raw_text.encode())}.dir"},
    ]
    stages = {
        "train@base": {"deps": deps, "outs": [{"path": "models/base.h5", "md5": md5(b"weights")}]},
        "hyperband@sgd": {"outs": [{"path": "tuning/sgd", "md5": folder}]},
        "train@gone": {"outs": [{"path": "models/gone.h5", "md5": md5(b"gone")}]},  # pushed, and not pulled here
    }
    YAML().dump({"schema": "2.0", "stages": stages}, tmp_path / "dvc.lock")
    monkeypatch.setattr(hashes, "find_cache", lambda root: root / "cache")
    return tmp_path


def find_damage(root: Path, *asked: str) -> dict[str, tuple[str, str]]:
    """Returns value and advice of each damaged file; the last line, which counts, is not damage."""
    *found, last = examine_hashes(root, asked)
    assert last.name == "hashes"
    return {finding.name: (finding.value, finding.advice) for finding in found}


def test_whole_files_exit_with_0(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(repository, []) == 0
    assert capsys.readouterr().out.splitlines() == [f"{'hashes':<24} 5 files and folders read", "Nothing is missing."]


def test_damage_in_the_repository_names_stage_and_command(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "models/base.h5").write_bytes(b"weightz")
    (repository / "tuning/sgd/search.yaml").write_bytes(b"best: 2\n")
    assert find_damage(repository) == {
        "models/base.h5": (
            "damaged, made by `train@base`",
            "models/base.h5: `rm -rf models/base.h5 && dvc checkout models/base.h5` brings it back.",
        ),
        "tuning/sgd/search.yaml": (
            "damaged, made by `hyperband@sgd`",
            "tuning/sgd/search.yaml: `rm -rf tuning/sgd/search.yaml && dvc checkout tuning/sgd` brings it back.",
        ),
    }
    assert doctor.main(repository, []) == 1
    assert "2 of these must be mended." in capsys.readouterr().out


def test_damage_in_the_cache_is_found_where_the_file_is_whole(repository: Path) -> None:
    store(repository, md5(b"weights"), b"weightz")
    stored = Cache(repository / "cache").find(md5(b"weights"))
    assert find_damage(repository, "models")["models/base.h5"][1] == (
        f"{stored}: `rm -f {stored} && dvc commit --force train@base` stores it again."
    )


def test_damage_everywhere_is_pulled_or_made_again(repository: Path) -> None:
    store(repository, md5(b"weights"), b"weightz")
    (repository / "models/base.h5").write_bytes(b"weightz")
    stored = Cache(repository / "cache").find(md5(b"weights"))
    assert find_damage(repository)["models/base.h5"][1] == (
        f"models/base.h5 and {stored}: `rm -rf models/base.h5 {stored}`, then `dvc pull train@base`, "
        "or `dvc repro train@base` where no remote has it."
    )


def test_a_damaged_list_of_a_folder_is_found(repository: Path) -> None:
    (manifest,) = (repository / "cache").rglob("*.dir")
    manifest.write_bytes(manifest.read_bytes().replace(b"search", b"seerch"))
    (name,) = find_damage(repository)
    assert name == "tuning/sgd"


def test_damage_of_raw_images_is_found(repository: Path) -> None:
    (repository / "data/raw/a/1.png").write_bytes(b"ono")
    value, advice = find_damage(repository, "data")["data/raw"]
    assert value == "damaged, read by the stages"
    assert "put back the data/raw that was there" in advice
    assert not find_damage(repository, "models", "tuning/")


def test_a_remote_in_a_folder_is_read_as_a_whole(repository: Path) -> None:
    store(repository, md5(b"weights"), b"weightz")
    store(repository, md5(b"other"), b"othar")
    found = find_damage(repository, "cache")
    assert {value for value, _ in found.values()} == {
        "damaged, models/base.h5, made by `train@base`",
        "damaged, not recorded in dvc.lock",
    }
    stored = str(Cache(repository / "cache").find(md5(b"weights")))
    assert f"`rm -f {stored} && dvc push`" in found[stored][1]


@pytest.mark.parametrize("name", ["nothing", "maskrcnn", "model"])
def test_only_what_is_recorded_can_be_asked_for(repository: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"`{name}` must be recorded in dvc.lock, or hold a cache's files/md5"):
        list(examine_hashes(repository, [name]))


def test_a_folder_has_the_hash_of_dvc(tmp_path: Path) -> None:
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import localfs

    for name in ("b/2", "b/10", "a.txt", "a/x", "B", "ä/ö"):
        (tmp_path / "made" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / name).write_text(name)
    _, _, tree = build(HashFileDB(localfs, str(tmp_path / "cache")), str(tmp_path / "made"), localfs, "md5")
    assert hash_path(tmp_path / "made") == tree.hash_info.value


def test_outside_a_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"dvc\.lock` must exist; run the command in the root"):
        list(examine_hashes(tmp_path, []))
