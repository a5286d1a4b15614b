"""The page in a browser: it opens from the file system, shows what was predicted, and is accessible.

These tests need Chromium and its driver: `apt-get install chromium chromium-driver`.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_core_python.base import AXE_FILE_PATH
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.report.study import CATALOGUE, HOSTILE, NAMES, write_report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium and its driver are missing"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of selenium
]
MIN_SCORE = 0.5
WIDE, NARROW = (1440, 900), (390, 844)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(DRIVER))
    driver.set_script_timeout(240)  # axe takes seconds, and much longer on a busy machine
    yield driver
    driver.quit()


@pytest.fixture
def page(chrome: Chrome, study: Path) -> Chrome:
    return open_page(chrome, study, WIDE)


def open_page(chrome: Chrome, root: Path, size: tuple[int, int], scheme: str = "light") -> Chrome:
    """Opens the page anew at a size, and waits for its first picture."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == NARROW}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    chrome.get((root / "report/index.html").as_uri())
    wait(chrome, lambda: find(chrome, "#picture path.object"))
    return chrome


def draw_all(chrome: Chrome) -> None:
    """Scrolls every chart into view and waits for it."""
    for figure in find(chrome, "[data-chart]"):
        chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", figure)
        wait(chrome, lambda figure=figure: figure.find_elements(By.CSS_SELECTOR, "svg.marks"))


def wait(chrome: Chrome, condition: Any) -> None:
    WebDriverWait(chrome, 20).until(lambda _: condition())


def find(chrome: Chrome, selector: str) -> list[WebElement]:
    return chrome.find_elements(By.CSS_SELECTOR, selector)


def choose(chrome: Chrome, name: str, value: str) -> None:
    Select(chrome.find_element(By.ID, name)).select_by_value(value)


def text(chrome: Chrome, name: str) -> str:
    return chrome.find_element(By.ID, name).text


def click(chrome: Chrome, element: WebElement) -> None:
    """Scrolls an element to where nothing covers it, and clicks it."""
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def press(chrome: Chrome, *keys: str) -> None:
    """Presses keys, one after the other, with the focus on the viewer."""
    viewer = chrome.find_element(By.ID, "viewer")
    chrome.execute_script("arguments[0].focus()", viewer)
    ActionChains(chrome).send_keys(*keys).perform()


def is_drawn(chrome: Chrome, layer: str) -> bool:
    script = "return getComputedStyle(document.querySelector(arguments[0])).display"
    return chrome.execute_script(script, layer) != "none"


def wipe_width(chrome: Chrome) -> float:
    return float(chrome.find_element(By.CSS_SELECTOR, "#clip-0 rect").get_attribute("width") or 0)


def predicted(root: Path, variant: str, index: int) -> list[tuple[str, str]]:
    """Returns class and score of the predictions of an image that are drawn, from the file of predictions."""
    entries = json.loads((root / f"predictions/{variant}.json").read_text())
    kept = [one for one in entries if one["image_id"] == index and one["score"] >= MIN_SCORE]
    names = CATALOGUE.class_names
    return [(names[one["category_id"]], f"{one['score']:.2f}") for one in sorted(kept, key=lambda one: -one["score"])]


def shown(chrome: Chrome) -> list[tuple[str, str]]:
    """Returns class and score of the rows below the picture, but for missed objects."""
    rows = find(chrome, "#objects tbody tr:not([data-verdict=missed])")
    cells = [row.find_elements(By.TAG_NAME, "td") for row in rows]
    return [(row[0].get_attribute("textContent") or "", row[2].text) for row in cells]


def test_it_opens_without_an_error_or_a_network(chrome: Chrome, study: Path) -> None:
    chrome.get_log("performance")
    page = open_page(chrome, study, WIDE)
    draw_all(page)
    press(page, Keys.ARROW_RIGHT)
    assert page.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    requests = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    addresses = {request["request"]["url"] for request in requests}
    assert any(address.endswith("vega.js") for address in addresses)
    assert {address.partition(":")[0] for address in addresses} <= {"file", "data"}
    assert page.find_element(By.TAG_NAME, "h1").text == "flip is the best variant"


@pytest.mark.parametrize("variant", ["base", "flip"])
def test_every_picture_shows_what_was_predicted(page: Chrome, study: Path, variant: str) -> None:
    choose(page, "left", variant)
    choose(page, "sort", "name")
    order = sorted(range(3), key=lambda index: NAMES[index])
    for index in order:
        wait(page, lambda index=index: text(page, "name") == NAMES[index])
        assert shown(page) == predicted(study, variant, index)
        paths = find(page, "#picture .layer-masks path:not(.missed)")
        assert len(paths) == len(predicted(study, variant, index))
        press(page, Keys.ARROW_RIGHT)
    wait(page, lambda: text(page, "name") == NAMES[order[0]])
    press(page, Keys.ARROW_LEFT)
    wait(page, lambda: text(page, "name") == NAMES[order[-1]])


def test_filters_find_the_errors(page: Chrome) -> None:
    choose(page, "left", "base")
    choose(page, "kind", "class")  # a bus was taken for a car, in two images
    assert text(page, "matching") == "2 of 3 pictures match, with 2 matching errors of base."
    assert any("wrong class: it is" in row.text for row in find(page, "#objects tr[data-verdict=class]"))
    choose(page, "kind", "missed")
    choose(page, "class", "2")  # a bus in two images, and two in the last one
    assert text(page, "matching") == "3 of 3 pictures match, with 4 matching errors of base."
    choose(page, "city", "aachen")
    assert text(page, "matching") == "1 of 3 pictures match, with 2 matching errors of base."
    choose(page, "size", "small")
    assert text(page, "matching") == "0 of 3 pictures match, with 0 matching errors of base."
    assert text(page, "name") == "" and not find(page, "#picture *")
    choose(page, "size", "")
    wait(page, lambda: text(page, "name") == NAMES[2])


def test_the_worst_picture_comes_first(page: Chrome) -> None:
    choose(page, "left", "base")
    assert find(page, "#strip button")[0].text.startswith(NAMES[2])  # nothing was found there
    choose(page, "left", "flip")
    choose(page, "sort", "errors")
    counts = [int(button.text.rpartition(" ")[2]) for button in find(page, "#strip button")]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def test_a_click_opens_a_picture(page: Chrome) -> None:
    choose(page, "sort", "name")
    second = find(page, "#strip button")[1]
    click(page, second)
    wait(page, lambda: text(page, "name") == sorted(NAMES)[1])
    assert second.get_attribute("aria-current") == "true"
    assert len(find(page, "#strip [aria-current]")) == 1


@pytest.mark.parametrize("layer", ["masks", "truth", "boxes", "labels", "regions"])
def test_a_key_and_a_button_toggle_a_layer(page: Chrome, layer: str) -> None:
    choose(page, "sort", "name")
    press(page, Keys.ARROW_RIGHT)
    before = is_drawn(page, f"#picture .layer-{layer}")
    press(page, layer[0])
    assert is_drawn(page, f"#picture .layer-{layer}") != before
    button = page.find_element(By.ID, f"layer-{layer}")
    assert (button.get_attribute("aria-pressed") == "true") != before
    click(page, button)
    assert is_drawn(page, f"#picture .layer-{layer}") == before
    press(page, Keys.ARROW_RIGHT)
    assert is_drawn(page, f"#picture .layer-{layer}") == before  # other pictures too


def test_two_variants_are_wiped_by_mouse_and_keys(page: Chrome, study: Path) -> None:
    choose(page, "left", "base")
    assert not page.find_element(By.ID, "wipe").is_displayed()
    choose(page, "right", "flip")
    index = int(page.find_element(By.ID, "picture").get_attribute("data-index") or -1)
    assert shown(page) == predicted(study, "base", index) + predicted(study, "flip", index)
    assert (text(page, "left-name"), text(page, "right-name")) == ("base", "flip")
    assert wipe_width(page) == 64
    press(page, ".", ".")
    assert wipe_width(page) == pytest.approx(0.6 * 128)
    press(page, ",")
    assert wipe_width(page) == pytest.approx(0.55 * 128)
    picture = page.find_element(By.ID, "picture")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", picture)
    quarter = -picture.size["width"] // 4
    ActionChains(page).move_to_element(picture).click_and_hold().move_by_offset(quarter, 0).release().perform()
    assert wipe_width(page) == pytest.approx(32, abs=1)
    right = page.find_element(By.CSS_SELECTOR, "#clip-1 rect")
    assert float(right.get_attribute("x") or 0) == pytest.approx(32, abs=1)


def test_an_object_is_enlarged_and_the_key_escape_ends_it(page: Chrome) -> None:
    choose(page, "right", "base")
    picture, button = page.find_element(By.ID, "picture"), find(page, "#objects tbody button")[0]
    click(page, button)
    x, _, width, _ = map(float, (picture.get_dom_attribute("viewBox") or "").split())
    assert width < 128
    assert len(find(page, "#picture path.chosen")) == 1
    box = "const box = document.querySelector('path.chosen').getBBox(); return [box.x, box.width]"
    left, wide = page.execute_script(box)
    assert x <= left and left + wide <= x + width
    assert wipe_width(page) >= left + wide  # the wipe gives way
    press(page, Keys.ESCAPE)
    assert picture.get_dom_attribute("viewBox") == "0 0 128 64"
    assert not find(page, "#picture .chosen")


def test_texts_of_the_data_set_stay_texts(page: Chrome) -> None:
    choose(page, "left", "flip")
    press(page, Keys.ARROW_RIGHT)
    assert HOSTILE in [option.get_attribute("textContent") for option in find(page, "#class option")]
    assert not find(page, "[onclick]") and not find(page, "#strip b") and not find(page, "#objects b")
    draw_all(page)
    assert not find(page, "[onclick]")


def test_the_page_is_usable_while_a_select_has_the_focus(page: Chrome) -> None:
    choose(page, "sort", "name")
    name = text(page, "name")
    page.find_element(By.ID, "kind").send_keys("m")  # chooses `missed`, and toggles no layer
    assert is_drawn(page, "#picture .layer-masks")
    choose(page, "kind", "")
    assert text(page, "name") == name


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(chrome: Chrome, study: Path, size: tuple[int, int], scheme: str) -> None:
    page = open_page(chrome, study, size, scheme)
    choose(page, "right", "base")
    draw_all(page)
    page.execute_script(Path(AXE_FILE_PATH).read_text(encoding="utf-8"))
    result = page.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    serious = [one for one in result["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == []
    assert len(result["passes"]) > 20


def test_nothing_is_wider_than_a_telephone(chrome: Chrome, study: Path) -> None:
    page = open_page(chrome, study, NARROW)
    choose(page, "right", "base")
    draw_all(page)
    assert page.execute_script("return document.documentElement.scrollWidth") == NARROW[0]
    assert page.execute_script("return innerWidth") == NARROW[0]


def test_light_and_dark_change_the_charts_too(page: Chrome) -> None:
    def colors() -> tuple[str, str]:
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        ground = page.execute_script(script, "body", "backgroundColor")
        return ground, page.execute_script(script, "#verdict .role-axis-label text", "fill")

    wait(page, lambda: find(page, "#verdict .role-axis-label text"))
    light = colors()
    page.find_element(By.ID, "theme").click()
    wait(page, lambda: colors()[1] != light[1])
    assert colors()[0] != light[0]
