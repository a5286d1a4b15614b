"""The numbers in README.md and docs/scale.md are those of metrics/ and bench/results.

`python tests/pipeline/test_readme.py` writes them there.
"""

import json
import re
from pathlib import Path

from maskrcnn.project.files import write_text
from maskrcnn.project.params import read_yaml
from maskrcnn.readers.cityscapes import CLASS_NAMES

ROOT = Path(__file__).parents[2]
README, SCALE = ROOT / "README.md", ROOT / "docs/scale.md"
RESULTS = re.compile(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)", re.DOTALL)
MEASURED = re.compile(r"(<!-- gpu: .*? -->\n).*?(<!-- end of gpu -->)", re.DOTALL)
PRECISION = re.compile(r"(<!-- precision: .*? -->\n).*?(<!-- end of precision -->)", re.DOTALL)
COLUMNS = {"AP50": "AP50", "rAP": "rAP"} | {name: f"cAP_{name}" for name in CLASS_NAMES[1:]}


def make_table() -> str:
    """Returns the scores of all variants as Markdown."""
    variants = read_yaml(ROOT / "params.yaml")["variants"]
    scores = {
        name: {
            key: value
            for table in ("test", "classes")
            for key, value in json.loads((ROOT / f"metrics/{table}/{name}.json").read_text()).items()
        }
        for name in variants
    }
    rows = [[name, *(f"{values[key]:.3f}" for key in COLUMNS.values())] for name, values in scores.items()]
    lines = [["variant", *COLUMNS], ["---"] * (1 + len(COLUMNS)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tabulate_devices() -> str:
    """Returns a Markdown table of what `bench/gpu.py` measured, for each device."""
    parts = []
    for path in sorted((ROOT / "bench/results").glob("nvidia_*_jax.json")):
        measured = json.loads(path.read_text())
        title = f"On one {measured['device']} (JAX {measured['jax']}, {measured['date']}), images of 1024x2048"
        lines = [["figure", "ms", "images/s", "peak GB"], ["---"] * 4]
        figures = measured["figures"].items()
        for name, figure in figures:
            if "ms" in figure:
                lines.append([name.replace("-", " "), *(f"{figure[key]}" for key in ("ms", "images_per_s", "peak_gb"))])
        note = f" ({measured['note']})" if "note" in measured else ""
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        starts = "".join(
            f"\n{name.replace('-', ' ')}: the first step is done after {figure['first_step_after_s']} s.\n"
            for name, figure in figures
            if "-start-" in name
        )
        parts.append(f"{title}{note}:\n\n{table}{starts}")
    return "\n".join(parts)


def tabulate_precision() -> str:
    """Returns a Markdown table of what `bench/precision.py` measured: mean and standard deviation over the seeds."""
    lines = [["backend", "precision", "seeds", "AP50", "rAP"], ["---"] * 5]
    for path in sorted((ROOT / "bench/results").glob("precision_*.json")):
        measured = json.loads(path.read_text())
        for precision in ("float32", "mixed_bfloat16"):
            figures = measured[precision]
            scores = [f"{figures[f'{name}_mean']:.3f} ± {figures[f'{name}_stdev']:.3f}" for name in ("AP50", "rAP")]
            lines.append([measured["backend"], precision, str(len(figures["runs"])), *scores])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def fill_scale(text: str) -> str:
    """Returns the text of docs/scale.md with the tables between their marks."""
    text = replace_between(MEASURED, text, tabulate_devices())
    return replace_between(PRECISION, text, tabulate_precision())


def fill_in(readme: str) -> str:
    """Returns the text of README with the table between its two marks."""
    return replace_between(RESULTS, readme, make_table())


def replace_between(marks: re.Pattern[str], text: str, content: str) -> str:
    """Returns a text with other content between its two marks."""
    filled, count = marks.subn(lambda found: found[1] + content + found[2], text)
    assert count == 1, f"the marks of {marks.pattern} must be there once"
    return filled


def test_numbers_are_those_of_the_metrics() -> None:
    text = README.read_text()
    assert text == fill_in(text), f"`python {Path(__file__).relative_to(ROOT)}` writes the numbers anew"


def test_figures_of_devices_are_those_of_the_bench() -> None:
    text = SCALE.read_text()
    assert text == fill_scale(text), f"`python {Path(__file__).relative_to(ROOT)}` writes the figures anew"


def test_ratios_are_those_of_the_bench() -> None:
    figures = json.loads((ROOT / "bench/results/network.json").read_text())["peers.py"]
    ratios = [figures[work]["matterport"]["ours_per_theirs"] for work in ("training", "inference", "inference_full")]
    said = re.search(r"takes (0\.\d\d) of the CPU time.*?a detection (0\.\d\d)", README.read_text(), re.DOTALL)
    assert said is not None
    assert said.groups() == tuple(f"{ratio:.2f}" for ratio in ratios[:2])
    assert ratios[2] > 0.95  # "as long with all slots filled"


def test_figures_of_real_streets_are_those_measured() -> None:
    measured = json.loads((ROOT / "bench/results/real_streets.json").read_text())
    said = re.search(r"(\d+) images of (\d+)x(\d+), (\d+) s of .*? AP50 (\S+) \(car (\S+)\)", README.read_text())
    assert said is not None
    numbers = [measured["images"], *measured["image_shape"], measured["seconds"]]
    assert said.groups() == (*map(str, numbers), f"{measured['AP50']:.2f}", f"{measured['cAP_car']:.2f}")


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 150


if __name__ == "__main__":
    write_text(README, fill_in(README.read_text()))
    write_text(SCALE, fill_scale(SCALE.read_text()))
