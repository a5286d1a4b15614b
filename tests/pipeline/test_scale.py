"""The scales fit `params.yaml`, and merging one keeps everything else as it is."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides

from maskrcnn.project.config import (
    Babysit,
    Candidate,
    Coarse,
    Compare,
    Data,
    Draw,
    Feeder,
    Headline,
    Hyperband,
    Model,
    Predict,
    Preprocess,
    Pretrain,
    Sampling,
    SearchSpace,
    Select,
    Split,
    StartWeights,
    Synthesize,
    Train,
    Variant,
)
from maskrcnn.project.params import read_params, read_runtime, read_yaml
from stages.scale import find_faults, main, write_merged

ROOT = Path(__file__).parents[2]
SCALES = sorted(path.stem for path in (ROOT / "scales").glob("*.yaml"))
SECTIONS = (
    Feeder,
    Data,
    Preprocess,
    Model,
    Sampling,
    Pretrain,
    Babysit,
    Coarse,
    Hyperband,
    Select,
    Train,
    Predict,
    Draw,
    Compare,
    Headline,
)
SECTIONS_BY_KEY = {
    "synthesize": Synthesize,
    "splits": Split,
    "weights": StartWeights,
    "candidates": Candidate,
    "search": SearchSpace,
    "variants": Variant,
}

PARAMS = """\
# The demo.
scale: demo

data:
  root: data/synthetic          # a folder
  image_shape: [256, 512]       # height, width
# Between two sections.
synthesize:                     # what is drawn
  city:
    aachen: 40
    bochum: 40                  # the last one

# The splits.
splits:
  test:
    cities:
    - munster

# Learning.
rates:
- 1e-3
- 1e-4
# The end.
"""
OVERLAY: dict[str, Any] = {
    "scale": "large",
    "data": {"image_shape": [1024, 2048]},
    "synthesize": {},
    "splits": {"training": {"cities": ["ulm"]}, "test": {"cities": ["lindau", "jena"]}},
    "rates": [1e-5],
}
MERGED = """\
# The demo.
scale: large

data:
  root: data/synthetic          # a folder
  image_shape: [1024, 2048]     # height, width
# Between two sections.
synthesize: {}                  # what is drawn

# The splits.
splits:
  training:
    cities:
    - ulm
  test:
    cities:
    - lindau
    - jena

# Learning.
rates:
- 1e-05
# The end.
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the parameters and scales."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "scales", tmp_path / "scales")
    return tmp_path


def test_params_are_the_demo() -> None:
    assert read_yaml(ROOT / "params.yaml")["scale"] == "demo"


def test_scales_are_found() -> None:
    assert SCALES == ["cityscapes", "smoke", "trial"]


@pytest.mark.parametrize("name", SCALES)
def test_scale_changes_known_keys(name: str) -> None:
    scale = read_yaml(ROOT / f"scales/{name}.yaml")
    assert find_faults(read_yaml(ROOT / "params.yaml"), scale) == []
    assert scale["scale"] == name


@pytest.mark.parametrize("name", ["demo", *SCALES])
def test_every_section_fits_at_every_scale(repository: Path, name: str) -> None:
    if name != "demo":
        main(name, repository)
    params = read_params(repository / "params.yaml")
    for kind in SECTIONS:
        params.section(kind)
    for section, kind in SECTIONS_BY_KEY.items():
        for key in params.values[section]:
            params.section(kind, f"{section}.{key}")
    runtime = vars(read_runtime(params))
    assert set(params.values) == {"scale", *runtime, *(kind.__name__.lower() for kind in SECTIONS), *SECTIONS_BY_KEY}


@pytest.mark.parametrize("name", ["demo", *SCALES])
def test_candidates_that_are_compared_exist(repository: Path, name: str) -> None:
    if name != "demo":
        main(name, repository)
    params = read_yaml(repository / "params.yaml")
    compared = {candidate for pair in params["coarse"]["comparisons"].values() for candidate in pair}
    assert compared == set(params["candidates"])


def test_merging_keeps_comments_and_styles(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS)
    write_merged(path, OVERLAY)
    assert path.read_text() == MERGED
    assert list(tmp_path.iterdir()) == [path]


def test_scalar_and_empty_values_may_take_any_place(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: 1\nb: []\nc:\n- 1\n\n# Next.\nd: null\n")
    write_merged(path, {"a": [1, 2], "b": [3], "c": [], "d": "e"})
    assert path.read_text() == "a:\n- 1\n- 2\nb:\n- 3\nc: []\n\n# Next.\nd: e\n"


def test_at_that_scale_already_nothing_changes(repository: Path) -> None:
    main("smoke", repository)
    path = repository / "params.yaml"
    edited = path.read_text().replace("aachen: 4", "aachen: 5")
    path.write_text(edited)
    main("smoke", repository)
    assert "aachen: 5" in edited
    assert path.read_text() == edited


def test_scales_do_not_mix(repository: Path) -> None:
    main("smoke", repository)
    with pytest.raises(ValueError, match=r"params\.yaml` must be at scale demo; got smoke, `git checkout"):
        main("cityscapes", repository)


def test_unknown_keys_are_named_and_nothing_is_written(repository: Path) -> None:
    before = (repository / "params.yaml").read_text()
    (repository / "scales/bad.yaml").write_text("scale: bad\ndata: {rot: x}\npreprocess: 3\nspilts: {}\n")
    with pytest.raises(ValueError, match="must change known keys") as error:
        main("bad", repository)
    assert "`data.rot`, `preprocess` without its keys, `spilts`" in str(error.value)
    assert (repository / "params.yaml").read_text() == before


def test_sections_whose_keys_are_data_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("splits:\n  test:\n    folder: val\ncoarse:\n  layers: all\n  comparisons:\n    start: [a, b]\n")
    overlay = {"splits": {"other": {}}, "coarse": {"comparisons": {"depth": ["c", "d"]}}}
    assert find_faults(read_yaml(path), overlay) == []
    write_merged(path, overlay)
    merged = {"splits": {"other": {}}, "coarse": {"layers": "all", "comparisons": {"depth": ["c", "d"]}}}
    assert read_yaml(path) == merged


def test_unknown_scale_is_told(repository: Path) -> None:
    for name in ("huge", "demo"):
        rule = rf"`name` must be one of cityscapes, smoke, trial; got {name}, `git checkout params.yaml` restores"
        with pytest.raises(ValueError, match=rule):
            main(name, repository)


def test_outside_the_repository_the_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"scales/trial\.yaml` must exist; run the command in the root"):
        main("trial", tmp_path)


@pytest.mark.parametrize("scale", ["demo", *SCALES])
@pytest.mark.parametrize("override", ["select.learning_rate=0.5", "train.schedule.batch_size=77", "backend=jax"])
def test_an_experiment_changes_one_line_and_keeps_the_comments(scale: str, override: str, tmp_path: Path) -> None:
    # `dvc exp run -S` writes lists one value a line, and loses what follows a list within a list's own lines.
    shutil.copytree(ROOT / "scales", tmp_path / "scales")
    path = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    if scale != "demo":
        main(scale, tmp_path)
    before = [line for line in path.read_text().splitlines() if line]
    apply_overrides(path, [override])
    after = [line for line in path.read_text().splitlines() if line]
    assert len(after) == len(before)
    changed = [line for line, old in zip(after, before, strict=True) if line != old]
    assert len(changed) == 1
    assert override.rpartition("=")[2] in changed[0]
