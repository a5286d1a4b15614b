"""The report of a made-up study: its files, their escaping, and equal bytes from equal inputs."""

import filecmp
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from maskrcnn.project.errors import InputError
from maskrcnn.report.provenance import read_costs
from stages.report import main
from tests.report.study import HOSTILE, NAMES, ROOT, write_json, write_report


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("study"))


def read_script(path: Path) -> list[Any]:
    """Returns the arguments of the call that a script makes."""
    text = path.read_text(encoding="ascii")
    arguments = re.fullmatch(r"receive[A-Z]\w+\((.*)\);\n", text)
    assert arguments
    return json.loads(f"[{arguments[1]}]")


class Words(HTMLParser):
    """Collects the texts and the attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs


def test_the_list_of_images_holds_what_was_scored(study: Path) -> None:
    settings, images = read_script(study / "report/images.js")
    assert settings["classes"] == ["background", "car", HOSTILE]
    assert (settings["width"], settings["height"], settings["pixels"]) == (128, 64, True)
    assert [(image["name"], image["city"]) for image in images] == list(
        zip(NAMES, ("munster", "munster", "aachen"), strict=True)
    )
    errors = [error for image in images for error in image["variants"]["base"]["errors"]]
    counts = json.loads((study / "metrics/errors/base.json").read_text())
    for kind in ("class", "localisation", "duplicate", "background", "missed"):
        assert sum(error[0] == kind for error in errors) == counts[kind], kind
    raps = [image["variants"]["base"]["rap"] for image in images]
    assert sum(raps) / 3 == pytest.approx(json.loads((study / "metrics/test/base.json").read_text())["rAP"], abs=1e-4)


def test_an_image_has_a_scene_and_pixels_and_a_thumbnail(study: Path) -> None:
    names = [f"{index:05d}" for index in range(3)]
    assert sorted(path.stem for path in (study / "report/scenes").iterdir()) == names
    for folder in ("images", "thumbnails"):
        assert sorted(path.name for path in (study / "report" / folder).iterdir()) == [f"{name}.webp" for name in names]
    (scene,) = read_script(study / "report/scenes/00000.js")
    assert scene["variants"]["base"]["regions"] == [[10.0, 10.0, 30.0, 20.0]]  # params.yaml draws one
    assert [one["verdict"] for one in scene["variants"]["flip"]["objects"]] == ["hit", "hit", "background"]


def test_the_verdict_names_the_best_variant_and_its_figures(study: Path) -> None:
    page = (study / "report/index.html").read_text()
    assert '<h1 id="verdict-title">flip is the best variant</h1>' in page
    flip = json.loads((study / "metrics/test/flip.json").read_text())
    for key in ("AP50", "rAP", "cityscapes_AP", "coco_AP"):
        assert f'<td class="value">{flip[key]:.3f}</td>' in page
    assert "Not comparable with 2021" in page


def test_texts_of_the_data_set_are_escaped(study: Path) -> None:
    page = (study / "report/index.html").read_text()
    words = Words(page)
    assert HOSTILE in "".join(words.texts)  # in the table of classes, as text
    assert "<i>it</i> is alone" in "".join(words.texts)
    assert not [name for name, _ in words.attributes if name.startswith("on")]
    assert page.count("</script>") == page.count("<script")
    charts = read_script(study / "report/charts.js")[0]
    assert HOSTILE in json.dumps(charts, ensure_ascii=False).replace('\\"', '"').replace("\\u2028", "\u2028")


def test_the_page_names_no_address_and_every_chart_that_it_shows(study: Path) -> None:
    page = (study / "report/index.html").read_text()
    words = Words(page)
    addresses = [value for name, value in words.attributes if name in ("src", "href") and value]
    assert {address for address in addresses if not address.startswith("#")} == {
        "data:,",
        "images.js",
        "vega.js",
        "../live/report.js",
        "charts.js",
    }
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page
    shown = [value for name, value in words.attributes if name == "data-chart"]
    assert sorted(shown) == sorted(read_script(study / "report/charts.js")[0])


def test_equal_inputs_give_equal_bytes(study: Path, tmp_path: Path) -> None:
    for part in ("data", "metrics", "plots", "predictions", "tuning", "params.yaml"):
        copy = shutil.copytree if (study / part).is_dir() else shutil.copy
        copy(study / part, tmp_path / part)
    main(tmp_path)
    names = sorted(str(path.relative_to(tmp_path / "report")) for path in (tmp_path / "report").rglob("*.*"))
    assert names == sorted(str(path.relative_to(study / "report")) for path in (study / "report").rglob("*.*"))
    assert filecmp.cmpfiles(study / "report", tmp_path / "report", names, shallow=False)[0] == names


def test_a_shareable_report_has_no_pixels(study: Path) -> None:
    main(study, shareable=True)
    shared = study / "report_shareable"
    assert not [path for path in shared.rglob("*") if path.suffix in (".webp", ".png", ".jpg")]
    assert read_script(shared / "images.js")[0]["pixels"] is False
    assert "This page can be shared" in (shared / "index.html").read_text()
    assert "This page can be shared" not in (study / "report/index.html").read_text()
    assert (study / "report/images").is_dir()  # the other page stays


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("metrics/test/flip.json", "evaluate@flip"),
        ("metrics/ceilings/56.json", "ceilings"),
        ("metrics/data/test.json", "preprocess@test"),
        ("predictions/base.json", "predict"),
    ],
)
def test_what_is_missing_names_its_stage(study: Path, tmp_path: Path, path: str, stage: str) -> None:
    for part in ("data", "metrics", "plots", "predictions", "tuning"):
        shutil.copytree(study / part, tmp_path / part)
    shutil.copy(study / "params.yaml", tmp_path)
    (tmp_path / path).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{path}` must exist; run `dvc repro.*{stage}"):
        main(tmp_path)
    assert not (tmp_path / "report").exists()


def test_variants_that_were_scored_on_other_images_are_refused(study: Path, tmp_path: Path) -> None:
    for part in ("data", "metrics", "plots", "predictions", "tuning"):
        shutil.copytree(study / part, tmp_path / part)
    shutil.copy(study / "params.yaml", tmp_path)
    path = tmp_path / "metrics/classes/flip.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"test_set": 7}))
    with pytest.raises(InputError, match=r"classes/flip\.json` must be scored on the images of .*, test_set 7\."):
        main(tmp_path)
    assert not (tmp_path / "report").exists()


def test_no_framework_is_imported() -> None:
    heavy = "import sys, stages.report; print({'jax', 'keras', 'matplotlib', 'tensorflow'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True, cwd=ROOT)
    assert output.stdout.strip() == "set()"


def test_what_differs_between_machines_is_beside_the_page(study: Path) -> None:
    facts, costs = read_script(study / "live/report.js")
    assert facts.keys() == {"Commit", "Machine that wrote this page", "Packages"}
    assert costs == []
    page = (study / "report/index.html").read_text()
    assert '<script src="../live/report.js" defer>' in page
    assert not any(value in page for value in facts.values())


def test_costs_of_stages_are_listed_in_order(tmp_path: Path) -> None:
    row = {"finished": "2026-11-26T16:03:19+0000", "seconds": 14.5, "peak_memory_mb": 220}
    write_json(tmp_path / "live/stages/train@base.json", row)
    write_json(tmp_path / "live/stages/check.json", row | {"finished": "2026-11-26T16:02:00+0000"})
    write_json(tmp_path / "live/stages/damaged.json", {"seconds": "none"})
    assert [stage for stage, *_ in read_costs(tmp_path)] == ["check", "train@base"]
    assert read_costs(tmp_path)[1] == ("train@base", "2026-11-26T16:03:19+0000", 14.5, 220)
