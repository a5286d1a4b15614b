"""Sets the scores of all variants side by side: the tables of 2021, and the published figures beside them.

Reads   metrics/{test,iou}/, metrics/published_2021/
Writes  metrics/tables.md, plots/ap_by_iou.png
Params  scale, variants
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from collections.abc import Iterable

from maskrcnn.data.cityscapes import CLASS_NAMES
from maskrcnn.pictures.charts import draw_ap_by_iou
from maskrcnn.pictures.panels import write_figure
from maskrcnn.project.command import run
from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_params
from maskrcnn.scoring.comparison import format_tables
from maskrcnn.scoring.scores import Scores, read_scores

REAL_SCALE = "cityscapes"
PUBLISHED = ("base", "flip", "flip_crop", "unfreeze_backbone", "freeze_rpn_fpn")
HEAD = """# Scores of all variants

`stages/tabulate.py` writes this page. Matterport's per-image protocol on mask IoU, unless another one is named (see
docs/protocols.md); the best of each row in bold; a dash where no test image holds the class.

{note}

"""
COMPARABLE = "Both sources scored the same 174 images of munster at 1024 x 2048."
NOT_COMPARABLE = """**Not comparable:** the scale `{scale}` is not the experiment of 2021, which trained a ResNet101 on
Cityscapes at 1024 x 2048. The published figures stand here for what the real scale is measured by."""


def main(root: Path = Path()) -> None:
    """Writes the page of tables and the chart.

    Args:
        root: Folder of the repository.
    """
    params = read_params(root / "params.yaml")
    ours = read_all(root / "metrics", params.values["variants"])
    published = read_all(root / "metrics/published_2021", PUBLISHED)
    write_text(root / "metrics/tables.md", format_page(ours, published, params.values["scale"]))
    write_figure(root / "plots/ap_by_iou.png", draw_ap_by_iou(ours))


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


if __name__ == "__main__":
    run(main, __doc__)
