"""Writes the card of one variant: what its model is, how well it does, and what it was made of.

Reads   models/<variant>.h5, metrics/{test,classes}/<variant>.json
Writes  models/<variant>.md
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this script, not an installed one

from maskrcnn.network.weights import read_facts
from maskrcnn.project.command import run
from maskrcnn.project.files import write_text
from maskrcnn.project.metrics import Metrics, read_metrics
from maskrcnn.project.params import read_params
from maskrcnn.project.variant_rules import check_variant
from maskrcnn.results.card import format_card


def main(variant: str, root: Path = Path()) -> None:
    """Writes the card beside the file of weights.

    Args:
        variant: A key of the section `variants`.
        root: Folder of the repository.

    Raises:
        InputError: if there is no such variant.
    """
    check_variant(read_params(root / "params.yaml"), variant)
    facts = read_facts(root / f"models/{variant}.h5")
    scores: Metrics = {}
    for table in ("test", "classes"):
        scores |= read_metrics(root / f"metrics/{table}/{variant}.json", f"evaluate@{variant}")
    write_text(root / f"models/{variant}.md", format_card(variant, facts, scores))


if __name__ == "__main__":
    run(main, __doc__, variant="a key of the section `variants` of params.yaml")
