"""The rules that join several sections of params.yaml."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from maskrcnn.project.config import SYNTHETIC
from maskrcnn.project.params import Params, read_yaml
from maskrcnn.project.rules import check_params, read_images_root

ROOT = Path(__file__).parents[2]
DEMO = read_yaml(ROOT / "params.yaml")


def change(**values: Any) -> Params:
    """The demo's params with other values; `__` stands for the dot between section and key."""
    params = deepcopy(DEMO)
    for name, value in values.items():
        *sections, key = name.split("__")
        section = params
        for part in sections:
            section = section[part]
        section[key] = value
    return Params(Path("params.yaml"), params)


def test_the_demo_is_valid(tmp_path: Path) -> None:
    assert check_params(change(), tmp_path).headline.variant == "base"
    assert read_images_root(change(), tmp_path) == SYNTHETIC


@pytest.mark.parametrize("folder", ["data/mine", "../mine", "/photos", "data", ".", f"{SYNTHETIC}/more"])
def test_a_drawn_city_has_its_own_folder(tmp_path: Path, folder: str) -> None:
    rule = r"`data\.root` must be data/synthetic while `synthesize` draws the images; got .*set `synthesize: \{\}`"
    for check in (check_params, read_images_root):
        with pytest.raises(ValueError, match=rule):
            check(change(data__root=folder), tmp_path)


@pytest.mark.parametrize("folder", ["data/mine", "../mine", "/photos", "data", ".", "data/synthetic2"])
def test_images_of_ones_own_may_lie_anywhere_else(tmp_path: Path, folder: str) -> None:
    params = change(synthesize={}, data__root=folder)
    check_params(params, tmp_path)
    assert read_images_root(params, tmp_path) == folder


@pytest.mark.parametrize("folder", [SYNTHETIC, f"./{SYNTHETIC}/", f"{SYNTHETIC}/more", f"models/../{SYNTHETIC}"])
def test_images_of_ones_own_must_not_lie_where_the_city_is_drawn(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ValueError, match=r"`data\.root` must not be in data/synthetic, .* move your images"):
        read_images_root(change(synthesize={}, data__root=folder), tmp_path)


@pytest.mark.parametrize("folder", ["pictures", "data/processed/raw", "live/base", "plots/../models"])
def test_images_must_not_lie_where_the_pipeline_writes(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ValueError, match=r"`data\.root` must not be in \w.*, where the pipeline writes; got"):
        read_images_root(change(synthesize={}, data__root=folder), tmp_path)


def test_links_and_absolute_paths_are_followed(tmp_path: Path) -> None:
    (tmp_path / SYNTHETIC).mkdir(parents=True)
    (tmp_path / "photos").symlink_to(tmp_path / SYNTHETIC)
    for folder in ("photos", str(tmp_path / SYNTHETIC)):
        with pytest.raises(ValueError, match="must not be in data/synthetic"):
            read_images_root(change(synthesize={}, data__root=folder), tmp_path)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"data__format": "coco"}, r"`data\.format` must be cityscapes while `synthesize` draws"),
        ({"data__image_shape": None}, r"`data\.image_shape` must be a height and width while `synthesize` draws"),
        ({"data__format": "coco", "synthesize": {}, "data__root": "x"}, r"`splits\.test\.cities` must be null where"),
        (
            {"splits__test__cities": ["munster", "ulm"]},
            r"`splits\.test\.cities` must be drawn by `synthesize`; got ulm",
        ),
        ({"splits__training__images": "/photos"}, r"`splits\.training\.images` must be a path below `data\.root`; got"),
        ({"splits__training__truth": "../gtFine"}, r"`splits\.training\.truth` must be a path below `data\.root`; got"),
        ({"splits__test__instance_maps": False}, r"`splits\.test\.instance_maps` must be true"),
        (
            {"splits": {"test": DEMO["splits"]["test"]}},
            r"`splits` must have the keys training, .*; got no training",
        ),
        ({"variants": {"plain": DEMO["variants"]["base"]}}, r"`variants` must have the key base; got plain"),
        ({"variants__pretrained": DEMO["variants"]["base"]}, r"`variants` must not have the key pretrained"),
        ({"variants__base__start": "models/base.h5"}, r"`variants\.base\.start` must not be the file that the variant"),
        ({"search": {}}, r"`search` must have an optimizer; got none"),
        ({"synthesize__more": DEMO["synthesize"]["city"]}, r"`synthesize` must have at most one entry; got city, more"),
        ({"variants__7": DEMO["variants"]["base"], "data__root": "a\0b"}, r"`data\.root` must be a folder; got"),
        ({"headline__variant": "best"}, r"`headline\.variant` must be one of base, flip, .*; got best"),
        ({"compare__reference": "best"}, r"`compare\.reference` must be one of base, flip, .*; got best"),
        (
            {"search": {"adam": DEMO["search"]["adam"]}, "select__optimizer": "sgd"},
            r"`select\.optimizer` must be",
        ),
        ({"search__sgd__momentum": [0.99, 0.9]}, r"`search\.sgd\.momentum` must be a lower and a higher value"),
        ({"search__sgd__learning_rate": [0.1, 0.1]}, r"`search\.sgd\.learning_rate` must be a lower and a higher"),
        ({"coarse__comparisons": {"start": []}}, r"`coarse\.comparisons` must have the keys start, backbone, optim"),
        ({"coarse__comparisons__start": ["none", "reference"]}, r"`coarse\.comparisons\.start` must name entries of"),
        (
            {"coarse__comparisons__optimizer": ["reference", "other_start"]},
            r"must name candidates that differ in optimizer alone; got reference, other_start, which differ in start",
        ),
        ({"coarse__comparisons__start": ["reference"]}, r"which differ in nothing"),
        (
            {"train__schedule__gradient_accumulation": 3},
            r"`train\.schedule\.batch_size` must be a multiple of `train\.schedule\.gradient_accumulation`, 3; got 4",
        ),
        (
            {"devices": 3},
            r"`babysit\.schedule\.batch_size` must be a multiple of `devices`, 3; got 4; `coarse\..*; `pre",
        ),
        (
            {"devices": 4, "coarse__schedule__gradient_accumulation": 2},
            r"valid; `coarse\.schedule\.batch_size` must be a multiple of `devices` times `coarse\..*, 8; got 4\.$",
        ),
        (
            {"devices": 2, "train__schedule__gradient_accumulation": 2, "train__schedule__live_batch_norm": True},
            r"`train\.schedule\.gradient_accumulation` must be 1 where `train\.schedule\.live_batch_norm` is true",
        ),
        ({"feeder__workers": 257}, r"`feeder\.workers` must be at most 256; got 257"),
        ({"variants__../mine": DEMO["variants"]["base"]}, r"`variants` must have keys that are of letters"),
    ],
)
def test_contradictions_are_named(tmp_path: Path, values: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        check_params(change(**values), tmp_path)


def test_batches_that_divide_into_equal_parts_are_valid(tmp_path: Path) -> None:
    check_params(change(devices=2, train__schedule__gradient_accumulation=2), tmp_path)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.root.*headline\.variant"):
        check_params(change(data__root="mine", headline__variant="best"), tmp_path)
