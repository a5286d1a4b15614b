"""Keras' ImageNet ResNet50 in both of its releases: names, channel order and epsilon; the features are Keras' own."""

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from maskrcnn.network.model import build_mask_rcnn
from maskrcnn.network.weights import load_matterport
from tests.network.weights.files import NARROW, in_their_shape, scramble, values
from tests.parity.recorded_weights import draw_tensor
from tests.tiny import network

REST = ("fpn", "rpn_head", "box_head", "mask_head")


def name_for_keras1(layer: str, tensor: str) -> str:
    names = {"kernel": "W", "bias": "b", "moving_mean": "running_mean", "moving_variance": "running_std"}
    return f"{layer}/{layer}_{names.get(tensor, tensor)}_1:0"


def name_for_keras2(layer: str, tensor: str) -> str:
    if layer in ("conv1", "bn_conv1"):
        name = {"conv1": "conv1_conv", "bn_conv1": "conv1_bn"}[layer]
    else:
        kind, stage, letter, branch = re.fullmatch(r"(res|bn)(\d)(\w)_branch(\w+)", layer).groups()
        number = {"1": 0, "2a": 1, "2b": 2, "2c": 3}[branch]
        name = f"conv{stage}_block{'abc'.index(letter) + 1}_{number}_{'conv' if kind == 'res' else 'bn'}"
    return f"{name}/{name}/{tensor}:0"


def write_imagenet(path: Path, name_for: Callable[[str, str], str]) -> None:
    with h5py.File(path, "w") as file:
        for entry, value in in_their_shape(network()):
            if entry.is_backbone:
                file[name_for(entry.layer, entry.tensor)] = value


@pytest.fixture(params=[name_for_keras1, name_for_keras2], ids=["keras1", "keras2"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The tests' backbone as a file of either release, and the network full of other numbers."""
    scramble(network(), 1)
    write_imagenet(tmp_path / "notop.h5", request.param)
    scramble(network(), 2)
    return tmp_path / "notop.h5"


def test_the_backbone_is_loaded_and_the_rest_is_fresh(path: Path):
    before = values(network())
    report = load_matterport(network(), path, fresh=REST)
    after = values(network())
    scramble(network(), 1)
    expected = values(network())
    assert not (report.zeroed or report.skipped or report.unused)
    assert sorted(report.loaded + report.fresh) == sorted(before)
    for name in report.fresh:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    for name in report.loaded:
        if name == "conv1/conv1/kernel:0":  # blue first there, red first here
            np.testing.assert_array_equal(after[name][:, :, ::-1], expected[name])
        elif not name.endswith("gamma:0"):
            np.testing.assert_array_equal(after[name], expected[name], err_msg=name)


@pytest.mark.parametrize(("name_for", "epsilon"), [(name_for_keras1, 1e-3), (name_for_keras2, 1.001e-5)])
def test_gamma_makes_up_for_another_epsilon(tmp_path: Path, name_for, epsilon: float):
    # gamma / sqrt(variance + epsilon) is what batch norm multiplies by
    scramble(network(), 1)
    expected = values(network())
    write_imagenet(tmp_path / "notop.h5", name_for)
    load_matterport(network(), tmp_path / "notop.h5", fresh=REST)
    gamma, variance = (f"bn2a_branch2a/bn2a_branch2a/{tensor}:0" for tensor in ("gamma", "moving_variance"))
    factor = values(network())[gamma] / np.sqrt(values(network())[variance] + 1e-3)
    np.testing.assert_allclose(factor, expected[gamma] / np.sqrt(expected[variance] + epsilon), rtol=1e-6)


def test_the_layout_is_reported(tmp_path: Path):
    for name_for, layout in ((name_for_keras1, "Keras' ResNet50 of 2017"), (name_for_keras2, "Keras' ResNet50 since")):
        write_imagenet(tmp_path / "notop.h5", name_for)
        assert load_matterport(network(), tmp_path / "notop.h5", fresh=REST).layout.startswith(layout)


def test_the_heads_must_be_declared_fresh(path: Path):
    before = values(network())
    with pytest.raises(ValueError, match=r"missing fpn_c2p2/fpn_c2p2/kernel:0, .* List fpn, .*mask_head in `fresh`"):
        load_matterport(network(), path)
    for name, value in values(network()).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_a_missing_tensor_has_the_name_of_its_place(path: Path):
    with h5py.File(path, "a") as file:
        layer = "bn5a_branch2b" if "bn5a_branch2b" in file else "conv5_block1_2_bn"
        del file[layer]
    with pytest.raises(ValueError, match="missing bn5a_branch2b/bn5a_branch2b/gamma:0, bn5a_branch2b"):
        load_matterport(network(), path, fresh=REST)


@pytest.fixture(scope="module")
def resnet50() -> keras.Model:
    """Keras' own ResNet50, full of numbers that keep its features in bounds."""
    model = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 128, 3))
    for layer in model.layers:
        # batch norm that ends a residual branch is named as ours, so that it is drawn small
        name = re.sub(r"_3_bn$", "branch2c", layer.name)
        for variable in layer.weights:
            variable.assign(draw_tensor(name, variable.name, variable.shape))
    return model


def extract_c5(model: keras.Model, image: np.ndarray) -> np.ndarray:
    """Returns the features of Keras' model with the pooling of ours: the first window starts at the first pixel."""
    stem = keras.Model(model.input, model.get_layer("conv1_relu").output)
    stages = keras.Model(model.get_layer("pool1_pool").output, model.output)
    return np.asarray(stages(keras.ops.max_pool(stem(image), 3, 2, padding="same")))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # within Keras' old saver
def test_features_are_those_of_keras(resnet50: keras.Model, tmp_path: Path):
    resnet50.save(tmp_path / "resnet50.h5")
    widths = NARROW | {"backbone_width": 64}
    ours = build_mask_rcnn(backbone="resnet50", image_shape=(64, 128), class_count=11, **widths)
    report = load_matterport(ours, tmp_path / "resnet50.h5", fresh=REST)
    assert len(report.loaded) == 318
    rgb = np.random.default_rng(3).uniform(-120, 130, (1, 64, 128, 3)).astype(np.float32)  # means taken off
    theirs = extract_c5(resnet50, rgb[..., ::-1])
    c5 = np.asarray(ours.backbone(rgb)[-1])
    np.testing.assert_allclose(c5, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())
