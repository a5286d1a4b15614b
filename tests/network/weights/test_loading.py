"""Files into a network and back: what fits, what is refused, what may be absent."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from maskrcnn.network.weights import load_matterport, read_weights, table, write_weights
from maskrcnn.network.weights.entries import CLASS_DEPTHS
from maskrcnn.project.errors import InputError
from tests.network.weights.files import assert_same, deeper, replace, scramble, values
from tests.tiny import CLASS_COUNT, network

CLASS_TENSORS = [f"{layer}/{layer}/{tensor}:0" for layer in CLASS_DEPTHS for tensor in ("kernel", "bias")]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "deep" / "weights.h5"
    scramble(network(), 1)
    write_weights(network(), path)
    return path


@pytest.fixture
def path(written: Path, tmp_path: Path) -> Path:
    """A copy of a written file, to be spoiled."""
    return Path(shutil.copy(written, tmp_path / "weights.h5"))


@pytest.fixture(autouse=True)
def other_values() -> None:
    """Starts every test with values that no file holds."""
    scramble(network(), 2)


@pytest.mark.parametrize("read", [read_weights, load_matterport])
def test_reading_undoes_writing(path: Path, read):
    read(network(), path)
    after = values(network())
    scramble(network(), 1)
    assert_same(after, values(network()))


def test_keras_2_finds_every_tensor_by_its_lists(path: Path):
    with h5py.File(path) as file:
        listed = {
            f"{group}/{name}" for group in file.attrs["layer_names"] for name in file[group].attrs["weight_names"]
        }
        assert list(file["bn_conv1"].attrs["weight_names"]) == [
            f"bn_conv1/{tensor}:0" for tensor in ("gamma", "beta", "moving_mean", "moving_variance")
        ]
        assert file["rpn_model"].attrs["weight_names"][0] == "rpn_conv_shared/kernel:0"
    assert listed == {entry.path for entry in table(network())}


def test_a_complete_file_is_loaded_and_nothing_else(path: Path):
    report = load_matterport(network(), str(path))
    assert sorted(report.loaded) == sorted(values(network()))
    others = (report.mapped, report.zeroed, report.skipped, report.fresh, report.missing, report.misshapen)
    assert not any(others) and not report.unused
    assert report.layout == "Matterport's Mask R-CNN"


def test_half_precision_keeps_kernels_to_their_accuracy_and_all_else_exactly(tmp_path: Path):
    before = values(network())
    write_weights(network(), tmp_path / "half.h5", kernel_dtype="float16")
    scramble(network(), 3)
    read_weights(network(), tmp_path / "half.h5")
    for name, value in values(network()).items():
        # float16 has 11 significant bits: rounding errs by at most 2**-11 of the value, or 2**-25 near 0
        close = {"rtol": 2**-11, "atol": 2**-25} if name.endswith("kernel:0") else {"rtol": 0, "atol": 0}
        np.testing.assert_allclose(value, before[name], **close, err_msg=name)
    with h5py.File(tmp_path / "half.h5") as file:
        assert file["conv1/conv1/kernel:0"].dtype == np.float16
        assert file["conv1/conv1/bias:0"].dtype == np.float32


def test_a_file_of_a_whole_keras_model_is_read_too(path: Path, tmp_path: Path):
    with h5py.File(path) as inner, h5py.File(tmp_path / "model.h5", "w") as outer:
        inner.copy(inner, outer, "model_weights")
        outer["optimizer_weights/rate"] = 1.0
    report = load_matterport(network(), tmp_path / "model.h5")
    assert len(report.loaded) == len(values(network()))
    assert report.unused == ["optimizer_weights/rate"]


@pytest.mark.parametrize("read", [read_weights, load_matterport])
def test_all_missing_and_misshapen_tensors_are_told_at_once(path: Path, read):
    before = values(network())
    with h5py.File(path, "a") as file:
        del file["fpn_p2/fpn_p2/bias:0"], file["rpn_model/rpn_class_raw/kernel:0"]
        replace(file, "fpn_c4p4/fpn_c4p4/kernel:0", np.zeros((1, 1, 16, 64), np.float32))
    with pytest.raises(ValueError, match="this network, a resnet14 with 4 classes; got missing") as error:
        read(network(), path)
    assert str(path) in str(error.value)
    assert "missing fpn_p2/fpn_p2/bias:0, rpn_model/rpn_class_raw/kernel:0" in str(error.value)
    assert "misshapen fpn_c4p4/fpn_c4p4/kernel:0 float32 (1, 1, 16, 64) instead of (1, 1, 128, 16)" in str(error.value)
    assert_same(values(network()), before)


def test_a_transposed_tensor_is_misshapen(path: Path):
    with h5py.File(path, "a") as file:
        name = "mrcnn_class_conv1/mrcnn_class_conv1/kernel:0"
        replace(file, name, np.transpose(file[name][()], (3, 2, 0, 1)))
    with pytest.raises(ValueError, match=r"misshapen mrcnn_class_conv1.*\(32, 16, 7, 7\) instead of \(7, 7, 16, 32\)"):
        load_matterport(network(), path)


def test_whole_numbers_are_no_weights(path: Path):
    with h5py.File(path, "a") as file:
        replace(file, "fpn_p2/fpn_p2/bias:0", np.zeros(16, np.int8))
    with pytest.raises(ValueError, match=r"misshapen fpn_p2/fpn_p2/bias:0 int8 \(16,\) instead of \(16,\)"):
        load_matterport(network(), path)


def test_a_linked_tensor_leaves_the_network_untouched(path: Path):
    before = values(network())
    with h5py.File(path, "a") as file:
        replace(file, "fpn_p2/fpn_p2/bias:0", h5py.SoftLink("/fpn_p3/fpn_p3/bias:0"))
    with pytest.raises(ValueError, match="got a link at fpn_p2/fpn_p2/bias:0"):
        load_matterport(network(), path)
    assert_same(values(network()), before)


def test_tensors_without_a_place_are_reported(path: Path):
    with h5py.File(path, "a") as file:
        file["res4g_branch2a/res4g_branch2a/kernel:0"] = np.zeros((1, 1, 256, 64))
        file["anchors/anchors/Variable:0"] = np.zeros((9, 4))
    report = load_matterport(network(), path)
    assert report.unused == ["anchors/anchors/Variable:0", "res4g_branch2a/res4g_branch2a/kernel:0"]
    with pytest.raises(ValueError, match="unused anchors/anchors/Variable:0, res4g_branch2a"):
        read_weights(network(), path)


def test_a_backbone_without_biases_gets_zeros(path: Path):
    with h5py.File(path, "a") as file:
        biases = [
            f"{layer}/{layer}/bias:0" for layer in file if layer.startswith(("conv1", "res")) and "bn" not in layer
        ]
        for name in biases:
            del file[name]
    report = load_matterport(network(), path)
    assert len(biases) == 1 + 4 * 4  # the stem; three convolutions and a shortcut in every stage
    assert sorted(report.zeroed) == sorted(biases)
    assert not any(values(network())[name].any() for name in biases)
    with pytest.raises(ValueError, match="zeroed conv1/conv1/bias:0, res2a_branch2a"):
        read_weights(network(), path)


def give_classes(path: Path, count: int) -> dict[str, np.ndarray]:
    """Gives a file's heads another number of classes; returns their tensors."""
    dice = np.random.default_rng(5)
    with h5py.File(path, "a") as file:
        for name in CLASS_TENSORS:
            depth = CLASS_DEPTHS[name.partition("/")[0]]
            replace(file, name, dice.normal(size=(*file[name].shape[:-1], count * depth)).astype(np.float32))
        return {name: file[name][()] for name in CLASS_TENSORS}


def test_the_tensors_of_other_classes_are_skipped(path: Path):
    before = values(network())
    give_classes(path, 81)
    report = load_matterport(network(), path)
    assert sorted(report.skipped) == sorted(CLASS_TENSORS)
    assert_same({name: values(network())[name] for name in CLASS_TENSORS}, before)
    assert len(report.loaded) == len(before) - len(CLASS_TENSORS)
    with pytest.raises(ValueError, match="skipped mrcnn_class_logits"):
        read_weights(network(), path)


@pytest.mark.parametrize("their_count", [6, CLASS_COUNT])
def test_the_classes_of_both_sets_are_mapped(path: Path, their_count: int):
    before = values(network())
    theirs = give_classes(path, their_count)
    report = load_matterport(network(), path, class_map={0: 0, 1: 3, 3: 2})
    assert sorted(report.mapped) == sorted(CLASS_TENSORS)
    assert not report.skipped
    after = values(network())
    logits, fresh = after["mrcnn_class_logits/mrcnn_class_logits/kernel:0"], "mrcnn_class_logits/mrcnn_class_logits"
    np.testing.assert_array_equal(logits[:, 1], theirs[f"{fresh}/kernel:0"][:, 3])
    np.testing.assert_array_equal(logits[:, 2], before[f"{fresh}/kernel:0"][:, 2])  # class 2 has no counterpart
    np.testing.assert_array_equal(after[f"{fresh}/bias:0"][[0, 1, 3]], theirs[f"{fresh}/bias:0"][[0, 3, 2]])
    # four deltas a class: those of our class 3, columns 12 to 15, are those of their class 2, columns 8 to 11
    boxes = "mrcnn_bbox_fc/mrcnn_bbox_fc/kernel:0"
    np.testing.assert_array_equal(after[boxes][:, 12:16], theirs[boxes][:, 8:12])
    np.testing.assert_array_equal(after[boxes][:, 8:12], before[boxes][:, 8:12])
    masks = "mrcnn_mask/mrcnn_mask/kernel:0"  # (1, 1, channels, classes) there
    np.testing.assert_array_equal(after[masks][:, 1], theirs[masks][0, 0, :, 3])


@pytest.mark.parametrize("class_map", [{CLASS_COUNT: 0}, {1: 6}, {-1: 0}, {1: -1}])
def test_a_class_that_is_not_there_cannot_be_mapped(path: Path, class_map: dict[int, int]):
    give_classes(path, 6)
    before = values(network())
    with pytest.raises(ValueError, match=r"`class_map` must map ids below 4 to ids below 6; got \{"):
        load_matterport(network(), path, class_map=class_map)
    assert_same(values(network()), before)


def test_heads_of_half_a_class_are_misshapen(path: Path):
    with h5py.File(path, "a") as file:
        replace(file, "mrcnn_bbox_fc/mrcnn_bbox_fc/bias:0", np.zeros(18, np.float32))
    with pytest.raises(ValueError, match=r"misshapen mrcnn_bbox_fc/mrcnn_bbox_fc/bias:0 float32 \(18,\)"):
        load_matterport(network(), path)


PARTS = {"fpn": ("fpn_",), "rpn_head": ("rpn_",), "box_head": ("mrcnn_class", "mrcnn_bbox"), "mask_head": ("mrcnn_m",)}


@pytest.mark.parametrize("part", PARTS)
def test_what_may_be_absent_is_asked_for(path: Path, part: str):
    before = values(network())
    absent = [name for name in before if name.startswith(PARTS[part])]
    with h5py.File(path, "a") as file:
        for layer in [layer for layer in file if layer.startswith(PARTS[part])]:
            del file[layer]
    with pytest.raises(ValueError, match=f"missing {absent[0]}"):
        load_matterport(network(), path, fresh=[name for name in PARTS if name != part])
    report = load_matterport(network(), path, fresh=[part])
    assert sorted(report.fresh) == sorted(absent)
    assert_same({name: values(network())[name] for name in absent}, before)
    assert len(report.loaded) == len(before) - len(absent)


def test_half_of_a_part_is_missing_even_where_the_part_may_be_absent(path: Path):
    with h5py.File(path, "a") as file:
        del file["fpn_p2/fpn_p2/bias:0"]
    with pytest.raises(ValueError, match=r"missing fpn_p2/fpn_p2/bias:0\."):
        load_matterport(network(), path, fresh=["fpn"])


def test_a_part_that_is_there_is_loaded_although_it_may_be_absent(path: Path):
    assert load_matterport(network(), path, fresh=["fpn"]).fresh == []


def test_only_known_parts_can_be_fresh(path: Path):
    with pytest.raises(ValueError, match=r"`fresh` must hold some of fpn, rpn_head, .*blocks; got backbone, necks"):
        load_matterport(network(), path, fresh=["necks", "backbone"])


def test_fresh_blocks_are_identities(path: Path):
    scramble(deeper(), 4)
    report = load_matterport(deeper(), path, fresh=["blocks"])
    load_matterport(network(), path)
    blocks = [entry.path for entry in table(deeper()) if entry.part in ("2b", "3b", "4b", "5b")]
    assert sorted(report.fresh + report.zeroed) == sorted(blocks)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    for deep, shallow in zip(deeper().backbone(image), network().backbone(image), strict=True):
        np.testing.assert_array_equal(np.asarray(deep), np.asarray(shallow))
        assert np.asarray(shallow).any()


def test_a_shallow_file_does_not_fill_a_deeper_network_unasked(path: Path):
    with pytest.raises(ValueError, match="missing res2b_branch2a/res2b_branch2a/kernel:0, bn2b_branch2a"):
        load_matterport(deeper(), path)


def test_the_first_block_of_a_stage_cannot_be_fresh(path: Path):
    with h5py.File(path, "a") as file:
        for layer in [layer for layer in file if layer.startswith(("res3a", "bn3a"))]:
            del file[layer]
    with pytest.raises(ValueError, match="missing res3a_branch2a/res3a_branch2a/kernel:0"):
        load_matterport(network(), path, fresh=["blocks"])


def test_a_deeper_file_fills_a_shallow_network(tmp_path: Path):
    scramble(deeper(), 6)
    write_weights(deeper(), tmp_path / "deep.h5")
    report = load_matterport(network(), tmp_path / "deep.h5")
    assert len(report.loaded) == len(values(network()))
    assert sorted(report.unused) == sorted(values(deeper()).keys() - values(network()).keys())
    assert_same(values(network()), values(deeper()))


def test_what_is_unused_is_not_read(path: Path):
    with h5py.File(path, "a") as file:
        file["mine/mine/kernel:0"] = np.full(2, np.nan)
    assert load_matterport(network(), path).unused == ["mine/mine/kernel:0"]


def test_nothing_is_written_when_writing_fails(tmp_path: Path):
    with pytest.raises(TypeError, match="float17"):
        write_weights(network(), tmp_path / "weights.h5", kernel_dtype="float17")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"weights\.h5` must be in a folder that can be written; got: "):
        write_weights(network(), str(tmp_path / "file/weights.h5"))
    with pytest.raises(InputError, match=r"` must be a file; got a folder"):
        write_weights(network(), tmp_path)
    write_weights(network(), str(tmp_path / "weights.h5"))
    read_weights(network(), str(tmp_path / "weights.h5"))
