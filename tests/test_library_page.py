"""The Python blocks of docs/library.md, run in order as one program, on a tiny network and twenty drawn images."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

import maskrcnn
from tests.network.weights.facts import FACTS
from tests.tiny import draw_scene, make_network

ROOT = Path(__file__).parents[1]
CATEGORIES = {1: "mug", 2: "green", 3: "plate"}  # of the ids in a scene; the network knows one of them


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a photo, and images with annotations; all of them tiny."""
    folder = tmp_path_factory.mktemp("user")
    network = make_network()
    network.facts = FACTS
    maskrcnn.write_weights(network, folder / "models/base.h5")
    cv2.imwrite(str(folder / "photo.jpg"), draw_scene(0)[0])
    (folder / "mine/images").mkdir(parents=True)
    images, annotations = [], []
    for seed in range(1, 21):
        image, record = draw_scene(seed)
        name = f"{seed}.png"
        cv2.imwrite(str(folder / "mine/images" / name), image[..., ::-1])
        images.append({"id": seed, "file_name": name, "height": image.shape[0], "width": image.shape[1]})
        for class_id, (y1, x1, y2, x2) in zip(record.class_ids.tolist(), record.boxes.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": seed,
                    "category_id": class_id,
                    "iscrowd": 0,
                    "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                }
            )
    categories = [{"id": class_id, "name": name} for class_id, name in CATEGORIES.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "mine/annotations.json").write_text(json.dumps(content))
    return folder


def read_blocks() -> str:
    """Returns the page's program, and what prints its results for this test."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/library.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    return "\n".join([*blocks, "print('LOSSES', history.history['loss'][0], history.history['loss'][-1])"])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_page_is_a_program_that_learns(folder: Path) -> None:
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", read_blocks()]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    first, last = map(float, re.search(r"LOSSES (\S+) (\S+)", ran.stdout).groups())
    assert last < 0.8 * first
    facts = maskrcnn.read_facts(folder / "mine/model.h5")
    assert facts.class_names == tuple(CATEGORIES.values())
    assert (facts.image_shape, facts.fit) == (FACTS.image_shape, "letterbox")
    described = json.loads((folder / "exported/saved_model/assets.extra/maskrcnn.json").read_text())
    assert described["class_names"] == ["background", *CATEGORIES.values()]
    assert (folder / "exported/network.onnx").stat().st_size > 100_000
