"""The report on the machine: what it prints, and when it exits with 1."""

import shutil
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from ruamel.yaml import YAML

from maskrcnn.cli import doctor
from maskrcnn.cli.doctor import IMAGE_COUNTS, Finding
from maskrcnn.project.config import Runtime
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_yaml
from stages import scale
from tests.readers.test_study import WRONG, write_params

ROOT = Path(__file__).parents[2]

DATA = {"root": "data/cityscapes", "format": "cityscapes"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository at the real scale that tests on munster alone, with its start weights and without images."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "scales", tmp_path / "scales")
    scale.main("cityscapes", tmp_path)
    params = read_yaml(tmp_path / "params.yaml")
    for split in params["splits"].values():
        split |= {"images": "leftImg8bit/val", "truth": "gtFine/val", "cities": ["munster"]}
    params["train"]["schedule"]["validation_steps"] = 174
    YAML().dump(params, tmp_path / "params.yaml")
    (tmp_path / "weights").mkdir()
    for weights in params["weights"].values():
        (tmp_path / weights["path"]).write_bytes(bytes(1_500_000))
    return tmp_path


def change_params(root: Path, **values: object) -> None:
    YAML().dump(read_yaml(root / "params.yaml") | values, root / "params.yaml")


def write_frames(root: Path, city: str, count: int) -> None:
    for index in range(count):
        name = f"{city}_{index:06}_000019"
        for folder, ending in (("leftImg8bit", "leftImg8bit.png"), ("gtFine", "gtFine_polygons.json")):
            path = root / "data/cityscapes" / folder / "val" / city / f"{name}_{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def test_counts_are_the_published_totals() -> None:
    assert sum(IMAGE_COUNTS["train"].values()) == 2975
    assert sum(IMAGE_COUNTS["val"].values()) == 500


def test_counts_of_the_published_splits() -> None:
    train, val = IMAGE_COUNTS["train"], IMAGE_COUNTS["val"]
    first = ("aachen", "bochum", "bremen", "cologne", "darmstadt", "dusseldorf", "erfurt", "hamburg")
    assert sum(train[city] for city in first) == 1403
    assert val["frankfurt"] + val["lindau"] == 326


def test_nothing_missing_exits_with_0(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(repository, "munster", 174)
    assert doctor.main(repository) == 0
    report = capsys.readouterr().out
    parts = ("cityscapes", "val/munster", "174 images, 174 annotations", "1.5 MB", "cpu:0")
    for part in (*parts, metadata.version("keras")):
        assert part in report


def test_incomplete_city_exits_with_1(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(repository, "munster", 3)
    assert doctor.main(repository) == 1
    assert "3 images, 3 annotations" in capsys.readouterr().out


def test_incomplete_city_is_told(tmp_path: Path) -> None:
    write_frames(tmp_path, "munster", 3)
    (tmp_path / "data/cityscapes/gtFine/val/munster/munster_000002_000019_gtFine_polygons.json").unlink()
    finding = doctor.count_city(tmp_path / "data/cityscapes", "leftImg8bit/val", "gtFine/val", "munster")
    assert finding == Finding("leftImg8bit/val/munster", "3 images, 2 annotations", "`munster` must have 174 of both.")


def test_a_city_of_ones_own_needs_an_annotation_for_every_image(tmp_path: Path) -> None:
    write_frames(tmp_path, "rome", 3)
    place = tmp_path / "data/cityscapes", "leftImg8bit/val", "gtFine/val"
    assert doctor.count_city(*place, "rome").advice == ""
    assert doctor.count_city(*place, "oslo").advice == "`oslo` must have as many of both."
    (tmp_path / "data/cityscapes/gtFine/val/rome/rome_000002_000019_gtFine_polygons.json").unlink()
    assert doctor.count_city(*place, "rome").advice == "`rome` must have as many of both."


def test_what_completes_all_cities_is_told_once(repository: Path) -> None:
    params = read_yaml(repository / "params.yaml")
    params["splits"]["test"]["cities"] = ["frankfurt", "lindau", "munster"]
    (repository / "data/cityscapes").mkdir(parents=True)
    findings = list(doctor.find_images(repository, params))
    assert [finding.advice.count("unpack") for finding in findings] == [0, 0, 0, 1]
    assert "must hold all cities of `splits`, leftImg8bit/val among them; unpack leftImg8bit" in findings[-1].advice


@pytest.mark.parametrize(
    ("nested", "command"),
    [
        ("leftImg8bit/leftImg8bit/train", "mv {root}/leftImg8bit/leftImg8bit/* {root}/leftImg8bit/"),
        ("gtFine_trainvaltest/gtFine/val", "mv {root}/gtFine_trainvaltest/gtFine {root}/"),
    ],
)
def test_a_nested_folder_is_told_with_the_command_that_moves_it(repository: Path, nested: str, command: str) -> None:
    root = repository / "data/cityscapes"
    (root / nested).mkdir(parents=True)
    (finding,) = doctor.find_images(repository, read_yaml(repository / "params.yaml"))
    assert finding.value == "one folder too deep"
    assert f"`{command.format(root=root)}` moves it." in finding.advice


def test_nothing_is_cropped_at_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    finding = Finding("weights/" + "a" * 100, "value " * 30, "advice [red] " * 30)
    monkeypatch.setattr(doctor, "examine", lambda _: [finding])
    assert doctor.main(tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{finding.name} {finding.value}", f"    {finding.advice}", "1 of these must be mended."]


def test_missing_root_is_told_once(tmp_path: Path) -> None:
    (finding,) = doctor.find_images(tmp_path, {"data": DATA, "synthesize": {}, "splits": {}})
    assert finding.value == "none"
    assert "`data/cityscapes` must hold leftImg8bit_trainvaltest.zip" in finding.advice


def test_only_cities_of_the_splits_are_counted(repository: Path) -> None:
    write_frames(repository, "munster", 174)
    write_frames(repository, "lindau", 1)
    (finding,) = doctor.find_images(repository, read_yaml(repository / "params.yaml"))
    assert finding == Finding("leftImg8bit/val/munster", "174 images, 174 annotations")


def test_a_city_that_is_not_there_exits_with_1(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(repository, "munster", 174)
    params = read_yaml(repository / "params.yaml")
    params["splits"]["training"]["cities"] = ["rome"]
    YAML().dump(params, repository / "params.yaml")
    assert doctor.main(repository) == 1
    assert "`splits.training.cities` must be folders of `" in capsys.readouterr().out


def test_synthetic_city_is_not_counted(tmp_path: Path) -> None:
    findings = list(doctor.find_images(tmp_path, {"data": DATA, "synthesize": {"city": {}}, "splits": {}}))
    assert findings == [Finding("data/cityscapes", "drawn by `dvc repro`")]


def test_another_format_has_folders_and_files(tmp_path: Path) -> None:
    (tmp_path / "data/mine/images").mkdir(parents=True)
    splits = {
        "training": {"images": "images", "truth": "training.json"},
        "test": {"images": "images", "truth": "test.json"},
    }
    (tmp_path / "data/mine/test.json").touch()
    params = {"data": {"root": "data/mine", "format": "coco"}, "synthesize": {}, "splits": splits}
    images, test, training = doctor.find_images(tmp_path, params)
    assert (images, test) == (Finding("data/mine/images", "found"), Finding("data/mine/test.json", "found"))
    assert (training.value, training.advice) == ("none", "`data/mine/training.json` must exist.")


def test_missing_start_weights_are_told(repository: Path) -> None:
    (repository / "weights/mask_rcnn_coco.h5").unlink()
    params = read_yaml(repository / "params.yaml") | {"candidates": {"mine": {"start": "models/mine.h5"}}}
    mine, coco, _ = doctor.find_start_weights(repository, params)
    assert (mine.name, mine.value, coco.value) == ("models/mine.h5", "none", "none")
    assert (
        mine.advice
        == "`models/mine.h5` must exist; it holds weights. `dvc repro` makes the models of the study, in models/."
    )
    assert "`weights/mask_rcnn_coco.h5` must exist; `maskrcnn weights fetch coco` downloads" in coco.advice


def test_what_a_stage_makes_is_not_missed(repository: Path) -> None:
    starts = {"variants": {"base": {"start": "models/start/coco.h5"}, "more": {"start": "models/base.h5"}}}
    params = starts | {"weights": {"coco": {"path": "weights/mask_rcnn_coco.h5"}}, "candidates": {}}
    (finding,) = doctor.find_start_weights(repository, params)
    assert finding == Finding("weights/mask_rcnn_coco.h5", "1.5 MB")


def test_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    first, second, *backends = doctor.find_versions()
    assert first == Finding("numpy", metadata.version("numpy"))
    assert "`no-such-package` must be installed" in second.advice
    assert not any(finding.advice for finding in backends)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_backend_of_params_lists_its_devices(repository: Path, backend: str) -> None:
    change_params(repository, backend=backend, precision="mixed_bfloat16", devices=1)
    found = {finding.name: finding for finding in doctor.examine_runtime(repository)}
    values = {"backend": backend, "precision": "mixed_bfloat16", "devices": "cpu:0"}
    assert {name: found[name] for name in values} == {name: Finding(name, value) for name, value in values.items()}


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("gpus", [[], ["NVIDIA H200"]])
def test_missing_backend_is_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch, backend: str, gpus: list[str]
) -> None:
    change_params(repository, backend=backend)
    monkeypatch.setitem(sys.modules, backend, None)
    monkeypatch.setattr(doctor, "list_gpus", lambda: gpus)
    *_, finding = doctor.examine_runtime(repository)
    device = "gpu" if gpus else "cpu"
    assert finding.name == "backend"
    assert f"`make install BACKEND={backend} DEVICE={device}` or `pip install -r requirements/" in finding.advice


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(RuntimeError("no 'cuda'"), "no 'cuda'"), (AssertionError(), "AssertionError")],
)
def test_a_backend_that_does_not_start_is_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, reason: str
) -> None:
    def fail() -> None:
        raise fault

    change_params(repository, backend="jax")
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=fail))
    *_, finding = doctor.examine_runtime(repository)
    assert finding.value == f"jax, which fails with: {reason}"
    assert finding.advice.endswith("installs it. JAX_PLATFORMS, cuda, must name platforms that it can use.")


def test_a_gpu_that_the_backend_does_not_see_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change_params(repository, backend="jax")
    monkeypatch.setattr(doctor, "list_gpus", lambda: ["NVIDIA H200"])
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    first, *_, last = doctor.examine_runtime(repository)
    assert first.value == "NVIDIA H200"
    assert last.advice == (
        "`jax` must see the GPU; `make install BACKEND=jax DEVICE=gpu` or `pip install -r requirements/jax-gpu.txt` "
        "installs it. JAX_PLATFORMS may hide it."
    )


@pytest.mark.parametrize(("devices", "is_told"), [("all", False), (1, False), (2, False), (3, True)])
def test_more_devices_than_there_are_are_told(devices: int | str, is_told: bool) -> None:
    runtime = Runtime("jax", devices=devices)
    advice = "`devices` must be all or at most 2; got 3." if is_told else ""
    assert doctor.advise_devices(runtime, ["gpu:0", "gpu:1"], ["NVIDIA H200"] * 2) == advice


def test_gpus_are_those_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.list_gpus() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\necho 'GPU 1: Tesla T4 (UUID: GPU-2)'\n")
    tool.chmod(0o755)
    assert doctor.list_gpus() == ["NVIDIA H200", "Tesla T4"]
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed.\n'\nexit 9\n")
    with pytest.raises(InputError, match=r"repair the driver\. It says: NVIDIA-SMI has failed\."):
        doctor.list_gpus()


def test_a_driver_that_fails_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "list_gpus", Mock(side_effect=InputError("repair the driver")))
    first, *_ = doctor.examine_runtime(repository)
    assert (first.value, first.advice) == ("not known", "repair the driver")


def test_full_disk_is_told(tmp_path: Path) -> None:
    assert doctor.find_disk(tmp_path, 1.0).advice == ""
    assert doctor.find_disk(tmp_path, 1e18).advice == "1000000000 GB must be free for data and models."


def test_outside_the_repository_names_params(tmp_path: Path) -> None:
    (finding,) = doctor.examine_study(tmp_path)
    assert finding.name == "params.yaml"
    assert "params.yaml` must exist" in finding.advice


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "must be YAML"),
        ("- a", "must be a mapping of sections"),
        ("scale: demo", "`variants` is missing"),
        ("augment", "`variants.flip.augment.crop` must lie within [0, 0.5); got 0.9"),
    ],
)
def test_damaged_params_exit_with_1(
    repository: Path, text: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if text == "augment":
        params = read_yaml(ROOT / "params.yaml")
        params["variants"]["flip"]["augment"] = {"crop": 0.9}
        YAML().dump(params, repository / "params.yaml")
    else:
        (repository / "params.yaml").write_text(text)
    (finding,) = doctor.examine_study(repository)
    assert fault in finding.advice
    assert doctor.main(repository) == 1
    assert "not valid" in capsys.readouterr().out


def test_images_of_ones_own_beside_a_drawn_city_exit_with_1(repository: Path) -> None:
    params = read_yaml(ROOT / "params.yaml")
    params["data"]["root"] = "data/cityscapes"
    YAML().dump(params, repository / "params.yaml")
    (finding,) = doctor.examine_study(repository)
    assert "`data.root` must be data/synthetic while `synthesize` draws" in finding.advice
    assert doctor.main(repository) == 1


@pytest.fixture
def no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the devices, whose backend takes seconds to import."""
    monkeypatch.setattr(doctor, "examine_runtime", lambda root: [])


@pytest.mark.usefixtures("no_backend")
@pytest.mark.parametrize(("key", "value", "message"), WRONG, ids=[f"{key}={value[:20]}" for key, value, _ in WRONG])
def test_each_wrong_setting_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, value: str, message: str
) -> None:
    assert doctor.main(write_params(tmp_path, {}, key, value)) == 1
    assert message in capsys.readouterr().out


@pytest.mark.usefixtures("no_backend")
@pytest.mark.parametrize("name", ["demo", *sorted(path.stem for path in (ROOT / "scales").glob("*.yaml"))])
def test_the_shipped_scales_exit_with_0_where_their_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "scales", tmp_path / "scales")
    if name != "demo":
        scale.main(name, tmp_path)
    assert doctor.main(tmp_path) == 1  # no start weights yet
    monkeypatch.setattr(doctor, "find_images", lambda *_: [])  # how they are counted is tested above
    for finding in doctor.find_start_weights(tmp_path, read_yaml(tmp_path / "params.yaml")):
        (tmp_path / finding.name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / finding.name).touch()
    assert doctor.main(tmp_path) == 0
