"""The feeder."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskrcnn.data.batches import Batches, pad_truth
from maskrcnn.data.records import Record, Records, read_records, write_records
from maskrcnn.project.errors import InputError
from maskrcnn.readers.cityscapes import CITYSCAPES
from tests.tiny import MINI_MASK_SHAPE, SHAPE, draw_scene, make_record

COUNT = 5
# imgaug makes whole numbers of arrays of one number.
IMGAUG = "ignore:Conversion of an array with ndim > 0:DeprecationWarning:imgaug"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, the whole of image i of colour i, and their records."""
    folder = tmp_path_factory.mktemp("split")
    records = [draw_scene(i)[1] for i in range(COUNT)]
    for i, record in enumerate(records):
        cv2.imwrite(str(folder / record.image_path), np.full((*SHAPE, 3), i, np.uint8))
    write_records(folder / "split.npz", records, SHAPE, MINI_MASK_SHAPE, "stretch", CITYSCAPES)
    return folder


@pytest.fixture(scope="module")
def records(root: Path) -> Records:
    return read_records(root / "split.npz")


def order(batches: Batches, epochs: int = 1) -> list[int]:
    """Returns which images some epochs consist of."""
    images = []
    for _ in range(epochs):
        for index in range(len(batches)):
            (batch,) = batches[index]
            images += batch["images"][:, 0, 0, 0].tolist()
        batches.on_epoch_end()
    return images


def test_a_batch_holds_images_and_padded_truth(root: Path, records: Records):
    (batch,) = Batches(records, root, batch_size=2, instance_cap=6)[1]
    kinds = {key: (values.shape, values.dtype.name) for key, values in batch.items()}
    assert kinds == {
        "images": ((2, 64, 64, 3), "uint8"),
        "seeds": ((2, 2), "int32"),
        "boxes": ((2, 6, 4), "float32"),
        "class_ids": ((2, 6), "int32"),
        "is_crowd": ((2, 6), "bool"),
        "mini_masks": ((2, 6, 56, 56), "uint8"),
    }
    assert batch["images"][:, 0, 0, 0].tolist() == [2, 3]
    for row, record in enumerate((records[2], records[3])):
        largest_first = np.argsort(-record.areas, kind="stable")
        np.testing.assert_array_equal(batch["boxes"][row, :3], record.boxes[largest_first])
        np.testing.assert_array_equal(batch["class_ids"][row], [*record.class_ids[largest_first], 0, 0, 0])
        np.testing.assert_array_equal(batch["mini_masks"][row, :3], record.mini_masks[largest_first])
        assert not any(batch[key][row, 3:].any() for key in ("boxes", "is_crowd", "mini_masks"))


def strips() -> Record:
    """An image of four instances of 1, 3, 2 and 3 rows, of which the last is a crowd."""
    instance_map = np.zeros(SHAPE, np.uint16)
    for class_id, (first, last) in enumerate([(0, 1), (10, 13), (20, 22), (30, 33)], start=1):
        instance_map[first:last] = class_id
    record = make_record(instance_map, "strips")
    record.is_crowd[3] = True
    return record


def test_the_largest_truths_are_kept_and_of_equals_the_first():
    padded = pad_truth(strips(), 2)
    assert padded["class_ids"].tolist() == [2, 4]
    assert padded["is_crowd"].tolist() == [False, True]
    assert padded["boxes"].tolist() == [[10, 0, 13, 64], [30, 0, 33, 64]]


def test_an_image_without_instances_is_all_padding():
    padded = pad_truth(make_record(np.zeros(SHAPE, np.uint16), "empty"), 3)
    assert {key: values.shape for key, values in padded.items()} == {
        "boxes": (3, 4),
        "class_ids": (3,),
        "is_crowd": (3,),
        "mini_masks": (3, *MINI_MASK_SHAPE),
    }
    assert not any(values.any() for values in padded.values())


def test_every_pass_shows_every_image_once(root: Path, records: Records):
    # 15 places: three passes over five images, each in an order of its own, across batches of two
    shown = order(Batches(records, root, batch_size=3, instance_cap=4, steps=5, seed=1))
    passes = [shown[start : start + COUNT] for start in range(0, 15, COUNT)]
    assert [sorted(images) for images in passes] == [list(range(COUNT))] * 3
    assert len({tuple(images) for images in passes}) > 1


def test_epochs_continue_the_stream(root: Path, records: Records):
    long = order(Batches(records, root, batch_size=2, instance_cap=4, steps=6, seed=1))
    short = order(Batches(records, root, batch_size=2, instance_cap=4, steps=2, seed=1), epochs=3)
    assert short == long


def test_the_seed_decides_the_order(root: Path, records: Records):
    def draw(seed: int) -> list[int]:
        return order(Batches(records, root, batch_size=1, instance_cap=4, steps=20, seed=seed))

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_without_a_seed_every_epoch_shows_the_first_images_in_order(root: Path, records: Records):
    batches = Batches(records, root, batch_size=2, instance_cap=4, steps=2)
    assert order(batches, epochs=2) == [0, 1, 2, 3] * 2
    assert len(Batches(records, root, batch_size=2, instance_cap=4)) == 2  # the fifth fills no batch


@pytest.mark.parametrize(("steps", "batch_size", "seed"), [(3, 2, None), (0, 2, None), (None, 6, None), (0, 2, 1)])
def test_steps_must_be_filled(root: Path, records: Records, steps, batch_size, seed):
    with pytest.raises(InputError, match=r"take no more than the 5 images of the split; got \d batches of"):
        Batches(records, root, batch_size=batch_size, instance_cap=4, steps=steps, seed=seed)


def test_a_missing_image_is_named(root: Path, records: Records):
    batches = Batches(records, root / "elsewhere", batch_size=1, instance_cap=4)
    with pytest.raises(FileNotFoundError, match=r"elsewhere/scene_0\.png` must exist"):
        batches[0]


@pytest.mark.parametrize("seed", [None, 3])
def test_shares_make_the_batch_together(seed: int | None, root: Path, records: Records) -> None:
    whole, *shares = (
        Batches(records, root, batch_size=4, instance_cap=6, steps=1, seed=seed, share=share)
        for share in ((0, 1), (0, 2), (1, 2))
    )
    for _ in range(3):
        (batch,), *parts = (batches[0] for batches in (whole, *shares))
        for key, values in batch.items():
            np.testing.assert_array_equal(np.concatenate([part[key] for (part,) in parts]), values)
        for batches in (whole, *shares):
            batches.on_epoch_end()


@pytest.mark.filterwarnings(IMGAUG)
def test_augmentation_follows_from_seed_and_place_alone(root: Path, records: Records):
    def make(seed: int, batch_size: int = 1, steps: int = 12) -> Batches:
        augment = {"flip": 0.5, "crop": 0.2}
        return Batches(records, root, batch_size=batch_size, instance_cap=4, steps=steps, seed=seed, augment=augment)

    def boxes(batches: Batches, epochs: int = 1) -> list[list]:
        served = []
        for _ in range(epochs):
            parts = {index: batches[index][0]["boxes"].tolist() for index in reversed(range(len(batches)))}
            served += [box for index in range(len(batches)) for box in parts[index]]
            batches.on_epoch_end()
        return served

    first = boxes(make(1))
    assert boxes(make(1, batch_size=2, steps=2), epochs=3) == first
    assert boxes(make(2)) != first


@pytest.mark.parametrize("seed", [None, 1])
def test_the_seeds_of_minibatches_follow_from_seed_and_place_alone(
    root: Path, records: Records, seed: int | None
) -> None:
    def seeds(batch_size: int, seed: int | None) -> np.ndarray:
        batches = Batches(records, root, batch_size=batch_size, instance_cap=4, steps=4 // batch_size, seed=seed)
        return np.concatenate([batches[index][0]["seeds"] for index in range(len(batches))])

    first = seeds(1, seed)
    assert first.shape == (4, 2)
    assert first.dtype == np.int32
    assert first.min() >= 0
    assert len(np.unique(first)) == 8
    np.testing.assert_array_equal(seeds(2, seed), first)
    assert not np.isin(seeds(1, 2), first).any()


@pytest.mark.filterwarnings(IMGAUG)
def test_the_same_image_is_augmented_anew_in_every_pass(root: Path, records: Records):
    augment = {"flip": 0.5, "crop": 0.2}
    batches = Batches(records, root, batch_size=1, instance_cap=4, steps=40, seed=1, augment=augment)
    plain = Batches(records, root, batch_size=1, instance_cap=4, steps=40, seed=1)
    served = {
        (batch["images"][0, 0, 0, 0], batch["boxes"].tobytes()) for (batch,) in map(batches.__getitem__, range(40))
    }
    assert order(batches) == order(plain)
    assert len(served) > 20  # 8 passes over 5 images; one in four draws changes nothing


def test_order_and_augmentation_draw_different_numbers(root: Path, records: Records) -> None:
    drawn: list[float] = []

    def augment(image: np.ndarray, record: Record, generator: np.random.Generator) -> tuple[np.ndarray, Record]:
        drawn.append(generator.random())
        return image, record

    batches = Batches(records, root, batch_size=1, instance_cap=4, steps=20, seed=1, augment={"flip": 0.5})
    batches.augment = augment
    order(batches)
    of_order = {np.random.default_rng((1, passes)).random() for passes in range(20)}
    assert len(set(drawn)) == len(drawn) >= 20
    assert not of_order & set(drawn)


def test_augmentation_needs_a_seed(root: Path, records: Records):
    with pytest.raises(
        InputError, match=r"`seed` must be a number where images are augmented; got None for flip, crop"
    ):
        Batches(records, root, batch_size=1, instance_cap=4, augment={"flip": 0.5, "crop": 0.2})


def test_unknown_augmentations_are_told(root: Path, records: Records):
    with pytest.raises(InputError, match=r"`augment` must name some of flip, crop.*; got zoom"):
        Batches(records, root, batch_size=1, instance_cap=4, seed=1, augment={"zoom": 0.1})
