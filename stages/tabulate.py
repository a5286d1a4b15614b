"""Sets scores and tuning side by side in tables and charts, beside the figures published in 2021.

Reads   metrics/{data,test,iou,classes}/, metrics/published_2021/, plots/{curves,history}/, tuning/{coarse,hyperband}/
Writes  metrics/tables.md, plots/tables/; removes metrics of variants and splits that are no longer in params.yaml
Params  scale, splits, variants, candidates, search
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from maskrcnn.pictures.charts import draw_ap_by_iou, draw_sweeps, draw_trials
from maskrcnn.pictures.panels import write_figure
from maskrcnn.project.command import run
from maskrcnn.project.files import whole_folder, write_text
from maskrcnn.project.metrics import Metrics, read_metrics
from maskrcnn.project.params import Params, read_params
from maskrcnn.scoring.markdown import format_tables
from maskrcnn.scoring.rows import check_test_sets
from maskrcnn.tuning.sweeps import read_sweep
from maskrcnn.tuning.trials import read_search

REAL_SCALE = "cityscapes"
TEST_IMAGES = 174
PUBLISHED = ("base", "flip", "flip_crop", "unfreeze_backbone", "freeze_rpn_fpn")
HEAD = """# Scores of all variants

`stages/tabulate.py` writes this page. Matterport's per-image protocol on mask IoU, unless another one is named (see
docs/protocols.md); the best of each row in bold. `images` and `instances` are what a row rests on. Per image, these
are the images with such truth. The other protocols take all images, and Cityscapes leaves out the smallest instances.
A dash means that there is no such truth, so no score; 0.000 is a score. In the published tables it may be either.

{note}

"""
COMPARABLE = "Both sources scored the same 174 images of munster at 1024 x 2048."
NOT_COMPARABLE = """**Not comparable:** the scale `{scale}` is not the experiment of 2021, which trained a ResNet101 on
Cityscapes at 1024 x 2048. The published figures stand here for what the real scale is measured by."""


def main(root: Path = Path()) -> None:
    """Writes the page of tables, the charts, and the CSV files that `dvc plots` draws.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    ours = read_all(root / "metrics", params.values["variants"], ("test", "iou", "classes"))
    check_test_sets(ours)
    published = read_all(root / "metrics/published_2021", PUBLISHED, ("test", "iou"))
    page = format_page(ours, published, params.values["scale"])
    with whole_folder(root / "plots/tables") as folder:
        write_figure(folder / "ap_by_iou.png", draw_ap_by_iou(ours))
        draw_tuning(folder, root, params)
        join_tables(folder, root, params)
    write_text(root / "metrics/tables.md", page)
    remove_stale(root / "metrics", params)


def format_page(ours: dict[str, Metrics], published: dict[str, Metrics], scale: str) -> str:
    """Returns our tables and those of 2021, and whether they may be compared."""
    first = next(iter(ours.values()))
    sources = {
        f"This repository, scale `{scale}`, {first['images']} test images": ours,
        "Published in 2021, Cityscapes, 174 test images": published,
    }
    same = scale == REAL_SCALE and all(row["images"] == TEST_IMAGES for row in ours.values())
    note = COMPARABLE if same else NOT_COMPARABLE.format(scale=scale)
    return HEAD.format(note=note) + format_tables(sources)


def read_all(metrics: Path, variants: Iterable[str], tables: Iterable[str]) -> dict[str, Metrics]:
    """Returns the scores of variants, those of all tables in one row."""
    rows: dict[str, Metrics] = {}
    for name in variants:
        parts = (read_metrics(metrics / f"{table}/{name}.json", f"evaluate@{name}") for table in tables)
        rows[name] = {key: value for part in parts for key, value in part.items()}
    return rows


def remove_stale(metrics: Path, params: Params) -> None:
    """Removes metrics of variants and splits that left params.yaml: `dvc metrics show` would print them too.

    Args:
        metrics: The folder; each table is a folder in it.
        params: The variants and splits that there are.
    """
    variants, splits = params.values["variants"], params.values["splits"]
    kept = {table: set(variants) for table in ("test", "iou", "classes", "errors")}
    for table, names in (kept | {"train": {*variants, "pretrained"}, "data": set(splits)}).items():
        for path in sorted((metrics / table).glob("*.json")):
            if path.stem not in names:
                path.unlink()
                print(f"Removed {path}: params.yaml has no {path.stem}.")


def draw_tuning(folder: Path, root: Path, params: Params) -> None:
    """Draws the candidates by learning rate, and the trials of every search."""
    sweeps = {name: [asdict(rate) for rate in read_sweep(root, name).rates] for name in params.values["candidates"]}
    searches = {
        name: [asdict(trial) | asdict(trial.hyperparameters) for trial in read_search(root, name).trials]
        for name in params.values["search"]
    }
    write_figure(folder / "sweeps.png", draw_sweeps(sweeps))
    write_figure(folder / "trials.png", draw_trials(searches))


def join_tables(folder: Path, root: Path, params: Params) -> None:
    """Writes one CSV file a plot, with a column that names the variant, candidate, optimizer or split."""
    variants, candidates = params.values["variants"], params.values["candidates"]
    join(folder / "losses.csv", "variant", {name: root / f"plots/history/{name}.csv" for name in variants})
    join(folder / "precision_recall.csv", "variant", {name: root / f"plots/curves/{name}.csv" for name in variants})
    sweeps = {name: root / f"tuning/coarse/{name}/history.csv" for name in candidates}
    join(folder / "learning_rates.csv", "candidate", sweeps)
    searches = {name: root / f"tuning/hyperband/{name}/history.csv" for name in params.values["search"]}
    join(folder / "trials.csv", "search", searches)
    pd.DataFrame(list_trials(root, params)).to_csv(folder / "searches.csv", index=False)
    splits = params.values["splits"]
    counts = {name: read_metrics(root / f"metrics/data/{name}.json", f"preprocess@{name}") for name in splits}
    pd.DataFrame(count_instances(counts)).to_csv(folder / "classes.csv", index=False)


def list_trials(root: Path, params: Params) -> list[dict[str, Any]]:
    """Returns one row for each trial of each search: what it reached, or nothing if it failed."""
    return [
        {
            "search": name,
            "trial": trial.trial,
            **{key: value for key, value in asdict(trial.hyperparameters).items() if key != "optimizer"},
            "val_loss": trial.val_loss,
        }
        for name in params.values["search"]
        for trial in read_search(root, name).trials
    ]


def join(path: Path, column: str, tables: Mapping[str, Path]) -> None:
    """Writes tables below each other, with a first column that holds the name of each."""
    parts = [pd.read_csv(table, dtype=str).assign(**{column: name}) for name, table in tables.items()]
    joined = pd.concat(parts)
    joined[[column, *joined.columns.drop(column)]].to_csv(path, index=False)


def count_instances(counts: Mapping[str, Metrics]) -> list[dict[str, str | int | float]]:
    """Returns one row for each split and class."""
    return [
        {"split": split, "class": key.removeprefix("instances_"), "instances": count}
        for split, row in counts.items()
        for key, count in row.items()
        if key.startswith("instances_")
    ]


if __name__ == "__main__":
    run(main, __doc__)
