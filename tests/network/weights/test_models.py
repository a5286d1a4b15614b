"""Networks from files alone: our own of every layout, Matterport's, and those that do not fit their facts."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import maskrcnn
from maskrcnn.network.facts import Facts
from maskrcnn.network.weights import models
from maskrcnn.network.weights.attributes import NAME, write_facts
from maskrcnn.network.weights.released import CLASS_NAMES, Release, digest
from maskrcnn.project.errors import InputError
from tests.network.weights.facts import FACTS
from tests.network.weights.files import assert_same, deeper, scramble, values
from tests.tiny import draw_scene, network, reset

ROOT = Path(__file__).parents[3]
LOGITS = "mrcnn_class_logits/mrcnn_class_logits/bias:0"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a network with facts; the network keeps its weights for the module."""
    path = tmp_path_factory.mktemp("models") / "model.h5"
    scramble(network(), 5)
    network().facts = FACTS
    maskrcnn.write_weights(network(), path)
    yield path
    network().facts = None
    reset()


@pytest.fixture
def path(written: Path, tmp_path: Path) -> Path:
    """A copy to be spoiled."""
    return Path(shutil.copy(written, tmp_path / "model.h5"))


def test_a_network_comes_from_its_file_alone(written: Path) -> None:
    loaded = maskrcnn.load(str(written), num_proposals=network().num_proposals)
    assert loaded.facts == FACTS
    assert loaded.num_proposals == 40  # other than without the argument, see below
    assert_same(values(loaded), values(network()))
    image, _ = draw_scene(1)
    found, expected = (maskrcnn.detect(model, image, min_confidence=0.0, max_count=5) for model in (loaded, network()))
    np.testing.assert_array_equal(found.boxes_px, expected.boxes_px)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_facts_are_read_without_keras(written: Path) -> None:
    code = f"import sys, maskrcnn; maskrcnn.read_facts({str(written)!r}); assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_demos_start_weights_know_themselves() -> None:
    facts = maskrcnn.read_facts(ROOT / "models/pretrained.h5")
    assert facts.class_names == CLASS_NAMES["cityscapes"][1:]
    assert (facts.image_shape, facts.fit) == ((128, 256), "stretch")


def test_a_network_without_facts_writes_none(tmp_path: Path) -> None:
    maskrcnn.write_weights(deeper(), tmp_path / "bare.h5")
    with h5py.File(tmp_path / "bare.h5") as file:
        assert list(file.attrs) == ["layer_names"]


def drop_facts(file: h5py.File) -> None:
    """Makes a file as it was written until November 2026."""
    del file.attrs[NAME]


def drop_names(file: h5py.File) -> None:
    """Makes a file as it was written in the first days of the project, without the lists that Keras 2 reads."""
    drop_facts(file)
    del file.attrs["layer_names"]
    for group in file.values():
        del group.attrs["weight_names"]


@pytest.mark.parametrize("drop", [drop_facts, drop_names])
def test_a_file_of_an_earlier_layout_needs_facts(path: Path, drop: type) -> None:
    with h5py.File(path, "a") as file:
        drop(file)
    with pytest.raises(InputError) as error:
        maskrcnn.load(path)
    assert str(error.value).startswith(f"`{path}` must carry its classes, image size and network; got none")
    assert "facts=maskrcnn.read_facts(FILE)" in str(error.value)
    loaded = maskrcnn.load(path, facts=FACTS)
    assert loaded.facts == FACTS
    assert loaded.num_proposals == 400  # of that many candidates
    assert_same(values(loaded), values(network()))


def test_half_precision_is_read(tmp_path: Path, written: Path) -> None:
    maskrcnn.write_weights(network(), tmp_path / "half.h5", kernel_dtype="float16")
    loaded, expected = values(maskrcnn.load(tmp_path / "half.h5")), values(network())
    for name in loaded:
        np.testing.assert_allclose(loaded[name], expected[name], rtol=1e-3, atol=1e-7)


def test_matterports_file_is_known_by_its_digest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(models.COCO.class_names) == 80
    with h5py.File(path, "a") as file:
        drop_facts(file)
    release = Release(url="https://example.com/any.h5", size=path.stat().st_size, md5=digest(path, "md5"))
    monkeypatch.setitem(models.RELEASES, "coco", release)
    assert maskrcnn.read_facts(path) == models.COCO
    with h5py.File(path, "a") as file:
        file[LOGITS][0] += 1  # as many bytes, of another training
    with pytest.raises(InputError, match="must carry its classes"):
        maskrcnn.read_facts(path)


def test_other_classes_keep_the_rows_of_equal_names(written: Path) -> None:
    loaded = maskrcnn.load(written, class_names=["mug", "blue"], image_shape=(64, 128), fit="stretch")
    assert loaded.facts is not None
    assert loaded.facts.class_names == ("mug", "blue")
    assert (loaded.facts.image_shape, loaded.facts.fit) == ((64, 128), "stretch")
    assert loaded.facts.licence == "CC BY 4.0"  # of what most weights were learned from
    assert not loaded.facts.metrics
    ours, theirs = values(loaded), values(network())
    assert ours[LOGITS].shape == (3,)
    np.testing.assert_array_equal(ours[LOGITS][[0, 2]], theirs[LOGITS][[0, 3]])  # background and blue
    assert ours[LOGITS][1] not in theirs[LOGITS]
    np.testing.assert_array_equal(ours["conv1/conv1/kernel:0"], theirs["conv1/conv1/kernel:0"])


def test_the_same_classes_change_nothing(written: Path) -> None:
    loaded = maskrcnn.load(written, class_names=list(FACTS.class_names))
    assert loaded.facts == FACTS
    assert_same(values(loaded), values(network()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backbone_width": 64}, "backbone_width 8 instead of 64"),
        (
            {"backbone": "resnet26", "mask_channels": 2**31 - 1},
            "mask_channels 8 instead of 2147483647, backbone resnet14",
        ),
    ],
)
def test_facts_of_another_network_are_refused_before_it_is_built(
    path: Path, change: dict, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_build", None)
    with h5py.File(path, "a") as file:
        write_facts(file, replace(FACTS, architecture=replace(FACTS.architecture, **change)))
    with pytest.raises(InputError, match=r"model\.h5` must hold the weights of the network in its facts; got") as error:
        maskrcnn.load(path)
    assert words in str(error.value)


def test_facts_of_other_classes_are_refused(written: Path) -> None:
    with pytest.raises(InputError, match="class_count 4 instead of 3"):
        maskrcnn.load(written, facts=Facts(("a", "b"), (64, 64), FACTS.architecture))


def test_a_tensor_that_states_a_width_must_be_there(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["mrcnn_mask_conv1"]
    with pytest.raises(InputError, match="mask_channels None instead of 8"):
        maskrcnn.load(path)


def test_weights_that_grow_from_a_small_file_are_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["mrcnn_mask_bn1"]
        file.create_dataset(
            "mrcnn_mask_bn1/mrcnn_mask_bn1/gamma:0", (10**7,), "f4", chunks=(10**6,), compression="gzip"
        )
    with pytest.raises(InputError, match=r"model\.h5` must hold the weights that it states; got 1\d{7} in \d+ bytes"):
        maskrcnn.load(path)


def test_images_prepared_in_another_way_are_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        write_facts(file, replace(FACTS, preprocessing=replace(FACTS.preprocessing, version=2)))
    with pytest.raises(
        InputError, match=r"must have been trained on images prepared as .*version=1.*; got .*version=2"
    ):
        maskrcnn.read_facts(path)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.h5` must exist"):
        maskrcnn.load("none.h5")


def test_matterports_reader_finds_every_tensor(written: Path) -> None:
    # Keras 2 and Matterport look the names up in these lists alone, and skip all other attributes
    with h5py.File(written) as file:
        listed = {
            f"{group}/{name}" for group in file.attrs["layer_names"] for name in file[group].attrs["weight_names"]
        }
    assert listed == set(values(network()))
