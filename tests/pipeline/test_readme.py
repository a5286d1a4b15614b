"""The numbers in README.md are those of metrics/test.

`python tests/pipeline/test_readme.py` writes them there.
"""

import json
import re
from pathlib import Path

from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_yaml
from maskrcnn.readers.cityscapes import CLASS_NAMES

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
RESULTS = re.compile(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)", re.DOTALL)
COLUMNS = {"AP50": "AP50", "rAP": "rAP"} | {name: f"cAP_{name}" for name in CLASS_NAMES[1:]}


def make_table() -> str:
    """Returns the scores of all variants as Markdown."""
    variants = read_yaml(ROOT / "params.yaml")["variants"]
    scores = {name: json.loads((ROOT / f"metrics/test/{name}.json").read_text()) for name in variants}
    rows = [[name, *(f"{values[key]:.3f}" for key in COLUMNS.values())] for name, values in scores.items()]
    lines = [["variant", *COLUMNS], ["---"] * (1 + len(COLUMNS)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def fill_in(readme: str) -> str:
    """Returns the text with the table between its two marks."""
    filled, count = RESULTS.subn(lambda marks: marks[1] + make_table() + marks[2], readme)
    assert count == 1, "README.md must have the two marks of the results, once"
    return filled


def test_numbers_are_those_of_the_metrics() -> None:
    text = README.read_text()
    assert text == fill_in(text), f"`python {Path(__file__).relative_to(ROOT)}` writes the numbers anew"


def test_ratios_are_those_of_the_bench() -> None:
    figures = json.loads((ROOT / "bench/results/network.json").read_text())["peers.py"]
    ratios = [figures[work]["matterport"]["ours_per_theirs"] for work in ("training", "inference", "inference_full")]
    said = re.search(r"takes (0\.\d\d) of the CPU time.*?a detection (0\.\d\d)", README.read_text(), re.DOTALL)
    assert said is not None
    assert said.groups() == tuple(f"{ratio:.2f}" for ratio in ratios[:2])
    assert ratios[2] > 0.95  # "as long with all slots filled"


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 150


if __name__ == "__main__":
    write_text(README, fill_in(README.read_text()))
