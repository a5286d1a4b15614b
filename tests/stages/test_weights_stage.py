"""The stage that completes start weights, on the tests' own small files."""

import dataclasses
import hashlib
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ruamel.yaml import YAML

from maskrcnn.data.catalogue import Classes
from maskrcnn.data.records import write_records
from maskrcnn.network.facts import Facts
from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.weights import read_facts, write_weights
from maskrcnn.network.weights.attributes import write_facts
from maskrcnn.network.weights.tensors import open_tensors
from maskrcnn.project.config import Model
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_params, read_yaml
from maskrcnn.readers.cityscapes import CLASS_NAMES, make_catalogue
from stages import weights
from tests.network.weights.files import NARROW, replace, scramble
from tests.stages.scored import make_record

ROOT = Path(__file__).parents[2]
TRAINING = "data/processed/training.npz"
LOGITS = "mrcnn_class_logits/mrcnn_class_logits"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights of a shallow network, of which the stage has made those of a deeper one."""
    root = tmp_path_factory.mktemp("project")
    params = read_yaml(ROOT / "params.yaml")
    params["model"] |= NARROW
    write_params(root, params)
    settings = asdict(read_params(root / "params.yaml").section(Model))
    shallow = build_mask_rcnn(image_shape=(64, 64), class_count=len(CLASS_NAMES), **settings)
    scramble(shallow, 1)
    write_weights(shallow, root / "models/pretrained.h5")
    write_split(root)
    weights.main("deeper", root)
    return root


def write_params(root: Path, params: dict[str, Any]) -> None:
    YAML().dump(params, root / "params.yaml")


def write_split(root: Path, classes: Classes | None = None) -> None:
    """Writes a training split of one image, for its classes."""
    record = make_record("street", np.zeros((64, 64), np.uint16))
    write_records(root / TRAINING, [record], (64, 64), (56, 56), "stretch", make_catalogue(classes))


def copy_with(root: Path, folder: Path, **settings: Any) -> Path:
    """Returns a folder whose one section `weights.mine` reads the shallow weights."""
    (folder / TRAINING).parent.mkdir(parents=True)
    shutil.copy(root / TRAINING, folder / TRAINING)
    params = read_yaml(root / "params.yaml")
    write_params(
        folder, params | {"weights": {"mine": {"path": "mine.h5", "backbone": "resnet14", "seed": 1} | settings}}
    )
    shutil.copy(root / "models/pretrained.h5", folder / "mine.h5")
    return folder


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    with open_tensors(path) as tensors:
        return {name: tensor.read() for name, tensor in tensors.items()}


def read_report(root: Path, name: str) -> dict[str, Any]:
    return YAML(typ="safe").load(root / f"models/start/{name}.yaml")


def test_a_deeper_network_starts_as_the_shallow_one(root: Path) -> None:
    shallow, deep = (read_tensors(root / f"models/{name}.h5") for name in ("pretrained", "start/deeper"))
    for name, tensor in shallow.items():
        np.testing.assert_array_equal(deep[name], tensor, err_msg=name)
    # the other blocks add nothing: a batch norm of zeros ends their residual branch
    for stage in (2, 3, 4, 5):
        for tensor in ("gamma", "beta"):
            assert not deep[f"bn{stage}b_branch2c/bn{stage}b_branch2c/{tensor}:0"].any()


def test_the_report_counts_every_tensor(root: Path) -> None:
    report = read_report(root, "deeper")
    assert report["path"] == "models/pretrained.h5"
    assert report["sha256"] == hashlib.sha256((root / "models/pretrained.h5").read_bytes()).hexdigest()
    # four more blocks, each of three convolutions with kernel, bias and the four tensors of a batch norm;
    # gamma and beta of the last are zeros
    assert report["counts"]["fresh"] == len(report["fresh"]) == 4 * (3 * 6 - 2)
    assert report["counts"]["zeroed"] == 4 * 2
    assert "bn5b_branch2c/bn5b_branch2c/gamma:0" in report["zeroed"]
    assert sum(report["counts"].values()) == len(read_tensors(root / "models/start/deeper.h5"))


def test_start_weights_know_the_network_and_the_classes_of_the_split(root: Path) -> None:
    facts = read_facts(root / "models/start/deeper.h5")
    assert ("background", *facts.class_names) == CLASS_NAMES
    assert (facts.image_shape, facts.fit) == ((64, 64), "stretch")
    settings = read_params(root / "params.yaml").section(Model)
    assert facts.architecture == dataclasses.replace(settings, backbone="resnet26")


def number_rows(path: Path, class_count: int) -> None:
    """Gives the heads of a file as many classes, each class filled with its id."""
    with h5py.File(path, "a") as file:
        for layer, depth in (("mrcnn_class_logits", 1), ("mrcnn_bbox_fc", 4), ("mrcnn_mask", 1)):
            for tensor in ("kernel", "bias"):
                shape = (*file[f"{layer}/{layer}/{tensor}:0"].shape[:-1], class_count * depth)
                rows = np.broadcast_to(np.repeat(np.arange(class_count), depth), shape)
                replace(file, f"{layer}/{layer}/{tensor}:0", rows.astype(np.float32))


def test_coco_classes_are_taken_over_and_the_others_are_drawn_from_the_seed(root: Path, tmp_path: Path) -> None:
    copy_with(root, tmp_path, class_map="coco")
    number_rows(tmp_path / "mine.h5", 81)
    drawn = []
    for _ in range(2):
        weights.main("mine", tmp_path)
        drawn.append((tmp_path / "models/start/mine.h5").read_bytes())
    assert drawn[0] == drawn[1]
    tensors = read_tensors(tmp_path / "models/start/mine.h5")
    # background, car, person, rider, motorcycle, bicycle, bus, trailer, truck, caravan, train; a fresh bias is 0
    np.testing.assert_array_equal(tensors[f"{LOGITS}/bias:0"], [0, 3, 1, 0, 4, 2, 6, 0, 8, 0, 7])
    fresh = tensors[f"{LOGITS}/kernel:0"][:, CLASS_NAMES.index("rider")]
    assert 0 < fresh.std() < 1
    assert len(read_report(tmp_path, "mine")["mapped"]) == 6


def test_three_merged_classes_start_from_the_ten_of_cityscapes(root: Path, tmp_path: Path) -> None:
    copy_with(root, tmp_path, class_map="cityscapes")
    number_rows(tmp_path / "mine.h5", 11)
    write_split(tmp_path, {"bicycle": ["bicycle"], "person": ["rider", "person"], "vehicle": ["car", "bus"]})
    weights.main("mine", tmp_path)
    tensors = read_tensors(tmp_path / "models/start/mine.h5")
    # the file's bicycle is 5 and its person 2; no class of the file is called vehicle
    np.testing.assert_array_equal(tensors[f"{LOGITS}/bias:0"], [0, 5, 2, 0])
    np.testing.assert_array_equal(tensors["mrcnn_bbox_fc/mrcnn_bbox_fc/bias:0"], np.repeat([0, 5, 2, 0], 4))
    assert 0 < tensors[f"{LOGITS}/kernel:0"][:, 3].std() < 1
    assert tensors["mrcnn_mask/mrcnn_mask/bias:0"].shape == (4,)


def name_classes(path: Path, *class_names: str) -> None:
    """Writes the names of its classes into a file."""
    with h5py.File(path, "a") as file:
        write_facts(file, Facts(class_names, (64, 64)))


def test_the_classes_that_a_file_carries_are_taken_over_by_name(root: Path, tmp_path: Path) -> None:
    copy_with(root, tmp_path, class_map="file")
    number_rows(tmp_path / "mine.h5", 4)
    name_classes(tmp_path / "mine.h5", "train", "car", "boat")
    weights.main("mine", tmp_path)
    # background, car, person, rider, motorcycle, bicycle, bus, trailer, truck, caravan, train; a fresh bias is 0
    bias = read_tensors(tmp_path / "models/start/mine.h5")[f"{LOGITS}/bias:0"]
    np.testing.assert_array_equal(bias, [0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize(
    ("class_map", "hint"),
    [
        (None, "Set `class_map: file`: it takes over those of equal names"),
        ("cityscapes", "Set `class_map: file` in place of cityscapes"),
    ],
)
def test_classes_in_another_order_than_is_said_are_refused(
    root: Path, tmp_path: Path, class_map: str | None, hint: str
) -> None:
    copy_with(root, tmp_path, class_map=class_map)
    _, car, person, *others = CLASS_NAMES
    name_classes(tmp_path / "mine.h5", person, car, *others)
    message = f"their order; got class 1 person instead of car, class 2 car instead of person. {hint}"
    with pytest.raises(InputError, match=message):
        weights.main("mine", tmp_path)
    assert not (tmp_path / "models").exists()
    name_classes(tmp_path / "mine.h5", car, person, *others)
    weights.main("mine", tmp_path)


@pytest.mark.parametrize(("class_map", "class_count", "expected"), [("coco", 11, 81), ("cityscapes", 81, 11)])
def test_a_set_of_another_size_than_the_file_is_refused(
    root: Path, tmp_path: Path, class_map: str, class_count: int, expected: int
) -> None:
    copy_with(root, tmp_path, class_map=class_map)
    number_rows(tmp_path / "mine.h5", class_count)
    message = rf"as many classes as `.*mine\.h5`, which has {class_count}; got {class_map}, which has {expected}"
    with pytest.raises(InputError, match=message):
        weights.main("mine", tmp_path)
    assert not (tmp_path / "models").exists()


def test_classes_of_a_file_without_heads_cannot_be_mapped(root: Path, tmp_path: Path) -> None:
    copy_with(root, tmp_path, class_map="coco", fresh=["box_head"])
    with h5py.File(tmp_path / "mine.h5", "a") as file:
        del file["mrcnn_class_logits"]
    with pytest.raises(InputError, match=r"mine\.h5` must have a box head where `class_map` is set; got none"):
        weights.main("mine", tmp_path)


def test_the_classes_are_those_of_the_training_split(root: Path, tmp_path: Path) -> None:
    copy_with(root, tmp_path)
    (tmp_path / TRAINING).unlink()
    with pytest.raises(FileNotFoundError, match=r"training\.npz` must exist; run .*preprocess.py training`"):
        weights.main("mine", tmp_path)


def test_a_pointer_to_a_released_file_is_named_before_its_digest(root: Path, tmp_path: Path) -> None:
    copy_with(root, tmp_path, path="weights/mask_rcnn_coco.h5")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/mask_rcnn_coco.h5").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match=r"coco\.h5` must be an HDF5 file; got a Git LFS pointer"):
        weights.main("mine", tmp_path)


def test_another_file_than_declared_is_refused(root: Path, tmp_path: Path) -> None:
    copy_with(root, tmp_path, sha256="0" * 64)
    with pytest.raises(InputError, match=r"mine\.h5` must have the SHA-256 0{64}; got "):
        weights.main("mine", tmp_path)
    assert not (tmp_path / "models").exists()


def test_a_released_file_that_is_missing_is_to_be_fetched(root: Path, tmp_path: Path) -> None:
    copy_with(root, tmp_path, path="weights/mask_rcnn_coco.h5")
    with pytest.raises(FileNotFoundError, match=r"coco\.h5` must exist; `maskrcnn weights fetch coco` downloads"):
        weights.main("mine", tmp_path)


def test_a_name_must_be_in_the_params(root: Path) -> None:
    with pytest.raises(InputError, match=r"params\.yaml` must have the section `weights\.none`; got"):
        weights.main("none", root)
