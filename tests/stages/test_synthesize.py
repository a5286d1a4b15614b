import subprocess
import sys
from pathlib import Path

import pytest

from maskrcnn.readers.cityscapes import read_annotation, read_frames
from stages.synthesize import main

PARAMS = """
data:
  root: data/synthetic
  format: cityscapes
  image_shape: {shape}
  classes:
  licence:
synthesize:
  town:
    seed: 7
    world: {world}
    train:
      aachen: {count}
      bochum: 1
    val:
      munster: 2
"""


def write_params(root, world="city", count=2, shape="[64, 128]"):
    (root / "params.yaml").write_text(PARAMS.format(world=world, count=count, shape=shape))
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = write_params(tmp_path_factory.mktemp("project"))
    main("town", folder)
    return folder


def test_every_city_is_written(root):
    data = root / "data/synthetic"
    training, _ = read_frames(data, "leftImg8bit/train", "gtFine/train", image_shape=(64, 128))
    assert [frame.name.partition("_")[0] for frame in training] == ["aachen", "aachen", "bochum"]
    frames, _ = read_frames(data, "leftImg8bit/val", "gtFine/val", image_shape=(64, 128))
    assert len(frames) == 2
    assert all(read_annotation(frame.polygons_path, (64, 128)).objects for frame in frames)


def test_nothing_else_is_left(root):
    assert [path.name for path in (root / "data").iterdir()] == ["synthetic"]
    assert sorted(path.name for path in (root / "data/synthetic").iterdir()) == ["drawn.txt", "gtFine", "leftImg8bit"]


def test_runs_as_a_script_and_writes_the_same_bytes(root, tmp_path):
    write_params(tmp_path)
    repository = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", str(repository / "stages/synthesize.py"), "town"]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(repository)}, check=True, capture_output=True)
    files = sorted(path.relative_to(root) for path in (root / "data").rglob("*") if path.is_file())
    assert len(files) == 11
    assert all((tmp_path / file).read_bytes() == (root / file).read_bytes() for file in files)


def test_refuses_an_unknown_world(tmp_path):
    with pytest.raises(ValueError, match=r"`synthesize\.town\.world` must be one of city, countryside; got 'moon'"):
        main("town", write_params(tmp_path, world="moon"))
    assert not any(path.is_file() for path in (tmp_path / "data").rglob("*"))


def test_refuses_a_city_without_frames(tmp_path):
    with pytest.raises(ValueError, match=r"`synthesize\.town\.train\.aachen` must be at least 1; got 0"):
        main("town", write_params(tmp_path, count=0))
    assert not any(path.is_file() for path in (tmp_path / "data").rglob("*"))


def test_refuses_an_unknown_section(root):
    with pytest.raises(ValueError, match=r"must have the section `synthesize\.village`; got town\."):
        main("village", root)


def test_refuses_to_overwrite_images(tmp_path):
    photo = write_params(tmp_path) / "data/synthetic/leftImg8bit/mine.png"
    photo.parent.mkdir(parents=True)
    photo.write_text("mine")
    with pytest.raises(ValueError, match=r"data/synthetic` must be empty, absent or drawn before; move your files"):
        main("town", tmp_path)
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == [photo]


def test_draws_over_what_it_drew(root, tmp_path):
    write_params(tmp_path)
    main("town", tmp_path)
    (tmp_path / "data/synthetic/gtFine/train/aachen/aachen_000000_000019_gtFine_polygons.json").unlink()
    main("town", tmp_path)
    files = [path.relative_to(root) for path in (root / "data").rglob("*") if path.is_file()]
    assert all((tmp_path / file).read_bytes() == (root / file).read_bytes() for file in files)


@pytest.mark.parametrize("folder", ["photos", "data"])
def test_refuses_a_folder_of_ones_own(tmp_path, folder):
    params = write_params(tmp_path) / "params.yaml"
    params.write_text(params.read_text().replace("data/synthetic", folder))
    with pytest.raises(ValueError, match=r"`data\.root` must be data/synthetic while `synthesize` draws"):
        main("town", tmp_path)
    assert not (tmp_path / "data").exists()


def test_refuses_to_draw_without_a_size(tmp_path):
    with pytest.raises(ValueError, match=r"`data\.image_shape` must be a height and width .*; got null"):
        main("town", write_params(tmp_path, shape="null"))
    assert not (tmp_path / "data").exists()
