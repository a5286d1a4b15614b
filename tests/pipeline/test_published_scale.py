"""`scales/cityscapes.yaml` is the experiment of 2021, figure by figure."""

import json
import shutil
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from maskrcnn.cli.doctor import IMAGE_COUNTS
from maskrcnn.project.config import Hyperparameters
from maskrcnn.project.params import read_whole, read_yaml
from maskrcnn.readers.cityscapes import CLASS_NAMES
from stages.scale import main

ROOT = Path(__file__).parents[2]

TRAINING = ["aachen", "bochum", "bremen", "cologne", "darmstadt", "dusseldorf", "erfurt", "hamburg"]
STEPS = {"batch_size": 1, "steps": 154, "validation_steps": 30}
PUBLISHED = {
    # Data: sizes, cities and their images
    "data.image_shape": [1024, 2048],
    "preprocess.image_shape": [1024, 2048],
    "preprocess.mini_mask_shape": [56, 56],
    "splits.training.cities": TRAINING,
    "splits.validation.cities": ["frankfurt", "lindau"],
    "splits.test.cities": ["munster"],
    "splits.reduced_training.cities": ["cologne"],
    "splits.reduced_validation.cities": ["lindau"],
    # Babysitting
    "babysit.start": "models/start/coco.h5",
    "babysit.backbone": "resnet101",
    "babysit.hyperparameters": {"optimizer": "sgd", "learning_rate": 1e-3, "momentum": 0.9, "weight_decay": 0},
    # Coarse tuning
    "coarse.learning_rates": [1e-3, 1e-4, 1e-5, 1e-6],
    "coarse.momentum": 0.9,
    "coarse.weight_decay": 1e-4,
    "coarse.schedule.epochs": 15,
    # Fine tuning
    "hyperband.start": "models/start/coco.h5",
    "hyperband.schedule.epochs": 20,
    "search.sgd": {"learning_rate": [1e-5, 1e-4], "weight_decay": [1e-4, 1e-2], "momentum": [0.9, 0.99]},
    "search.adam": {"learning_rate": [1e-6, 1e-5], "weight_decay": [1e-4, 1e-2], "momentum": [0.9, 0.99]},
    # Training: Matterport's network, all images of an epoch, early stopping
    "model.backbone": "resnet101",
    "train.schedule.batch_size": 1,
    "train.schedule.cosine": False,
    "variants.base": {"start": "models/start/coco.h5", "layers": "heads"},
    "variants.flip": {"start": "models/start/coco.h5", "layers": "heads", "augment": {"flip": 0.5}},
    "variants.flip_crop": {"start": "models/start/coco.h5", "layers": "heads", "augment": {"flip": 0.5, "crop": 0.2}},
    "variants.unfreeze_backbone": {"start": "models/base.h5", "layers": "5+"},
    "variants.freeze_rpn_fpn": {
        "start": "models/base.h5",
        "layers": "heads",
        "frozen": ["fpn", "rpn_head"],
        "loss_weights": {"rpn_class_loss": 0, "rpn_box_loss": 0},
    },
    # Tables
    "headline.variant": "base",
}
IMAGES = {"training": 1403, "validation": 326, "test": 174, "reduced_training": 154, "reduced_validation": 59}
FULLEST_IMAGE = 120  # instances, in the training set


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The hyperparameters as `make cityscapes` merges them."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "scales", folder / "scales")
    main("cityscapes", folder)
    return read_yaml(folder / "params.yaml")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_scale_has_the_published_figure(params: dict[str, Any], name: str):
    assert reduce(lambda section, key: section[key], name.split("."), params) == PUBLISHED[name]


@pytest.mark.parametrize("section", ["babysit", "coarse", "hyperband"])
def test_an_epoch_of_tuning_is_one_pass_over_the_reduced_training_images(params: dict[str, Any], section: str):
    schedule = params[section]["schedule"]
    assert {key: schedule[key] for key in STEPS} == STEPS
    assert STEPS["steps"] == IMAGES["reduced_training"]


def test_babysitting_lasts_more_than_fifty_epochs(params: dict[str, Any]):
    assert params["babysit"]["schedule"]["epochs"] > 50


def test_splits_hold_the_published_images(params: dict[str, Any]):
    counts = {
        name: sum(IMAGE_COUNTS[Path(split["images"]).name][city] for city in split["cities"])
        for name, split in params["splits"].items()
    }
    assert counts == IMAGES


def test_only_the_test_split_keeps_masks_at_full_size(params: dict[str, Any]):
    assert [name for name, split in params["splits"].items() if split["instance_maps"]] == ["test"]


def test_no_image_holds_more_truth_than_fits(params: dict[str, Any]):
    assert params["preprocess"]["instance_cap"] >= FULLEST_IMAGE


def test_an_epoch_of_training_is_one_pass_over_all_images(params: dict[str, Any]):
    schedule = params["train"]["schedule"]
    assert (schedule["steps"], schedule["validation_steps"]) == (IMAGES["training"], IMAGES["validation"])
    assert schedule["patience"] < 8 < schedule["epochs"]  # it was best in epoch 8, and stopped early


def test_candidates_are_compared_as_published(params: dict[str, Any]):
    candidates = {
        name: (candidate["start"], candidate["backbone"], candidate["optimizer"])
        for name, candidate in params["candidates"].items()
    }
    assert candidates == {
        "other_start": ("models/start/imagenet.h5", "resnet50", "sgd"),
        "reference": ("models/start/coco_resnet50.h5", "resnet50", "sgd"),
        "other_backbone": ("models/start/coco.h5", "resnet101", "sgd"),
        "other_optimizer": ("models/start/coco.h5", "resnet101", "adam"),
    }
    assert params["coarse"]["comparisons"] == {
        "start": ["other_start", "reference"],
        "backbone": ["reference", "other_backbone"],
        "optimizer": ["other_backbone", "other_optimizer"],
    }


def test_starts_are_made_by_the_weights_stage_or_by_the_base(params: dict[str, Any]):
    made = {f"models/start/{name}.h5": weights["backbone"] for name, weights in params["weights"].items()}
    for candidate in params["candidates"].values():
        assert made[candidate["start"]] == candidate["backbone"]
    starts = {variant["start"] for variant in params["variants"].values()}
    assert starts - {"models/base.h5"} <= {start for start, backbone in made.items() if backbone == "resnet101"}
    assert {weights["path"] for weights in params["weights"].values()} == {
        "weights/mask_rcnn_coco.h5",
        "weights/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    }


def test_nothing_overrules_the_tuning(params: dict[str, Any]):
    assert params["train"]["hyperparameters"] == "tuning/selected.yaml"
    assert set(params["select"].values()) == {None}


def test_the_pin_is_the_configuration_of_the_published_models(params: dict[str, Any]):
    pinned = read_whole(Hyperparameters, ROOT / "pins/published_2021.yaml")
    assert pinned == Hyperparameters(optimizer="sgd", learning_rate=6e-5, momentum=0.98, weight_decay=6e-3)


def test_published_tables_have_these_variants(params: dict[str, Any]):
    published = {path.stem: json.loads(path.read_text()) for path in (ROOT / "metrics/published_2021/test").glob("*")}
    assert set(published) == set(params["variants"])
    assert len(CLASS_NAMES) == 11  # ten and background
