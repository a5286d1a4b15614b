"""Sets all variants side by side: the tables of 2021, and what each finds in the same test images.

Reads   metrics/{test,iou}/, metrics/published_2021/, plots/history/, predictions/, data/processed/test.npz,
        the test images below data.root
Writes  metrics/tables.md, plots/{ap_by_iou,losses}.png, pictures/compare/<variant>/<image>.png
Params  scale, data, draw, variants, compare
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from rich.progress import track

from maskrcnn.config import Compare, Data, Draw, read_params, read_section
from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.data.records import read_image, read_records
from maskrcnn.evaluation.comparison import format_tables
from maskrcnn.evaluation.predictions import Predictions, read_predictions
from maskrcnn.evaluation.scores import Scores, read_scores
from maskrcnn.files import whole_folder, write_text
from maskrcnn.viz.charts import draw_ap_by_iou, draw_losses
from maskrcnn.viz.panels import spread_indices, write_figure
from maskrcnn.viz.verdicts import draw_verdicts

REAL_SCALE = "cityscapes"
PUBLISHED = ("base", "flip", "flip_crop", "unfreeze_backbone", "freeze_rpn_fpn")
HEAD = """# Scores of all variants

`stages/compare.py` writes this page. Matterport's per-image protocol on mask IoU, unless another one is named (see
docs/protocols.md); the best of each row in bold; a dash where no test image holds the class.

{note}

"""
COMPARABLE = "Both sources scored the same 174 images of munster at 1024 x 2048."
NOT_COMPARABLE = """**Not comparable:** the scale `{scale}` is not the experiment of 2021, which trained a ResNet101 on
Cityscapes at 1024 x 2048. The published figures stand here for what the real scale is measured by."""


def main(root: Path = Path()) -> None:
    """Writes the tables and draws the reference beside every other variant.

    Args:
        root: Folder of the repository.

    Raises:
        ValueError: if the reference is no variant.
    """
    params = read_params(root / "params.yaml")
    data = read_section(Data, params.get("data"), "data")
    settings = read_section(Draw, params.get("draw"), "draw")
    reference = read_section(Compare, params.get("compare"), "compare").reference
    variants = list(params["variants"])
    if reference not in variants:
        raise ValueError(f"`compare.reference` must be one of {', '.join(variants)}; got {reference!r}.")
    ours = read_all(root / "metrics", variants)
    published = read_all(root / "metrics/published_2021", PUBLISHED)
    write_text(root / "metrics/tables.md", format_page(ours, published, params["scale"]))
    histories = {variant: pd.read_csv(root / f"plots/history/{variant}.csv") for variant in variants}
    write_figure(root / "plots/ap_by_iou.png", draw_ap_by_iou(ours))
    write_figure(root / "plots/losses.png", draw_losses(histories))
    others = [variant for variant in variants if variant != reference]
    draw_pairs(root, root / data.root, reference, others, settings)


def format_page(ours: dict[str, Scores], published: dict[str, Scores], scale: str) -> str:
    """Returns our tables and those of 2021, and says whether they may be compared."""
    sources = {
        f"This repository, scale `{scale}`, {next(iter(ours.values()))['images']} test images": ours,
        "Published in 2021, Cityscapes, 174 test images": published,
    }
    note = COMPARABLE if scale == REAL_SCALE else NOT_COMPARABLE.format(scale=scale)
    return HEAD.format(note=note) + format_tables(sources, CLASS_NAMES)


def read_all(metrics: Path, variants: Iterable[str]) -> dict[str, Scores]:
    """Returns the scores of variants: averages, classes and IoUs in one row."""
    return {name: read_scores(metrics / "test", name) | read_scores(metrics / "iou", name) for name in variants}


def draw_pairs(root: Path, images_root: Path, reference: str, others: Iterable[str], settings: Draw) -> None:
    """Draws the verdicts on two models side by side, a folder for each variant beside the reference."""
    records = read_records(root / "data/processed/test.npz")
    chosen = spread_indices(settings.images, len(records))
    images = {i: read_image(images_root / records[i].image_path, records.image_shape) for i in chosen}

    def read(variant: str) -> list[Predictions]:
        path = root / f"predictions/{variant}.json"
        return read_predictions(path, len(records), records.image_shape, len(CLASS_NAMES))

    left = read(reference)
    with whole_folder(root / "pictures/compare") as folder:
        for variant in track(list(others), "Side by side"):
            right = read(variant)
            (folder / variant).mkdir()
            for i, image in images.items():
                pair = {reference: left[i], variant: right[i]}
                figure = draw_verdicts(image, records.instance_map(i), pair, settings.min_score)
                figure.savefig(folder / variant / f"{records.names[i]}.png")


if __name__ == "__main__":
    argparse.ArgumentParser(description="Sets all variants side by side.").parse_args()
    main()
