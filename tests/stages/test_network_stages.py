"""Pretrain, train, predict and draw, one after the other, on a city of a few frames and a tiny network."""

import csv
import json
import math
from dataclasses import asdict
from pathlib import Path

import cv2
import keras
import pytest
from ruamel.yaml import YAML

from maskrcnn.data.records import read_records
from maskrcnn.learning import fit
from maskrcnn.learning.epochs import validation_loss
from maskrcnn.network.weights import read_facts
from maskrcnn.project.params import read_yaml
from maskrcnn.results.predictions import read_predictions
from stages import draw, predict, preprocess, pretrain, synthesize, train

ROOT = Path(__file__).parents[2]
TINY = {"backbone_width": 8, "fpn_channels": 16, "rpn_channels": 16, "box_channels": 32, "mask_channels": 8}
SHORT = {"batch_size": 2, "epochs": 2, "steps": 2, "validation_steps": 1}
TUNED = "optimizer: adam\nlearning_rate: 0.0005\nmomentum: 0.9\nweight_decay: 0.0001\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all stages up to the pictures of the detections have run."""
    root = tmp_path_factory.mktemp("project")
    write_params(root)
    synthesize.main("city", root)
    for split in ("training", "validation", "test"):
        preprocess.main(split, root)
    pretrain.main(root)
    train_and_be_killed("base", root)
    train.main("base", root)
    predict.main("base", root)
    draw.main("base", root)
    return root


def train_and_be_killed(variant: str, root: Path) -> None:
    """Ends a training after its last epoch, before its stage ends, and removes outputs as DVC does."""

    class Killed(BaseException):
        """Ends the stage."""

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(fit, "write_metrics", kill)
        train.main(variant, root)
    (root / f"plots/history/{variant}.csv").unlink()


def write_params(root: Path) -> None:
    """Writes the demo's hyperparameters, made tiny."""
    params = read_yaml(ROOT / "params.yaml")
    params["synthesize"]["city"] |= {"train": {"aachen": 4}, "val": {"lindau": 2, "munster": 3}}
    for split, city in (("training", "aachen"), ("validation", "lindau"), ("test", "munster")):
        params["splits"][split]["cities"] = [city]
    params["data"] |= {"licence": "drawn"}
    params["model"] |= TINY | {"num_candidates": 2000}
    params["sampling"] |= {"num_proposals": 1000}  # so many regions that some meet an object before anything is learned
    params["pretrain"] |= {"frames": 8, "validation_frames": 8}
    params["pretrain"]["schedule"] |= SHORT
    params["train"] |= {"hyperparameters": "tuned.yaml"}
    params["train"]["schedule"] |= SHORT
    params["predict"] |= {"min_confidence": 0.0, "batch_size": 2, "num_detections": 5}
    params["draw"] |= {"images": 2, "min_score": 0.0}
    YAML().dump(params, root / "params.yaml")
    (root / "tuned.yaml").write_text(TUNED)


def test_every_epoch_has_its_losses(root: Path) -> None:
    for name in ("pretrained", "base"):
        with (root / f"plots/history/{name}.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["epoch"] for row in rows] == ["1", "2"]
        best = json.loads((root / f"metrics/train/{name}.json").read_text())
        losses = [validation_loss({key: float(value) for key, value in row.items()}) for row in rows]
        assert best["epochs"] == 2
        assert best["best_epoch"] == 1 + losses.index(min(losses))
        assert best["val_loss"] == pytest.approx(float(rows[best["best_epoch"] - 1]["val_loss"]))


def test_start_weights_are_half_the_size_of_a_model(root: Path) -> None:
    # kernels, nearly all of the file, have 16 bits instead of 32
    start, model = (root / f"models/{name}.h5" for name in ("pretrained", "base"))
    assert start.stat().st_size < 0.7 * model.stat().st_size


def test_a_model_knows_its_classes_its_images_and_its_training(root: Path) -> None:
    for name, licence in (("pretrained", pretrain.LICENCE), ("base", "drawn")):
        facts = read_facts(root / f"models/{name}.h5")
        catalogue = read_records(root / "data/processed/training.npz").catalogue
        assert ("background", *facts.class_names) == catalogue.class_names
        assert ((0, 0, 0), *facts.class_colors) == catalogue.colors
        assert (facts.image_shape, facts.fit, facts.licence) == ((128, 256), "stretch", licence)
        assert asdict(facts.architecture).items() >= TINY.items()
        assert facts.packages["keras"] == keras.__version__
        best = json.loads((root / f"metrics/train/{name}.json").read_text())
        assert facts.metrics == {key: value for key, value in best.items() if math.isfinite(value)}
        assert facts.commit is None  # the same training gives the same bytes at every commit


def test_nothing_unfinished_is_left(root: Path) -> None:
    checkpoints = root / "checkpoints"
    assert len(list(checkpoints.rglob("done"))) == 1  # the last stage's, which the next one would remove
    assert not list(checkpoints.rglob("*.lock"))
    assert not [path for path in root.rglob("*") if path.name.startswith(".")]


def test_the_last_batch_is_not_padded_with_images(root: Path) -> None:
    records = read_records(root / "data/processed/test.npz")
    found = read_predictions(root / "predictions/base.json", len(records), records.image_shape, 11)
    assert len(found) == 3
    assert all(len(image) <= 5 for image in found)


def test_pictures_are_drawn_of_the_first_and_the_last_image(root: Path) -> None:
    names = ["munster_000000_000019", "munster_000002_000019"]
    paths = sorted((root / "pictures/found/base/detections").iterdir())
    assert [path.stem for path in paths] == names
    assert all(cv2.imread(str(path)).std() > 10 for path in paths)


def test_the_start_weights_must_be_there(root: Path) -> None:
    params = read_yaml(root / "params.yaml")
    params["variants"]["lost"] = {"start": "models/lost.h5", "layers": "heads"}
    YAML().dump(params, root / "params.yaml")
    (root / "tuned.yaml").write_text(TUNED)
    with pytest.raises(FileNotFoundError, match=r"lost\.h5` must exist"):
        train.main("lost", root)
    assert not (root / "models/lost.h5").exists()
    with pytest.raises(ValueError, match=r"params\.yaml` must have the section `variants\.none`; got"):
        train.main("none", root)
