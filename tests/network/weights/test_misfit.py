"""What is said about a file that belongs to another network."""

import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from maskrcnn.network.weights import load_matterport, read_weights, write_weights
from maskrcnn.network.weights.source import count_classes
from maskrcnn.project.errors import InputError
from tests.network.weights.files import deeper, replace, scramble
from tests.tiny import network

LOADERS = pytest.mark.parametrize("read", [read_weights, load_matterport])
LOGITS = "mrcnn_class_logits/mrcnn_class_logits"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.h5"
    scramble(network(), 1)
    write_weights(network(), path)
    return path


@pytest.fixture
def path(written: Path, tmp_path: Path) -> Path:
    """A copy of a written file, to be spoiled."""
    return Path(shutil.copy(written, tmp_path / "weights.h5"))


def refuse(read, model: keras.Model, path: Path) -> str:
    """Returns the message about a file, which is a short one in one line and names the file."""
    with pytest.raises(InputError) as error:
        read(model, path)
    message = str(error.value)
    assert message.startswith(f"`{path}` must ")
    assert len(message.replace(str(path), "")) < 700
    assert "\n" not in message
    return message


def test_a_shallower_backbone_is_named_with_the_setting_that_helps(path: Path) -> None:
    message = refuse(load_matterport, deeper(), path)
    assert "this network, a resnet26 with 4 classes; got a resnet14 with 4 classes: missing res2b_branch2a/" in message
    # four blocks lack three kernels and three batch norms of four tensors; three are named
    assert "and 57 more. Set `backbone: resnet14`, or list `blocks` in `fresh`" in message


def test_a_deeper_file_is_named_where_it_must_be_the_networks_own(tmp_path: Path) -> None:
    write_weights(deeper(), tmp_path / "deep.h5")
    message = refuse(read_weights, network(), tmp_path / "deep.h5")
    assert "a resnet14 with 4 classes; got a resnet26 with 4 classes: unused bn2b_branch2a/" in message
    assert "`dvc repro weights` makes start weights" in message


def test_heads_of_other_classes_are_counted(path: Path) -> None:
    with h5py.File(path, "a") as file:
        for layer, depth in (("mrcnn_class_logits", 1), ("mrcnn_bbox_fc", 4), ("mrcnn_mask", 1)):
            for tensor in ("kernel", "bias"):
                name = f"{layer}/{layer}/{tensor}:0"
                replace(file, name, np.zeros((*file[name].shape[:-1], 81 * depth), np.float32))
    message = refuse(read_weights, network(), path)
    assert "a resnet14 with 4 classes; got a resnet14 with 81 classes: skipped mrcnn_class_logits/" in message


@pytest.mark.parametrize("class_map", [None, {1: 3}])
def test_heads_that_disagree_about_the_classes_are_refused(path: Path, class_map: dict[int, int] | None) -> None:
    with h5py.File(path, "a") as file:
        for tensor in ("kernel", "bias"):
            name = f"{LOGITS}/{tensor}:0"
            replace(file, name, np.zeros((*file[name].shape[:-1], 5), np.float32))
        replace(file, "mrcnn_mask/mrcnn_mask/bias:0", np.zeros(6, np.float32))
    with pytest.raises(InputError, match=r"misshapen .*mrcnn_mask/mrcnn_mask/bias:0 float32 \(6,\) instead of \(4,\)"):
        load_matterport(network(), path, class_map=class_map)


@LOADERS
def test_a_file_without_heads_is_named(path: Path, read) -> None:
    with h5py.File(path, "a") as file:
        for layer in [layer for layer in file if layer.startswith(("fpn", "rpn", "mrcnn"))]:
            del file[layer]
    message = refuse(read, network(), path)
    assert "got a resnet14 without fpn, rpn_head, box_head, mask_head: missing fpn_c2p2/" in message
    if read is load_matterport:
        assert message.endswith("List fpn, rpn_head, box_head, mask_head in `fresh`, to be drawn at random.")


@LOADERS
def test_other_widths_are_shown(path: Path, read) -> None:
    with h5py.File(path, "a") as file:
        for layer in [layer for layer in file if layer.startswith("fpn_p")]:
            replace(file, f"{layer}/{layer}/bias:0", np.zeros(256, np.float32))
    message = refuse(read, network(), path)
    assert "misshapen fpn_p2/fpn_p2/bias:0 float32 (256,) instead of (16,), fpn_p3/" in message
    assert "and 1 more." in message


def test_three_tensors_are_named_in_all_and_the_rest_is_counted(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["fpn_p2"]  # kernel and bias
        for level in (3, 4, 5):
            replace(file, f"fpn_p{level}/fpn_p{level}/bias:0", np.zeros(3, np.float32))
        file["mine"] = np.zeros(2, np.float32)
    message = refuse(read_weights, network(), path)
    assert "missing fpn_p2/fpn_p2/kernel:0, fpn_p2/fpn_p2/bias:0; misshapen fpn_p3/fpn_p3/bias:0 float32" in message
    assert "instead of (16,) and 2 more; unused (1). Run the stage" in message


@LOADERS
def test_weights_of_keras_3_are_named(tmp_path: Path, read) -> None:
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save_weights(tmp_path / "mine.weights.h5")
    message = refuse(read, network(), tmp_path / "mine.weights.h5")
    assert "got Keras 3's `.weights.h5`, which numbers its tensors" in message
    assert 'run `model.save("x.h5")`' in message


@LOADERS
def test_tensors_of_another_project_are_named(tmp_path: Path, read) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        for i in range(5):
            file[f"backbone.{i}.weight"] = np.zeros(2, np.float32)
        file["backbone.0.bias\033[2J"] = np.zeros(2, np.float32)
    message = refuse(read, network(), tmp_path / "other.h5")
    assert r"got other tensors: 'backbone.0.bias\x1b[2J', backbone.0.weight, backbone.1.weight and 3 more." in message
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    assert "got no tensor." in refuse(read, network(), tmp_path / "other.h5")


def test_a_long_name_is_cut(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["w" * 60_000] = np.zeros(2, np.float32)
    assert f"got other tensors: {'w' * 120}.... docs/" in refuse(read_weights, network(), tmp_path / "other.h5")


@LOADERS
def test_a_tensor_that_is_there_twice_is_refused(path: Path, read) -> None:
    with h5py.File(path, "a") as file:
        file["fpn_p2/fpn_p2/bias"] = np.zeros(16, np.float32)
    assert "hold every tensor once; got two that are fpn_p2/fpn_p2/bias:0." in refuse(read, network(), path)
    with h5py.File(path, "a") as file:
        del file["fpn_p2/fpn_p2/bias"]
        file["model_weights/fpn_p2/fpn_p2/bias:0"] = np.zeros(16, np.float32)
    assert "hold every tensor once; got two at fpn_p2/fpn_p2/bias:0." in refuse(read, network(), path)


def test_the_classes_of_a_file_are_counted(path: Path) -> None:
    assert count_classes(path) == 4
    with h5py.File(path, "a") as file:
        del file["mrcnn_class_logits"]
    with pytest.raises(InputError, match=r"weights\.h5` must have a box head where `class_map` is set; got none"):
        count_classes(path)


BATCH_NORM, KERNEL = "bn3a_branch2b/bn3a_branch2b", "rpn_model/rpn_conv_shared/kernel:0"


@LOADERS
@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        (KERNEL, np.nan, "NaN"),
        (KERNEL, np.inf, "infinite"),
        (KERNEL, -np.inf, "infinite"),
        (KERNEL, 1e39, "infinite"),  # more than float32 holds
        (f"{BATCH_NORM}/gamma:0", np.nan, "NaN"),
        (f"{BATCH_NORM}/moving_variance:0", np.nan, "NaN"),
        (f"{BATCH_NORM}/moving_variance:0", -1e-6, "negative"),
    ],
)
def test_numbers_that_spoil_a_network_are_refused(path: Path, read, name: str, value: float, fault: str) -> None:
    with h5py.File(path, "a") as file:
        tensor = file[name][()].astype(np.float64)
        tensor.flat[-1] = value
        replace(file, name, tensor)
    before = np.array(network().rpn_head.shared.kernel)
    message = refuse(read, network(), path)
    assert f"must hold finite numbers and variances of at least 0; got {name} ({fault}). " in message
    np.testing.assert_array_equal(np.array(network().rpn_head.shared.kernel), before)


def test_at_most_three_spoiled_tensors_are_named(path: Path) -> None:
    with h5py.File(path, "a") as file:
        for level in (2, 3, 4, 5):
            file[f"fpn_p{level}/fpn_p{level}/bias:0"][0] = np.nan
    message = refuse(read_weights, network(), path)
    assert "fpn_p4/fpn_p4/bias:0 (NaN) and 1 more." in message
    assert "fpn_p5" not in message


def test_a_negative_mean_and_a_variance_of_0_are_taken(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file[f"{BATCH_NORM}/moving_mean:0"][:] = -1
        file[f"{BATCH_NORM}/moving_variance:0"][:] = 0
    read_weights(network(), path)
