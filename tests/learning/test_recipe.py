"""Every part of a recipe can be seen in what is assembled from it, and changes its fingerprint."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import h5py
import keras
import numpy as np
import pytest

from maskrcnn.data.batches import Batches
from maskrcnn.data.records import read_records, write_records
from maskrcnn.learning import recipe as recipe_module
from maskrcnn.learning.loss_model import LEARNING_STAGES
from maskrcnn.learning.optimizers import OPTIMIZERS
from maskrcnn.learning.recipe import RANDOM, Assembly, Recipe, assemble, fingerprint_recipe
from maskrcnn.learning.trainer import fix_randomness
from maskrcnn.network.devices import spread
from maskrcnn.network.facts import Facts
from maskrcnn.network.layers import BLOCK_COUNTS
from maskrcnn.network.model import MaskRCNN, build_mask_rcnn
from maskrcnn.network.weights import write_weights
from maskrcnn.network.weights.attributes import write_facts
from maskrcnn.network.weights.entries import PARTS
from maskrcnn.project.config import Feeder, Hyperparameters, Model, Runtime, Sampling, Schedule, Variant
from maskrcnn.project.errors import InputError
from maskrcnn.readers.cityscapes import CITYSCAPES, make_catalogue
from tests.tiny import MINI_MASK_SHAPE, make_record

pytestmark = [
    pytest.mark.one_backend,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0:DeprecationWarning:imgaug"),
]
ROOT = Path(__file__).parents[2]

# Two recipes that differ in everything.
ONE = Recipe(
    images="images_one",
    image_shape=(64, 64),
    instance_cap=4,
    model=Model("resnet14", 8, 16, 24, 32, 8, (8.0, 16.0, 32.0, 48.0, 64.0), 24.0, 400),
    sampling=Sampling(num_proposals=100, num_anchors=64, num_rois=24, positive_fraction=0.33),
    variant=Variant(RANDOM, "heads"),
    schedule=Schedule(seed=1, batch_size=2, epochs=3, steps=4, validation_steps=1),
    optimizer="adam",
    hyperparameters=Hyperparameters("adam", 1e-3, 0.9, 0.0),
    training="training_one",
    validation="validation_one",
)
OTHER = Recipe(
    images="images_other",
    image_shape=(64, 128),
    instance_cap=5,
    model=Model("resnet26", 4, 8, 12, 16, 6, (6.0, 12.0, 24.0, 40.0, 60.0), 20.0, 300),
    sampling=Sampling(num_proposals=90, num_anchors=32, num_rois=20, positive_fraction=0.25),
    variant=Variant("start.h5", "4+", ["fpn", "mask_head"], {"class_loss": 0.5, "mask_loss": 0.0}, {"flip": 0.5}),
    schedule=Schedule(
        seed=2,
        batch_size=3,
        epochs=4,
        steps=5,
        validation_steps=2,
        cosine=True,
        live_batch_norm=True,
        gradient_accumulation=3,
        remat=True,
        patience=1,
        warmup_steps=6,
        base_batch_size=7,
    ),
    optimizer="sgd",
    hyperparameters=Hyperparameters("sgd", 1e-4, 0.8, 0.1),
    training="training_other",
    validation="validation_other",
    runtime=Runtime("jax", "mixed_bfloat16", deterministic=False, devices=1),
    licence="CC0",
)
RECIPES = [pytest.param(ONE, id="one"), pytest.param(OTHER, id="other")]


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Returns the fields of a dataclass and of the dataclasses in it, by dotted name."""
    if not is_dataclass(value):
        return {path: value}
    found: dict[str, Any] = {}
    for entry in fields(value):
        found |= leaves(getattr(value, entry.name), f"{path}.{entry.name}" if path else entry.name)
    return found


def change(recipe: Any, path: str) -> Any:
    """Returns the recipe with one leaf of the other one."""
    name, _, rest = path.partition(".")
    if not rest:
        return replace(recipe, **{name: leaves(OTHER)[path]})

    def change_part(part: Any, rest: str, full: str) -> Any:
        name, _, deeper = rest.partition(".")
        value = change_part(getattr(part, name), deeper, full) if deeper else leaves(OTHER)[full]
        return replace(part, **{name: value})

    return replace(recipe, **{name: change_part(getattr(recipe, name), rest, path)})


def only(values: Iterable[Any]) -> Any:
    """Returns the value that all of some have."""
    (value,) = set(values)
    return value


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, records and start weights."""
    root = tmp_path_factory.mktemp("project")
    dice = np.random.default_rng(0)
    for recipe in (ONE, OTHER):
        (root / recipe.images).mkdir()
        instance_map = np.zeros(recipe.image_shape, np.uint16)
        instance_map[10:40, 20:60] = 1
        records = [make_record(instance_map, f"scene_{i}") for i in range(6)]
        for record in records:
            noise = dice.integers(0, 256, (*recipe.image_shape, 3)).astype(np.uint8)
            cv2.imwrite(str(root / recipe.images / record.image_path), noise)
        for split in (recipe.training, recipe.validation):
            path = root / f"data/processed/{split}.npz"
            write_records(path, records, recipe.image_shape, MINI_MASK_SHAPE, "stretch", CITYSCAPES)
    keras.utils.set_random_seed(0)
    given = build_mask_rcnn(image_shape=OTHER.image_shape, class_count=11, **asdict(OTHER.model))
    write_weights(given, root / OTHER.variant.start)
    return root


@pytest.fixture(scope="module")
def calls() -> list[Any]:
    """What was fixed, the devices that were asked for and the networks that were built, in order."""
    return []


@pytest.fixture(scope="module")
def assemblies(root: Path, calls: list[Any]) -> Iterator[dict[str, Assembly]]:
    """What is assembled from both recipes, by the folder of their images; nothing is trained."""

    def fix_and_note(seed: int, deterministic: bool) -> None:
        calls.append((seed, deterministic))
        fix_randomness(seed, deterministic)

    def spread_and_note(devices: int | str) -> AbstractContextManager[int]:
        calls.append(devices)
        return spread(devices)

    def build_and_note(**arguments: Any) -> MaskRCNN:
        calls.append(build_mask_rcnn(**arguments))
        return calls[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe_module, "fix_randomness", fix_and_note)
        patch.setattr(recipe_module, "spread", spread_and_note)
        patch.setattr(recipe_module, "build_mask_rcnn", build_and_note)
        yield {recipe.images: assemble(recipe, root) for recipe in (ONE, OTHER)}


def network(assembly: Assembly) -> MaskRCNN:
    return assembly.trainer.network


def find_layers(assembly: Assembly) -> str:
    """Returns the group whose backbone stages learn."""
    backbone = network(assembly).backbone
    parts = [[backbone.stem], *backbone.stages]
    learning = [stage for stage, blocks in enumerate(parts, 1) if any(block.trainable_variables for block in blocks)]
    return next(group for group, stages in LEARNING_STAGES.items() if list(stages) == learning)


def find_augment(assembly: Assembly) -> Any:
    """Returns the augmentations with which the first epoch comes out."""
    batches = assembly.training
    arguments = {"batch_size": batches.batch_size, "instance_cap": batches.instance_cap, "seed": batches.seed}
    for recipe in (ONE, OTHER):
        again = Batches(batches.records, batches.root, augment=recipe.variant.augment, **arguments)
        if all(np.array_equal(again[i][0]["images"], batches[i][0]["images"]) for i in range(len(batches))):
            return recipe.variant.augment
    return None


def find_scales(assembly: Assembly) -> tuple[float, ...]:
    """Returns the sides of the square anchors."""
    y1, x1, y2, x2 = network(assembly).anchors_px.T
    return tuple(dict.fromkeys((y2 - y1)[y2 - y1 == x2 - x1].tolist()))


# How each part of a recipe shows.
SEEN: dict[str, Callable[[Assembly], Any]] = {
    "images": lambda a: only(batches.root.name for batches in a[1:]),
    "image_shape": lambda a: network(a).image_shape,
    "instance_cap": lambda a: only(batches.instance_cap for batches in a[1:]),
    "model.backbone": lambda a: next(k for k, v in BLOCK_COUNTS.items() if v == network(a).backbone.block_counts),
    "model.backbone_width": lambda a: network(a).backbone.stem.conv.kernel.shape[-1],
    "model.fpn_channels": lambda a: network(a).fpn.laterals[0].kernel.shape[-1],
    "model.rpn_channels": lambda a: network(a).rpn_head.shared.kernel.shape[-1],
    "model.box_channels": lambda a: network(a).box_head.dense[0].kernel.shape[-1],
    "model.mask_channels": lambda a: network(a).mask_head.convs[0].conv.kernel.shape[-1],
    "model.anchor_scales": find_scales,
    "model.canonical_roi_size": lambda a: network(a).canonical_roi_size,
    "runtime.precision": lambda a: network(a).backbone.dtype_policy.name,
    "schedule.gradient_accumulation": lambda a: a.trainer.loss_model.gradient_accumulation,
    "schedule.remat": lambda a: network(a).backbone.remat,
    "model.num_candidates": lambda a: network(a).num_candidates,
    "sampling.num_proposals": lambda a: a.trainer.loss_model.num_proposals,
    "sampling.num_anchors": lambda a: a.trainer.loss_model.num_anchors,
    "sampling.num_rois": lambda a: a.trainer.loss_model.num_rois,
    "sampling.positive_fraction": lambda a: a.trainer.loss_model.positive_fraction,
    "variant.layers": find_layers,
    "variant.frozen": lambda a: [
        part for part in PARTS if part != "backbone" and not getattr(network(a), part).trainable_variables
    ],
    "variant.loss_weights": lambda a: {k: v for k, v in a.trainer.loss_model.loss_weights.items() if v != 1},
    "variant.augment": find_augment,
    "schedule.seed": lambda a: a.training.seed,
    "schedule.batch_size": lambda a: only(batches.batch_size for batches in a[1:]),
    "schedule.steps": lambda a: len(a.training),
    "schedule.validation_steps": lambda a: len(a.validation),
    "schedule.live_batch_norm": lambda a: a.trainer.loss_model.live_batch_norm,
    "optimizer": lambda a: next(k for k, v in OPTIMIZERS.items() if isinstance(a.trainer.loss_model.optimizer, v)),
    "training": lambda a: a.training.records.path.stem,
    "validation": lambda a: a.validation.records.path.stem,
}
WEIGHTS = {"variant.start"}  # tested below
CALLS = {"runtime.deterministic", "runtime.devices"}  # tested below
EARLIER = {"runtime.backend"}  # chosen before Keras is imported
# Used after assembly, by `fit` and `TrialRunner`: see tests/stages/test_every_param.py.
LATER = (
    {"licence"}
    | {f"schedule.{name}" for name in ("epochs", "cosine", "patience", "warmup_steps", "base_batch_size")}
    | {f"hyperparameters.{entry.name}" for entry in fields(Hyperparameters)}
)


def test_the_recipes_differ_in_everything_and_the_table_is_complete() -> None:
    one, other = leaves(ONE), leaves(OTHER)
    assert not [path for path in one if one[path] == other[path]]
    assert SEEN.keys() | WEIGHTS | CALLS | EARLIER | LATER == one.keys() == other.keys()


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("path", SEEN)
def test_every_part_of_a_recipe_is_seen(path: str, recipe: Recipe, assemblies: dict[str, Assembly]) -> None:
    assert SEEN[path](assemblies[recipe.images]) == leaves(recipe)[path]


def test_start_weights_are_read_from_their_file(assemblies: dict[str, Assembly], root: Path, tmp_path: Path) -> None:
    write_weights(network(assemblies[OTHER.images]), tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == (root / OTHER.variant.start).read_bytes()


def test_networks_are_built_after_the_seed_is_fixed_on_the_devices_of_the_recipe(
    assemblies: dict[str, Assembly], calls: list[Any]
) -> None:
    expected: list[Any] = []
    for recipe in (ONE, OTHER):
        runtime = recipe.runtime
        expected += [(recipe.schedule.seed, runtime.deterministic), runtime.devices, network(assemblies[recipe.images])]
    assert calls == expected  # and there is no file `RANDOM` below this root


@pytest.mark.parametrize("recipe", RECIPES)
def test_validation_is_neither_shuffled_nor_augmented(recipe: Recipe, assemblies: dict[str, Assembly]) -> None:
    validation = assemblies[recipe.images].validation
    assert validation.seed is None
    assert validation.augment is None


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_classes_are_those_of_the_records(recipe: Recipe, assemblies: dict[str, Assembly], root: Path) -> None:
    names = read_records(root / f"data/processed/{recipe.training}.npz").catalogue.class_names
    assert network(assemblies[recipe.images]).class_count == len(names)


def test_the_file_that_stands_for_random_weights_exists() -> None:
    assert (ROOT / RANDOM).is_file()


def test_random_weights_read_no_file() -> None:
    assert ONE.files == ["data/processed/training_one.npz", "data/processed/validation_one.npz"]
    assert OTHER.files == ["data/processed/training_other.npz", "data/processed/validation_other.npz", "start.h5"]


@pytest.mark.parametrize("path", leaves(ONE))
def test_every_part_of_a_recipe_changes_its_fingerprint(path: str, root: Path) -> None:
    assert fingerprint_recipe(change(ONE, path), root) != fingerprint_recipe(ONE, root)


@pytest.mark.parametrize("file", OTHER.files)
def test_every_input_file_changes_the_fingerprint(file: str, root: Path, tmp_path: Path) -> None:
    for name in OTHER.files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((root / name).read_bytes())
    assert fingerprint_recipe(OTHER, tmp_path) == fingerprint_recipe(OTHER, root)
    (tmp_path / file).write_bytes(b"other")
    assert fingerprint_recipe(OTHER, tmp_path) != fingerprint_recipe(OTHER, root)


def test_the_backend_changes_the_fingerprint(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint_recipe(ONE, root)
    monkeypatch.setattr(keras.backend, "backend", lambda: "another")
    assert fingerprint_recipe(ONE, root) != before


def test_splits_of_different_classes_are_refused(root: Path, tmp_path: Path) -> None:
    for split, labels in ((ONE.training, ("car", "bus")), (ONE.validation, ("bus", "car"))):
        records = list(read_records(root / f"data/processed/{split}.npz"))
        path = tmp_path / f"data/processed/{split}.npz"
        catalogue = make_catalogue({label: [label] for label in labels})
        write_records(path, records, ONE.image_shape, MINI_MASK_SHAPE, "stretch", catalogue)
    message = r"validation_one.npz` must have the classes of .*, background, car, bus; got background, bus, car\."
    with pytest.raises(InputError, match=message):
        assemble(ONE, tmp_path)


def test_start_weights_of_classes_in_another_order_are_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    _, car, person, *others = CITYSCAPES.class_names
    with h5py.File(tmp_path / OTHER.variant.start, "a") as file:
        write_facts(file, Facts((person, car, *others), OTHER.image_shape))
    with pytest.raises(
        InputError, match=r"start\.h5` must hold the network's classes .*; got class 1 person instead of car"
    ):
        assemble(replace(OTHER, runtime=Runtime()), tmp_path)


@pytest.mark.parametrize(
    ("devices", "parts", "message"),
    [
        (2, 1, r"`devices` must be all or at most 1, the devices that \w+ sees \(cpu:0\); got 2\."),
        (
            1,
            4,
            r"must be a multiple of the devices \(1, see `devices`\) times `schedule.grad\w+` \(4\); got 2\.",
        ),
    ],
)
def test_devices_that_cannot_share_a_batch_are_refused(devices: int, parts: int, message: str, root: Path) -> None:
    schedule = replace(ONE.schedule, gradient_accumulation=parts)
    with pytest.raises(InputError, match=message):
        assemble(replace(ONE, schedule=schedule, runtime=Runtime(devices=devices)), root)


def test_a_batch_norm_cannot_be_live_in_parts_on_devices_of_tensorflow(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_module, "computes_parts", lambda: True)
    schedule = replace(ONE.schedule, live_batch_norm=True, gradient_accumulation=2)
    with pytest.raises(InputError, match=r"`schedule.gradient_accumulation` must be 1 where .* devices; got 2"):
        assemble(replace(ONE, schedule=schedule), root)


def test_the_feeder_reads_both_splits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_module, "_build_trainer", lambda *_: None)
    _, *streams = assemble(ONE, root, Feeder(workers=3, cache=True))
    assert [batches.samples_ahead.workers for batches in streams] == [3, 3]
    assert not list(root.rglob(".image_cache/*"))
    for batches in streams:
        batches[0]
    assert list(root.rglob(".image_cache/*"))
