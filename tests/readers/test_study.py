"""The check of all of `params.yaml`: wrong settings are named by their full path, the shipped ones pass."""

import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from maskrcnn.network.weights.classes import BY_NAME
from maskrcnn.network.weights.loading import FRESH
from maskrcnn.network.weights.released import CLASS_NAMES
from maskrcnn.project.errors import InputError
from maskrcnn.project.params import read_yaml
from maskrcnn.project.ranges import ClassMap, Fresh, names_of
from maskrcnn.readers.study import check_study
from stages import scale
from tests.fuzz.mutations import mutate_text

ROOT = Path(__file__).parents[2]
DEMO = (ROOT / "params.yaml").read_text()
MARK = "the value of this test"
REAL = {"data.root": "data/cityscapes", "synthesize": {}}  # images of one's own

# Key, its value as YAML, and what the message must say; `unknown` keys are added.
WRONG = [
    ("scale", "3", "`scale` must be a text"),
    ("backend", "torch", "`backend` must be one of tensorflow, jax"),
    ("precision", "float16", "`precision` must be one of float32"),
    ("deterministic", "1", "`deterministic` must be true or false"),
    ("devices", "0", "`devices` must be at least 1, or all"),
    ("devices", "1180591620717411303424", "`devices` must be at least 1, or all"),
    ("feeder.workers", "-1", "`feeder.workers` must be at least 1"),
    ("feeder.cache", "'no'", "`feeder.cache` must be true or false"),
    ("data.root", "''", "`data.root` must be a folder"),
    ("data.root", "data/cityscapes", "`data.root` must be data/synthetic while"),
    ("data.format", "voc", "`data.format` must be one of cityscapes, coco"),
    ("data.image_shape", "[256]", "`data.image_shape` must have 2 entries"),
    ("data.image_shape", "[0, 512]", "`data.image_shape[0]` must be at least 1"),
    ("data.classes", "{}", "`data.classes` must have at least one class"),
    ("data.classes", "{car: []}", "`data.classes.car` must be a class with labels"),
    ("data.classes", "{car: [cra]}", "`data.classes.car` must merge labels"),
    ("data.classes", "{car: [car], bus: [car]}", "`data.classes.bus` must not repeat a label"),
    ("synthesize.city.seed", "-1", "`synthesize.city.seed` must be at least 0"),
    ("synthesize.city.world", "moon", "`synthesize.city.world` must be one of city"),
    ("synthesize.city.train.aachen", "0", "`synthesize.city.train.aachen` must be at least 1"),
    ("preprocess.image_shape", "[100, 256]", "`preprocess.image_shape[0]` must be a multiple of 64"),
    ("preprocess.fit", "crop", "`preprocess.fit` must be one of stretch, letterbox"),
    ("preprocess.instance_cap", "0", "`preprocess.instance_cap` must be at least 1"),
    ("preprocess.mini_mask_shape", "[56, true]", "`preprocess.mini_mask_shape[1]` must be a whole number"),
    ("splits.test", "null", "`splits.test` must be a section"),
    ("splits.training.cities", "[]", "`splits.training.cities` must name at least one city"),
    ("splits.training.cities", "[aachen, aachen]", "`splits.training.cities` must not repeat a city; got aachen"),
    ("splits.training.cities", "[../aachen]", "`splits.training.cities` must be names of folders"),
    ("splits.training.cities", "[rome]", "`splits.training.cities` must be drawn by `synthesize`; got rome"),
    ("splits.training.images", "train", "`splits.training.images` must be leftImg8bit/train or"),
    ("splits.test.instance_maps", "false", "`splits.test.instance_maps` must be true"),
    ("model.backbone", "resnet18", "`model.backbone` must be one of resnet14"),
    ("model.backbone_width", "0", "`model.backbone_width` must be at least 1"),
    ("model.fpn_channels", "1180591620717411303424", "`model.fpn_channels` must be at most 2147483647"),
    ("model.anchor_scales", "[8, 16, 32, 64, -0.0]", "`model.anchor_scales[4]` must be above 0"),
    ("model.canonical_roi_size", ".nan", "`model.canonical_roi_size` must be a finite number"),
    ("model.num_candidates", "4.5", "`model.num_candidates` must be a whole number"),
    ("sampling.num_anchors", "0", "`sampling.num_anchors` must be at least 1"),
    ("sampling.num_rois", "0", "`sampling.num_rois` must be at least 1"),
    ("sampling.positive_fraction", "0", "`sampling.positive_fraction` must be above 0"),
    ("sampling.positive_fraction", "0.03", "`sampling.positive_fraction` must leave one or more of `sampling.num_r"),
    ("pretrain.schedule.validation_steps", "17", "`pretrain.schedule.validation_steps` must be at most 16"),
    ("weights.deeper.fresh", "[blokcs]", "`weights.deeper.fresh[0]` must be one of fpn"),
    ("weights.deeper.class_map", "voc", "`weights.deeper.class_map` must be one of coco, cityscapes"),
    ("weights.deeper.sha256", "abc", "`weights.deeper.sha256` must be 64 hexadecimal digits"),
    ("weights.deeper.path", "''", "`weights.deeper.path` must be a path of 1 to 200 characters"),
    ("babysit.fall", ".inf", "`babysit.fall` must be"),
    ("babysit.start", "models/start/deeper.h5", "`babysit.start` must be weights of the backbone resnet14"),
    ("babysit.schedule.validation_steps", "11", "`babysit.schedule.validation_steps` must be at most 10"),
    ("babysit.hyperparameters.learning_rate", "'1e-4'", "`babysit.hyperparameters.learning_rate` must be a number"),
    ("coarse.learning_rates", "[0.1]", "`coarse.learning_rates` must have at least 2 entries"),
    ("coarse.momentum", "1.5", "`coarse.momentum` must be below 1"),
    ("coarse.weight_decay", "-10", "`coarse.weight_decay` must be at least 0"),
    ("coarse.schedule.validation_steps", "6", "`coarse.schedule.validation_steps` must be at most 5"),
    ("candidates.reference.backbone", "resnet26", "`candidates.reference.start` must be weights of the backbone"),
    ("candidates.reference.start", "models/start/none.h5", "`candidates.reference.start` must be a file that `weig"),
    ("hyperband.factor", "1", "`hyperband.factor` must be at least 2"),
    ("hyperband.iterations", "0", "`hyperband.iterations` must be at least 1"),
    ("hyperband.iterations", "1180591620717411303424", "`hyperband.iterations` must be at most"),
    ("hyperband.schedule.epochs", "true", "`hyperband.schedule.epochs` must be a whole number"),
    ("hyperband.schedule.validation_steps", "6", "`hyperband.schedule.validation_steps` must be at most 5"),
    ("hyperband.layers", "6+", "`hyperband.layers` must be one of heads"),
    ("search.sgd.momentum", "[0.99, 0.9]", "`search.sgd.momentum` must be a lower and a higher value"),
    ("search.adam.weight_decay", "[0.01, 0.01]", "`search.adam.weight_decay` must be a lower and a higher value"),
    ("search.sgd.learning_rate", "[0, 0.1]", "`search.sgd.learning_rate[0]` must be above 0"),
    ("search.rmsprop", "{}", "`search` must have keys that are one of sgd, adam"),
    ("select.learning_rate", "'1e-4'", "`select.learning_rate` must be a number; got '1e-4', remove the quotes"),
    ("select.learing_rate", "0.1", "`select.learing_rate` is unknown, the nearest key is `learning_rate`"),
    ("train.hyperparameters", "pins/none.yaml", "`train.hyperparameters` must be tuning/selected.yaml"),
    ("train.schedule.batch_size", "0", "`train.schedule.batch_size` must be at least 1"),
    ("train.schedule.batchsize", "4", "`train.schedule.batchsize` is unknown, the nearest key is `batch_size`"),
    ("train.schedule.patience", "-1", "`train.schedule.patience` must be at least 1"),
    ("train.schedule.validation_steps", "16", "`train.schedule.validation_steps` must be at most 15"),
    ("train.schedule.warmup_steps", "2147483648", "`train.schedule.warmup_steps` must be at most 2147483647"),
    ("variants.flip.augment", "[mirror]", "`variants.flip.augment` must be a section"),
    ("variants.flip.augment", "{mirror: 1}", "`variants.flip.augment` must name some of flip"),
    ("variants.flip.augment.flip", ".nan", "`variants.flip.augment.flip` must be a finite number"),
    ("variants.flip.augment.flip", "1.5", "`variants.flip.augment.flip` must lie within [0, 1]"),
    ("variants.base.layers", "head", "`variants.base.layers` must be one of heads"),
    ("variants.base.frozen", "[fpn, rpn_head, box_head, mask_head]", "`variants.base.frozen` must leave a part"),
    ("variants.base.loss_weights", "{clas_loss: 1}", "`variants.base.loss_weights` must have keys that are one of"),
    (
        "variants.base.loss_weights",
        "{rpn_class_loss: 0, rpn_box_loss: 0, class_loss: 0, box_loss: 0.0, mask_loss: -0.0}",
        "`variants.base.loss_weights` must leave a loss above 0",
    ),
    ("variants.base.start", "models/unfreeze_backbone.h5", "`variants.base.start` must not lead back to the variant"),
    ("variants.base.start", "models/start/deeper.h5", "`variants.base.start` must be weights of the backbone resnet14"),
    ("predict.batch_size", "-1", "`predict.batch_size` must be at least 1"),
    ("predict.min_confidence", "5", "`predict.min_confidence` must be at most 1"),
    ("predict.detection_nms_iou", ".nan", "`predict.detection_nms_iou` must be"),
    ("predict.num_detections", "151", "`predict.num_detections` must be at most `predict.num_proposals`, 150"),
    ("draw.images", "0x" + "f" * 900, "`draw.images` must have at most 300 digits"),
    ("draw.min_score", "!!set {a}", "`draw.min_score` must be a text, a number, a list or a section; got set"),
    ("headline.variant", "best", "`headline.variant` must be one of base"),
]


def write_params(folder: Path, changes: dict[str, Any], name: str = "", value: str = "") -> Path:
    """Writes the demo's params with some values by their dotted names, and one as YAML writes it."""
    params = read_yaml(ROOT / "params.yaml")
    for key, new in {**changes, **({name: MARK} if name else {})}.items():
        *parents, last = key.split(".")
        section = params
        for parent in parents:
            section = section[parent]
        section[last] = new
    path = folder / "params.yaml"
    path.write_text(json.dumps(params).replace(json.dumps(MARK), value))  # JSON is YAML
    return folder


@pytest.mark.parametrize(("key", "value", "message"), WRONG, ids=[f"{key}={value[:20]}" for key, value, _ in WRONG])
def test_a_wrong_setting_is_named(tmp_path: Path, key: str, value: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        check_study(write_params(tmp_path, {}, key, value))
    assert message in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("section", read_yaml(ROOT / "params.yaml"))
def test_a_missing_section_is_named(tmp_path: Path, section: str) -> None:
    params = read_yaml(ROOT / "params.yaml")
    del params[section]
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    with pytest.raises(InputError, match=rf"`{section}` is missing"):
        check_study(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", r"must be YAML; .* in line 2, column 1, indent with spaces"),
        ("a: 1\nb 2", r"must be YAML; .* in line 2, column 4, put `: ` between a key and its value"),
        ("a: 1\na: 2", r'must be YAML; got found duplicate key "a" .* in line 2, column 1, keep one of the two'),
        ("a: &a [*a]", r"must not be nested that deep, or contain itself"),
        ("a: " + "[" * 31_000, r"must have at most 20 levels; got more in line 1"),
        ("[" * 100_000, r"must have at most 64000 bytes; got 100000"),
        ("a: " + "1" * 60_000, r"must have values of at most 1000 characters; got 60000 in line 1"),
        ("a: " + "1" * 1_000_000, r"must have at most 64000 bytes"),
        (
            "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1}, ' * 9}]\n" for i in range(1, 12)),
            r"must have at most 10000 values; got more up to line 5",
        ),
        (
            "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{f'*a{i - 1}, ' * 9}]}}\n" for i in range(1, 12)),
            r"must have at most 10000 values",
        ),
        ("a: &x 1\nb: &x [2]\n", r"must have every anchor once; got &x again in line 2"),
        ("a: !!python/object/apply:os.system [id]", r"must be YAML; got could not determine a constructor"),
        ("a: 2021-13-45", r"must be YAML; got month must be"),
        ('a: "\\UFFFFFFFF"', r"must be YAML; got Python int too large"),
        ("a: !!int z", r"must be YAML; got invalid literal"),
        ("a: \xff", r"must be YAML; got unacceptable character"),
    ],
)
def test_what_is_not_yaml_is_refused_soon(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "params.yaml").write_bytes(text.encode("latin-1"))
    started = time.process_time()
    with pytest.raises(InputError, match=message):
        check_study(tmp_path)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("name", ["demo", *sorted(path.stem for path in (ROOT / "scales").glob("*.yaml"))])
def test_the_shipped_scales_pass(tmp_path: Path, name: str) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "scales", tmp_path / "scales")
    if name != "demo":
        scale.main(name, tmp_path)
    assert check_study(tmp_path).scale == name


def test_a_file_of_hyperparameters_is_read(tmp_path: Path) -> None:
    root = write_params(tmp_path, {"train.hyperparameters": "pins/mine.yaml"})
    shutil.copytree(ROOT / "pins", tmp_path / "pins")
    shutil.copy(tmp_path / "pins/published_2021.yaml", tmp_path / "pins/mine.yaml")
    check_study(root)
    (tmp_path / "pins/mine.yaml").write_text("optimizer: sgd")
    with pytest.raises(InputError, match=r"`train\.hyperparameters` must be a file of hyperparameters; got pins/mine"):
        check_study(root)


def write_images(root: Path, **counts: int) -> None:
    """Makes empty files in the place of images, so many of each city, in both folders of Cityscapes."""
    for folder in ("train", "val"):
        for city, count in counts.items():
            path = root / "data/cityscapes/leftImg8bit" / folder / city
            path.mkdir(parents=True)
            for index in range(count):
                (path / f"{city}_{index}_leftImg8bit.png").touch()


CITIES = (*read_yaml(ROOT / "params.yaml")["splits"]["training"]["cities"], "frankfurt", "lindau")


def test_images_of_ones_own_are_counted(tmp_path: Path) -> None:
    root = write_params(tmp_path, REAL)
    check_study(root)  # nothing is there yet
    write_images(tmp_path, **dict.fromkeys(CITIES, 30), munster=1)
    check_study(root)  # 2 cities of 30 images fill 15 steps of 4
    for path in (tmp_path / "data/cityscapes/leftImg8bit/val/lindau").glob("*_2?_*"):
        path.unlink()
    with pytest.raises(InputError) as error:
        check_study(root)
    assert "`train.schedule.validation_steps` must be at most 12, for the 50 images" in str(error.value)


def test_images_of_json_are_counted(tmp_path: Path) -> None:
    truths = {f"splits.{name}.truth": f"{name}.json" for name in read_yaml(ROOT / "params.yaml")["splits"]}
    cities = {f"splits.{name.split('.')[1]}.cities": None for name in truths}
    root = write_params(tmp_path, REAL | cities | truths | {"data.format": "coco", "data.classes": None})
    check_study(root)  # nothing is there yet

    def write_json(images: int) -> None:
        lists = {"images": [{}] * images, "annotations": [], "categories": [{}]}
        for truth in truths.values():
            (tmp_path / "data/cityscapes").mkdir(parents=True, exist_ok=True)
            (tmp_path / "data/cityscapes" / truth).write_text(json.dumps(lists))

    write_json(60)
    check_study(root)
    write_json(4)
    with pytest.raises(InputError, match=r"`train\.schedule\.validation_steps` must be at most 1, for the 4 images"):
        check_study(root)
    write_json(3)
    with pytest.raises(InputError, match=r"`coarse\.schedule\.batch_size` must be at most 3, the images of its"):
        check_study(root)
    (tmp_path / "data/cityscapes/test.json").write_text("[")
    with pytest.raises(InputError, match=r"test\.json` must be JSON"):
        check_study(root)


def test_cities_that_are_not_there_are_named(tmp_path: Path) -> None:
    write_images(tmp_path, **dict.fromkeys(CITIES, 30))
    (tmp_path / "data/cityscapes/leftImg8bit/val/munster").mkdir()
    check_study(write_params(tmp_path, REAL))
    with pytest.raises(InputError, match=r"`splits\.test\.cities` must be folders of `.*val`; got rome, there are aac"):
        check_study(write_params(tmp_path, REAL | {"splits.test.cities": ["rome"]}))
    with pytest.raises(InputError, match=r"got munstre, the nearest are munster"):
        check_study(write_params(tmp_path, REAL | {"splits.test.cities": ["munstre"]}))


def test_names_of_weights_are_those_of_their_reader() -> None:
    assert set(names_of(Fresh)) == set(FRESH)
    assert set(names_of(ClassMap)) == {*CLASS_NAMES, BY_NAME}


def check_mutated(folder: Path, count: int, seed: int) -> int:
    """Checks mutated params and returns how many were valid; any error but an `InputError` ends the test."""
    dice = random.Random(seed)
    valid = 0
    for number in range(count):
        text = mutate_text(DEMO, dice)
        (folder / "params.yaml").write_text(text)
        started = time.process_time()
        try:
            check_study(folder)
            valid += 1
        except InputError as fault:
            assert len(str(fault)) < 20_000
        except Exception as fault:
            raise AssertionError(f"mutation {number} of seed {seed}") from fault
        assert time.process_time() - started < 2, f"mutation {number} of seed {seed}"
    return valid


def test_mutated_params_are_refused_by_name(tmp_path: Path) -> None:
    assert 0 < check_mutated(tmp_path, 200, seed=13) < 200
