"""Every param that a stage declares changes what it assembles, trains with or writes; no other does.

A new field of a section needs no line here: a stage that reads it and does nothing with it fails. How a recipe shows
in the assembled network, trainer and batches is tested in tests/learning/test_recipe.py.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from unittest.mock import Mock

import numpy as np
import pytest

from maskrcnn.data.read_ahead import ReadAhead
from maskrcnn.data.records import Records
from maskrcnn.learning import fit
from maskrcnn.learning.recipe import Recipe
from maskrcnn.project import config
from maskrcnn.project.config import Feeder
from maskrcnn.project.notation import Image
from maskrcnn.project.params import read_params, read_runtime, read_yaml
from maskrcnn.project.ranges import NAME
from maskrcnn.project.runtime import choose_settings
from maskrcnn.readers.cityscapes import CITYSCAPES
from maskrcnn.results.predictions import Predictions
from stages import babysit, coarse, hyperband, predict, pretrain, train
from tests.pipeline.test_params import documented
from tests.tuning.fakes import FakeAssembly, FakeTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:currentThread.. is deprecated"),  # Keras Tuner's
    pytest.mark.filterwarnings("ignore:getName.. is deprecated"),
]
ROOT = Path(__file__).parents[2]
KINDS = {
    "": config.Runtime,  # keys without a section
    "data": config.Data,
    "preprocess": config.Preprocess,
    "model": config.Model,
    "sampling": config.Sampling,
    "train": config.Train,
    "variants.base": config.Variant,
    "pretrain": config.Pretrain,
    "babysit": config.Babysit,
    "coarse": config.Coarse,
    "candidates.reference": config.Candidate,
    "hyperband": config.Hyperband,
    "search.sgd": config.SearchSpace,
    "predict": config.Predict,
}
# Values that the rules of `change` would not make different enough.
SPECIAL = {
    "devices": 2,
    "train.hyperparameters": "other.yaml",
    "babysit.fall": 0.9,
    "search.sgd.learning_rate": [2e-5, 3e-5],
}
FIRST: dict[Any, Any] = {str: "x", dict: {}, tuple: (), float: 1.0}  # values to change where there is none
WRITTEN = ("tuning", "plots", "metrics")
HYPERPARAMETERS = "optimizer: sgd\nlearning_rate: {}\nmomentum: 0.9\nweight_decay: 0.0\n"


@dataclass(frozen=True)
class Stage:
    """A stage, and the item of its section that is run."""

    module: Any
    item: tuple[str, ...]
    sections: tuple[str, ...]


SHARED = ("", "data", "preprocess", "model", "sampling")
STAGES = {
    "train": Stage(train, ("base",), (*SHARED, "train", "variants.base")),
    "pretrain": Stage(pretrain, (), (*SHARED, "pretrain")),
    "babysit": Stage(babysit, (), (*SHARED, "babysit")),
    "coarse": Stage(coarse, ("reference",), (*SHARED, "coarse", "candidates.reference")),
    "hyperband": Stage(hyperband, ("sgd",), (*SHARED, "hyperband", "search.sgd")),
    "predict": Stage(predict, ("base",), ("", "model", "predict")),
}


def find_leaves(kind: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yields name, type and default of every field of a section and of the sections in it."""
    types = get_type_hints(kind, include_extras=True)
    for entry in fields(kind):
        name, hint = f"{path}.{entry.name}".removeprefix("."), types[entry.name]
        if is_dataclass(hint):
            yield from find_leaves(hint, name)
        else:
            factory = entry.default_factory
            yield name, hint, factory() if callable(factory) else entry.default


def change(hint: Any, value: Any) -> Any:
    """Returns another value of a type that its range allows."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        rules = {name: rule for field in arguments[1].metadata for name, rule in read_rules(field).items()}
        if names := rules.get("pattern"):
            return next(name for name in names if name != value)
        return value + rules["multiple_of"] if "multiple_of" in rules else change(arguments[0], value)
    if origin in (UnionType, Union):
        return change(arguments[0], FIRST.get(get_origin(arguments[0]) or arguments[0], 1) if value is None else value)
    if origin is list:
        return [*value, change(arguments[0], FIRST.get(arguments[0], 1e-5))]
    if origin is tuple:
        return [change(arguments[0], item) for item in value or (64, 64)]
    if origin is dict:
        key = change(arguments[0], "another")
        return value | {key: [] if get_origin(arguments[1]) is list else 0.25}
    kinds: dict[Any, Callable[[Any], Any]] = {
        bool: lambda value: not value,
        int: lambda value: value + 1,
        float: lambda value: value / 2 or 0.25,
        str: lambda value: f"{value}_other",
    }
    return kinds[hint](value)


def read_rules(field: Any) -> dict[str, Any]:
    """Returns the names that a text must be one of, or the number that a value is a multiple of."""
    pattern = getattr(field, "pattern", None)
    rules = {"pattern": pattern[2:-2].replace("\\", "").split("|")} if pattern and pattern != NAME else {}
    return rules | ({"multiple_of": field.multiple_of} if hasattr(field, "multiple_of") else {})


@cache
def read_demo() -> dict[str, Any]:
    return read_yaml(ROOT / "params.yaml")


def make_params() -> dict[str, Any]:
    """Returns the demo's params, shortened."""
    params = deepcopy(read_demo())
    params["babysit"] |= {"fall": 0.2}
    params["babysit"]["hyperparameters"] |= {"learning_rate": 1e-3}
    params["babysit"]["schedule"] |= {"epochs": 2}
    params["coarse"] |= {"learning_rates": [0.001, 0.0001]}
    params["coarse"]["schedule"] |= {"epochs": 2}
    params["hyperband"]["schedule"] |= {"epochs": 2}
    params["search"]["sgd"]["learning_rate"] = [1e-5, 1e-3]
    params["train"]["hyperparameters"] = "one.yaml"
    return params


def observe(name: str, params: dict[str, Any]) -> str:
    """Returns all that a stage assembles, trains with and writes, and the settings of Keras."""
    return "\n".join(run(name, params).notes)


def run(name: str, params: dict[str, Any]) -> "Seen":
    """Runs a stage without its network."""
    stage, seen = STAGES[name], Seen()
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder)
        (root / "params.yaml").write_text(json.dumps(params))  # JSON is YAML
        for file, rate in (("one.yaml", 0.1), ("other.yaml", 0.2)):
            (root / file).write_text(HYPERPARAMETERS.format(rate))
        seen.replace_network(patch, stage.module)
        try:
            stage.module.main(*stage.item, root)
        except (ValueError, EndOfTest) as error:
            seen.note("error", str(error))
        seen.note("learned", seen.assembly.trainer.learned)
        for path in sorted(path for folder in WRITTEN for path in (root / folder).rglob("*.*")):
            seen.note(path.relative_to(root).as_posix(), path.read_text())
        runtime = read_runtime(read_params(root / "params.yaml"))
    seen.note("settings", choose_settings(runtime, Path("root")))  # every script of `STAGES` calls `prepare_runtime`
    return seen


class EndOfTest(Exception):
    """Ends a stage where nothing more is to be seen."""


class Learner(FakeTrainer):
    """A fake trainer whose loss before the first step is 2."""

    def __init__(self) -> None:
        super().__init__()
        self.network = SimpleNamespace()

    def evaluate(self, _: object) -> dict[str, float]:
        return {"loss": 2.0}


class Seen:
    """What a stage hands over to what is replaced here."""

    feeder: Feeder | None = None

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.assembly = FakeAssembly(Learner())

    def note(self, *words: object) -> None:
        self.notes.append(" ".join(map(str, words)))

    def replace_network(self, patch: pytest.MonkeyPatch, stage: Any) -> None:
        """Replaces all that needs a network, images or records."""
        if hasattr(stage, "check_splits"):
            patch.setattr(stage, "check_splits", lambda *_: None)
        for module in {stage, fit}:
            for name in ("assemble", "fit", "write_weights", "fingerprint_recipe"):
                if hasattr(module, name):
                    patch.setattr(module, name, getattr(self, name))
        if stage is pretrain:
            for name in ("write_cities", "build_records", "write_records"):
                patch.setattr(pretrain, name, self.returning(name, []))
            patch.setattr(pretrain, "read_frames", self.returning("read_frames", ([], None)))
        if stage is predict:
            record = SimpleNamespace(image_path="a.png", name="a")
            records = RecordsOfOne(record)
            patch.setattr(predict, "spread", self.returning("spread", nullcontext()))
            patch.setattr(predict, "read_split", lambda *_: records)
            patch.setattr(predict, "write_predictions", lambda _, predictions, *__: list(predictions))
            patch.setattr(predict, "read_weights", lambda *_: None)
            patch.setattr(predict, "build_mask_rcnn", self.returning("build", None))
            patch.setattr(predict, "ReadAhead", self.read_ahead)
            patch.setattr(predict, "detect_batches", self.detect_batches)

    def returning(self, name: str, value: Any) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.note(name, [item for item in arguments if not isinstance(item, Path)], sorted(keywords.items()))
            return value

        return call

    def assemble(self, recipe: Recipe, root: Path, feeder: Feeder) -> Any:
        # All that `assemble` does not use must show elsewhere.
        unused = {"epochs": 0, "cosine": None, "patience": None}
        schedule = {key: value for key, value in vars(recipe.schedule).items() if key not in unused}
        self.note("recipe", vars(replace(recipe, hyperparameters=None)) | {"schedule": schedule})
        self.feeder = feeder
        trainer, training, _ = self.assembly(recipe, root, feeder)
        return trainer, StepsOfRecords(training), StepsOfRecords()

    def fit(self, *_: Any, hyperparameters: Any, schedule: Any, **__: Any) -> dict[str, float]:
        self.note("fit", hyperparameters, schedule.epochs, schedule.cosine, schedule.patience)
        return {}

    def write_weights(self, network: Any, path: Path, **__: Any) -> None:
        self.note("weights", path.name, network.facts)

    def fingerprint_recipe(self, *_: Any) -> str:
        return "fingerprint"

    def read_ahead(self, read: Callable[[int], Image], workers: int | None) -> ReadAhead[Image]:
        self.feeder = Feeder(workers)
        return ReadAhead(read, workers)

    def detect_batches(self, _: Any, batches: Iterator[np.ndarray], **arguments: Any) -> list[Predictions]:
        self.note("detect", next(batches).shape, sorted(arguments.items()))
        raise EndOfTest


class StepsOfRecords(list):
    """The batches of a split."""

    records = Mock(Records, catalogue=CITYSCAPES, fit="stretch")

    def close(self) -> None:
        """They have no threads."""


class RecordsOfOne(list):
    """The records of a split with one image."""

    def __init__(self, record: Any):
        super().__init__([record])
        self.names, self.image_shape = [record.name], (64, 64)
        self.catalogue = SimpleNamespace(class_names=("background", "car"))

    def read_image(self, _: int, root: Path) -> np.ndarray:
        return np.zeros((64, 64, 3), np.uint8)


@cache
def observe_base(name: str) -> str:
    return observe(name, make_params())


def is_declared(name: str, path: str) -> bool:
    """Returns whether the docstring of the stage's script lists a param, or a section that it belongs to."""
    stage = STAGES[name]
    listed = documented(Path(stage.module.__file__).read_text())
    items = {entry.replace("*", stage.item[0]) if stage.item else entry for entry in listed}
    return any(f"{path}.".startswith(f"{entry}.") for entry in items)


CASES = [
    pytest.param(name, path, hint, default, id=f"{name}-{path}")
    for name, stage in STAGES.items()
    for section in stage.sections
    for path, hint, default in find_leaves(KINDS[section], section)
]


@pytest.mark.parametrize(("name", "path", "hint", "default"), CASES)
def test_exactly_the_declared_params_change_what_a_stage_does(name: str, path: str, hint: Any, default: Any) -> None:
    params = make_params()
    *parents, key = path.split(".")
    section = params
    for parent in parents:
        section = section[parent]
    section[key] = SPECIAL[path] if path in SPECIAL else change(hint, section.get(key, default))
    differs = observe(name, params) != observe_base(name)
    assert differs == is_declared(name, path)


TRAININGS = ["train", "pretrain", "babysit", "coarse", "hyperband"]


@pytest.mark.parametrize(("name", "cache"), [*((name, True) for name in TRAININGS), ("predict", False)])
def test_how_images_are_read_reaches_the_reader_and_changes_nothing_else(name: str, cache: bool) -> None:
    seen = run(name, make_params() | {"feeder": {"workers": 3, "cache": cache}})
    assert seen.feeder == Feeder(3, cache)
    assert "\n".join(seen.notes) == observe_base(name)


@pytest.mark.parametrize("name", STAGES)
def test_the_same_params_do_the_same(name: str) -> None:
    assert observe(name, make_params()) == observe_base(name)


@pytest.mark.parametrize("name", TRAININGS)
def test_all_sections_of_a_stage_are_covered(name: str) -> None:
    stage = STAGES[name]
    listed = documented(Path(stage.module.__file__).read_text())
    runtime = {field.name for field in fields(config.Runtime)}
    sections = {section.partition(".")[0] for section in stage.sections if section}
    assert {entry.partition(".")[0] for entry in listed} == runtime | sections
